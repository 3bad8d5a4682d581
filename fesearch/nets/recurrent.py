"""A recurrent network over the elements of a compound, with attention and highway layers."""

import torch
from torch import nn
from torch.nn import functional

from fesearch.nets.initial import begin
from fesearch.nets.precision import recurrent
from fesearch.nets.sequence import ELEMENTS, Elements

MOST_ATTENDED = 2
"""Elements whose vectors go on to the highway layers, by Huang and Ling (2020)."""
GATE_BIAS = -1.0
"""Highway gates begin nearly closed: a deep net begins as a shallow one (Srivastava 2015)."""
FORGET_BIAS = 1.0
"""Forget gates of an LSTM begin open, as TensorFlow's do (Jozefowicz 2015)."""


class SequenceNet(nn.Module):
    """Sequences of elements (n, 2 L) -> outputs (n,).

    An element is a vector of 100 with its fraction at its place. An LSTM reads them in their order;
    additive attention weighs its states. Its last state, the context (the weighted mean of all
    states) and the vectors of the two most attended elements go through highway layers to the
    output. Padding is never attended to; a compound of one element has zeros for the second.

    Args:
        hidden: units of the LSTM and of the attention.
        highways: number of highway layers, 2 · hidden + 200 wide.
        dropout: probability, before the output.
    """

    def __init__(self, *, hidden: int, highways: int, dropout: float) -> None:
        super().__init__()
        self.lstm = nn.LSTM(ELEMENTS, hidden, batch_first=True)
        self.key = nn.Linear(hidden, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)
        width = 2 * hidden + MOST_ATTENDED * ELEMENTS
        layers = [Highway(width) for _ in range(highways)]
        self.highways = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(width, 1)
        begin(self)
        with torch.no_grad():
            self.lstm.get_parameter("bias_ih_l0")[hidden : 2 * hidden] += FORGET_BIAS
        for layer in layers:
            nn.init.constant_(layer.gate.bias, GATE_BIAS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        elements = Elements.of(x)
        vectors = _vectors(elements)
        with recurrent(x.device):
            states, _ = self.lstm(vectors)
        last = elements.present.sum(dim=1) - 1
        final = states[torch.arange(x.shape[0], device=x.device), last]
        scores = self.score(torch.tanh(self.key(states))).squeeze(2)
        weights = scores.masked_fill(~elements.present, -torch.inf).softmax(dim=1)
        context = (weights.unsqueeze(2) * states).sum(dim=1)
        y: torch.Tensor = self.output(
            self.dropout(
                self.highways(torch.cat([final, context, _attended(vectors, weights)], dim=1))
            )
        )
        return y.squeeze(1)


class Highway(nn.Module):
    """Gate · ReLU layer + (1 − gate) · input, (n, width) -> (n, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(width, width)
        self.gate = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gate = torch.sigmoid(self.gate(x))
        # Under autocast layers give bf16, beside which x has stayed fp32.
        return torch.lerp(x, functional.relu(self.layer(x)).to(x.dtype), gate.to(x.dtype))


def _vectors(elements: Elements) -> torch.Tensor:
    """Each element as its fraction at its place among 100, (n, L, 100); zeros for padding."""
    shape = (*elements.number.shape, ELEMENTS + 1)
    empty = torch.zeros(shape, dtype=elements.fraction.dtype, device=elements.fraction.device)
    places = elements.number.unsqueeze(2)
    return empty.scatter(2, places, elements.fraction.unsqueeze(2))[:, :, 1:]


def _attended(vectors: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The vectors of the most attended elements, the first before the second, (n, 200)."""
    missing = MOST_ATTENDED - weights.shape[1]
    if missing > 0:
        vectors = functional.pad(vectors, (0, 0, 0, missing))
        weights = functional.pad(weights, (0, missing))
    places = weights.topk(MOST_ATTENDED, dim=1).indices
    chosen = vectors.gather(1, places.unsqueeze(2).expand(-1, -1, vectors.shape[2]))
    return chosen.flatten(1)
