"""Convolutions over the composition as a picture of one element a cell; the torch module."""

from itertools import pairwise

import torch
from torch import nn

from fesearch.nets.initial import begin
from fesearch.nets.stack import ACTIVATIONS

SIDE = 10
"""Cells of a side of the picture: ``element_grid`` has 100 columns."""


class GridNet(nn.Module):
    """Pictures (n, 100) -> outputs (n,).

    Convolutions of equal size that keep the picture's, then one fully connected layer and the
    output.

    Args:
        depth: number of convolutions.
        channels: of each of them.
        kernel: cells of a side of each, odd.
        hidden: units of the fully connected layer.
        activation: after each layer but the output.
        norm: batch norm between each convolution and its activation.
        dropout: probability, before the output.
    """

    def __init__(
        self,
        *,
        depth: int,
        channels: int,
        kernel: int,
        hidden: int,
        activation: str,
        norm: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for before, after in pairwise([1, *[channels] * depth]):
            parts.append(nn.Conv2d(before, after, kernel, padding="same", bias=not norm))
            parts += [nn.BatchNorm2d(after)] if norm else []
            parts.append(ACTIVATIONS[activation]())
        self.convolutions = nn.Sequential(*parts)
        self.head = nn.Sequential(
            nn.Linear(channels * SIDE * SIDE, hidden),
            ACTIVATIONS[activation](),
            nn.Dropout(dropout),
            nn.Linear(hidden, 1),
        )
        if not norm:
            begin(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pictures = self.convolutions(x.view(-1, 1, SIDE, SIDE))
        y: torch.Tensor = self.head(pictures.flatten(1))
        return y.squeeze(1)
