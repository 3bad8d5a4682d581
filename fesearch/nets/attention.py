"""Self-attention over the elements of a compound, pooled by their fractions."""

import torch
from torch import nn
from torch.nn import functional

from fesearch.nets.sequence import ELEMENTS, Elements


class AttentionNet(nn.Module):
    """Sequences of elements (n, 2 L) -> outputs (n,); their order is of no effect.

    An element begins as a learned vector of its kind and one of its fraction. In each block every
    element attends to all of its compound; then the mean over the atoms (elements weighed by their
    fractions) goes through one more layer to the output.

    Args:
        blocks: number of them.
        heads, head_size: of the attention; vectors are heads · head_size wide.
        dropout: probability, after attention and layers.
    """

    def __init__(self, *, blocks: int, heads: int, head_size: int, dropout: float) -> None:
        super().__init__()
        width = heads * head_size
        self.kind = nn.Embedding(ELEMENTS + 1, width, padding_idx=0)
        self.amount = nn.Linear(2, width)
        self.blocks = nn.ModuleList(AttentionBlock(width, heads, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        elements = Elements.of(x)
        fraction = elements.fraction.unsqueeze(2)
        amounts = torch.cat([fraction, torch.log(fraction.clamp_min(1e-4))], dim=2)
        vectors = self.kind(elements.number) + self.amount(amounts)
        mask = elements.present[:, None, None, :]
        for block in self.blocks:
            vectors = block(vectors, mask)
        pooled = (self.norm(vectors) * fraction).sum(dim=1)
        y: torch.Tensor = self.head(pooled)
        return y.squeeze(1)


class AttentionBlock(nn.Module):
    """Attention, then two layers, each added to what came in (pre-norm), (n, L, width)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width)
        self.join = nn.Linear(width, width)
        self.layers = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in self.project(self.before(x)).chunk(3, dim=2)
        )
        found = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = x + self.dropout(self.join(found.transpose(1, 2).flatten(2)))
        y: torch.Tensor = x + self.dropout(self.layers(x))
        return y
