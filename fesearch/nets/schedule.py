"""Learning rates over the course of training, as factors of the config's own."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from fesearch.arrays import Arrays, Layout, check

WARM_UP = 0.3
"""Share of the steps in which one_cycle rises (Smith and Topin, 2019; torch's default)."""
LOWEST = 1 / 25
"""Where one_cycle begins, and below 1e-4 of which it ends (torch's defaults)."""
PLATEAU_PATIENCE = 10
"""Epochs without a better validation MAE after which plateau lowers the rate (torch's default)."""
PLATEAU_FACTOR = 0.5
"""How far it does."""


def cosine(progress: float) -> float:
    """From 1 to 0 along half a cosine (Loshchilov and Hutter, 2017, without restarts)."""
    return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def one_cycle(progress: float) -> float:
    """Up from 1/25 to 1 in the first 30 % of the steps, then down to nearly 0, along cosines."""
    if progress < WARM_UP:
        return LOWEST + (1 - LOWEST) * (1 - cosine(progress / WARM_UP))
    end = LOWEST * 1e-4
    return end + (1 - end) * cosine((progress - WARM_UP) / (1 - WARM_UP))


_CURVES: MappingProxyType[str, Callable[[float], float]] = MappingProxyType(
    {"cosine": cosine, "one_cycle": one_cycle}
)


@dataclass
class Schedule:
    """The factor of the learning rate at each step of training.

    Attributes:
        kind: "constant", "cosine", "one_cycle" or "plateau".
        epochs: until the end of cosine and one_cycle.
        factor: of plateau, lowered by ``seen``.
        best, waited: the best validation MAE that plateau has seen, and the epochs since.
    """

    kind: str
    epochs: int | None = None
    factor: float = 1.0
    best: float = math.inf
    waited: int = 0

    def at(self, epoch: int, share: float) -> float:
        """The factor of a step.

        Args:
            epoch: from 0.
            share: of the epoch's steps that are done, below 1.
        """
        curve = _CURVES.get(self.kind)
        if curve is None:
            return self.factor
        assert self.epochs is not None
        return curve((epoch + share) / self.epochs)

    def seen(self, error: float) -> None:
        """Take note of the validation MAE after an epoch; only plateau acts on it."""
        if self.kind != "plateau":
            return
        self.waited += 1
        if error < self.best:
            self.best, self.waited = error, 0
        elif self.waited > PLATEAU_PATIENCE:
            self.factor, self.waited = self.factor * PLATEAU_FACTOR, 0

    def arrays(self) -> dict[str, np.ndarray]:
        """What ``restore`` needs."""
        return {
            "factor": np.array(self.factor),
            "best": np.array(self.best),
            "waited": np.array(self.waited, np.int64),
        }

    def restore(self, arrays: Arrays) -> None:
        """Go on as the schedule that gave these.

        Raises:
            InputError: they are not of a schedule.
        """
        expected = {name: Layout((), array.dtype) for name, array in self.arrays().items()}
        check(arrays, expected, "checkpoint")
        self.factor, self.best = float(arrays["factor"]), float(arrays["best"])
        self.waited = int(arrays["waited"])
