"""Trials that no other one beats in everything that counts: the Pareto front."""

from collections.abc import Iterable, Sequence
from typing import Literal

from fesearch.metrics import Direction
from fesearch.record import TrialResult

Objective = Literal["parameters", "seconds", "latency"]
"""What may count beside the metric, less of it being better: trained numbers in the model, seconds
of computation, and seconds to predict a row on one CPU thread, features not included. The last is
measured in studies that ask for it, beside the trials in training then, and is the rougher for it;
the others are on record of every trial."""


def front(
    trials: Iterable[TrialResult], objectives: Sequence[Objective], direction: Direction
) -> list[TrialResult]:
    """The trials that no other one equals or beats in all, and beats in one; the best value first.

    A trial that lacks one of these numbers is not among them.

    Args:
        objectives: which count beside the value.
        direction: of the value.
    """
    sign = 1.0 if direction == "minimize" else -1.0

    def costs(trial: TrialResult) -> tuple[float, ...] | None:
        others = [getattr(trial, objective) for objective in objectives]
        if not trial.state.usable or trial.value is None or None in others:
            return None
        return sign * trial.value, *others

    scored = [(found, trial) for trial in trials if (found := costs(trial)) is not None]
    scored.sort(key=lambda pair: (pair[0], pair[1].number))
    # One that beats another stands before it, as it is no worse in the value, nor at the first
    # place where they differ.
    kept: list[tuple[tuple[float, ...], TrialResult]] = []
    for found, trial in scored:
        if not any(_beats(other, found) for other, _ in kept):
            kept.append((found, trial))
    return [trial for _, trial in kept]


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
