"""Stacks of fully connected layers: what a config describes, and the torch module of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import nn

from fesearch.nets.config import complete, runs_of
from fesearch.nets.initial import begin
from fesearch.nets.layers import Norm, Run, Shortcut
from fesearch.space import Config

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}


@dataclass(frozen=True)
class Stack:
    """Runs of fully connected layers, and a 1-wide output layer.

    A shortcut is the identity where widths agree, else a linear projection with bias, as in
    IRNet's published code; it is added after the activation.

    Attributes:
        inputs: number of features.
        runs: hidden layers, first to last.
        activation: of hidden layers: sigmoid, tanh, relu, gelu, silu.
        output_activation: None, or one of the same.
        dropout: probability, behind the runs that have dropout.
    """

    inputs: int
    runs: tuple[Run, ...]
    activation: str = "relu"
    output_activation: str | None = None
    dropout: float = 0.0

    @classmethod
    def of(cls, config: Config, *, inputs: int, shortcut: Shortcut) -> "Stack":
        """The stack a checked config describes, by its ``layers`` or its depth and width."""
        given = complete(config)
        return cls(
            inputs=inputs,
            runs=runs_of(config, shortcut),
            activation=str(given["activation"]),
            output_activation=cast(str | None, given["output_activation"]),
            dropout=float(cast(float, given["dropout"])),
        )

    def net(self) -> "StackNet":
        """A module of this stack, with the weights of ``initial`` or torch's to begin with."""
        return StackNet(self)


class StackNet(nn.Module):
    """Features (n, inputs) -> outputs (n,)."""

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self.hidden = nn.Sequential(*_hidden(stack))
        self.output = nn.Linear(stack.runs[-1].width, 1)
        final = stack.output_activation
        self.final = nn.Identity() if final is None else ACTIVATIONS[final]()
        if all(run.norm is None and run.shortcut == "none" for run in stack.runs):
            begin(self)

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
    for run in stack.runs:
        size = 1 if run.shortcut == "layer" else run.count
        for _ in range(0, run.count, size):
            yield _block(inputs, size, run, stack.activation)
            inputs = run.width
        if run.dropout:
            yield nn.Dropout(stack.dropout)


def _block(inputs: int, size: int, run: Run, activation: str) -> Block:
    ends = [inputs, *[run.width] * size]
    layers = nn.Sequential(*(_layer(a, b, run.norm, activation) for a, b in pairwise(ends)))
    if run.shortcut == "none":
        return Block(layers, None)
    same = inputs == run.width
    return Block(layers, nn.Identity() if same else nn.Linear(inputs, run.width))


def _layer(before: int, after: int, norm: Norm | None, activation: str) -> nn.Sequential:
    parts: list[nn.Module] = [nn.Linear(before, after), ACTIVATIONS[activation]()]
    if norm is not None:
        parts.insert(1 if norm == "before" else 2, nn.BatchNorm1d(after))
    return nn.Sequential(*parts)
