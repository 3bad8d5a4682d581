"""One step of training: a batch in, changed weights out."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeAlias

import torch
from torch import nn

from fesearch.nets import precision
from fesearch.nets.optimizer import Optimizer

Loss: TypeAlias = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Stepping(Protocol):
    """What trains a network batch by batch."""

    def running(self) -> AbstractContextManager[object]:
        """What the steps of an epoch are made in."""

    def __call__(self, rows: torch.Tensor, rate: float) -> None:
        """Train on the rows of these numbers, (n,) int64, at a learning rate."""


class Step:
    """A step as torch makes it, one kernel after the other. Implements ``Stepping``.

    Args:
        net: trained.
        x, y: features (n, d) and target (n,) of all training rows, on the device of the net.
        kind: of the precision; see ``precision``.
    """

    def __init__(
        self,
        net: nn.Module,
        optimizer: Optimizer,
        loss: Loss,
        x: torch.Tensor,
        y: torch.Tensor,
        kind: str,
    ) -> None:
        self._net, self._optimizer, self._loss = net, optimizer, loss
        self._x, self._y = x, y
        self._kind = kind
        self.device = y.device

    def running(self) -> AbstractContextManager[object]:
        return precision.training(self._kind, self.device)

    def __call__(self, rows: torch.Tensor, rate: float | torch.Tensor) -> None:
        self._optimizer.clear()
        with precision.forward(self._kind, self.device):
            found = self._net(self._x[rows])
        self._loss(found.float(), self._y[rows]).backward()  # type: ignore[no-untyped-call]
        self._optimizer.step(rate)

    def state(self) -> dict[str, torch.Tensor]:
        """All that a step changes, itself: weights, buffers, and what the optimizer keeps."""
        return {**self._net.state_dict(), **self._optimizer.state()}
