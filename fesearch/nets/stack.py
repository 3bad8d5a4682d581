"""Stacks of fully connected layers: widths, shortcuts, and the torch module they describe.

Widths are those of IRNet (Jha et al., KDD 2019, doi:10.1145/3292500.3330703, Table 1). The printed
table has 1024 in the 256-wide row of its deepest network; the published code has 256, used here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Literal

import torch
from torch import nn

from fesearch.errors import InputError
from fesearch.nets.config import complete
from fesearch.space import Config

Shortcut = Literal["none", "block", "layer"]

WIDTHS = (1024, 512, 256, 128, 64, 32, 16)
PUBLISHED_COUNTS = {
    17: (4, 3, 3, 3, 2, 1, 0),
    24: (4, 4, 4, 4, 3, 2, 2),
    48: (8, 8, 8, 8, 8, 4, 3),
}
"""Total depth -> hidden layers of each of WIDTHS; the output layer, 1 wide, is the last."""
BLOCK = 4
"""Most layers under one shortcut: SRNet divides its runs of eight equal layers into two blocks."""
DROPOUTS = 4
"""Runs of equal width followed by dropout: "after the first four stacks" (IRNet 4.1.1)."""
NARROWEST = 8
"""A scaled layer is never narrower than this."""

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}


def taper(depth: int) -> tuple[int, ...]:
    """Hidden widths of a network of ``depth`` layers, its output layer among them.

    The papers list 17, 24 and 48 layers and give no rule for others. This rule is ours: for every
    width, the number of layers at least that wide is interpolated linearly in depth between the
    neighbouring published networks (below 17, between no layer at all and 17) and rounded. It
    gives exactly the published lists, ``depth - 1`` layers and non-increasing widths everywhere.

    Raises:
        InputError: the depth is outside 3 … 48.
    """
    if not 3 <= depth <= max(PUBLISHED_COUNTS):
        raise InputError(f"A network has depth {depth}.", "Give a depth of 3 to 48 layers.")
    anchors = {1: (0,) * len(WIDTHS), **PUBLISHED_COUNTS}
    low, high = next((a, b) for a, b in pairwise(anchors) if a <= depth <= b)
    widths: list[int] = []
    at_least_low = at_least_high = 0
    for width, count_low, count_high in zip(WIDTHS, anchors[low], anchors[high], strict=True):
        at_least_low += count_low
        at_least_high += count_high
        share = (depth - low) * (at_least_high - at_least_low) / (high - low)
        at_least = int(at_least_low + share + 0.5)
        widths += [width] * (at_least - len(widths))
    return tuple(widths)


@dataclass(frozen=True)
class Stack:
    """A stack of fully connected layers, each with norm and activation, and a 1-wide output layer.

    Attributes:
        inputs: number of features.
        widths: of the hidden layers, first to last.
        shortcut: "layer" after every hidden layer (IRNet), "block" after every block of equal
            width (SRNet), or "none". It is the identity where widths agree, else a linear
            projection with bias, as in IRNet's published code, and is added after the activation.
        activation: of hidden layers: sigmoid, tanh, relu, gelu, silu.
        output_activation: None, or one of the same.
        norm: batch norm "before" or "after" the activation, or None.
        dropout: probability, after each of the first four runs of equal width.
    """

    inputs: int
    widths: tuple[int, ...]
    shortcut: Shortcut
    activation: str = "relu"
    output_activation: str | None = None
    norm: str | None = "before"
    dropout: float = 0.0

    @classmethod
    def of(cls, config: Config, *, inputs: int, shortcut: Shortcut) -> "Stack":
        """The stack a checked config describes; its ``width`` scales the published widths."""
        given = complete(config)
        scale = float(given["width"])  # type: ignore[arg-type]
        widths = (max(NARROWEST, round(w * scale)) for w in taper(int(given["depth"])))  # type: ignore[arg-type]
        return cls(
            inputs=inputs,
            widths=tuple(widths),
            shortcut=shortcut,
            activation=str(given["activation"]),
            output_activation=given["output_activation"],  # type: ignore[arg-type]
            norm=given["norm"],  # type: ignore[arg-type]
            dropout=float(given["dropout"]),  # type: ignore[arg-type]
        )

    def net(self) -> "StackNet":
        """A module of this stack, initialised by torch's default (Kaiming-uniform, a = √5)."""
        return StackNet(self)


class StackNet(nn.Module):
    """Features (n, inputs) -> outputs (n,)."""

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self.hidden = nn.Sequential(*_hidden(stack))
        self.output = nn.Linear(stack.widths[-1], 1)
        final = stack.output_activation
        self.final = nn.Identity() if final is None else _ACTIVATIONS[final]()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.final(self.output(self.hidden(x)))
        return y.squeeze(1)


class Block(nn.Module):
    """Layers with one shortcut around them, or none."""

    def __init__(self, layers: nn.Sequential, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.layers = layers
        self.shortcut = shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layers(x)
        return y if self.shortcut is None else y + self.shortcut(x)


def _hidden(stack: Stack) -> Iterator[nn.Module]:
    inputs = stack.inputs
    runs = [len(list(run)) for _, run in groupby(stack.widths)]
    layers = iter(stack.widths)
    for index, run in enumerate(runs):
        for size in _blocks(run, stack.shortcut):
            widths = [next(layers) for _ in range(size)]
            yield _block(inputs, widths, stack)
            inputs = widths[-1]
        if stack.dropout > 0 and index < DROPOUTS:
            yield nn.Dropout(stack.dropout)


def _blocks(run: int, shortcut: Shortcut) -> list[int]:
    """Sizes of the blocks a run of layers of equal width is divided into."""
    size = BLOCK if shortcut == "block" else 1
    return [min(size, run - start) for start in range(0, run, size)]


def _block(inputs: int, widths: list[int], stack: Stack) -> Block:
    ends = [inputs, *widths]
    layers = nn.Sequential(*(_layer(before, after, stack) for before, after in pairwise(ends)))
    if stack.shortcut == "none":
        return Block(layers, None)
    same = inputs == widths[-1]
    return Block(layers, nn.Identity() if same else nn.Linear(inputs, widths[-1]))


def _layer(before: int, after: int, stack: Stack) -> nn.Sequential:
    parts: list[nn.Module] = [nn.Linear(before, after), _ACTIVATIONS[stack.activation]()]
    if stack.norm is not None:
        parts.insert(1 if stack.norm == "before" else 2, nn.BatchNorm1d(after))
    return nn.Sequential(*parts)
