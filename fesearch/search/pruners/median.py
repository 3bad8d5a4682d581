"""The median rule: a trial goes on while it is no worse than the median of those completed.

Golovin et al., "Google Vizier", KDD 2017, section 3.2.2, with Optuna's choice of what is compared:
the best value so far, at equal resource, with trials that were trained to their ends. Those that
were stopped do not count: else half of what is left would be stopped at every look.
"""

from collections.abc import Sequence
from statistics import median

from fesearch.estimate import Course
from fesearch.record import Decision
from fesearch.search.pruner import Pruner, Rule, Standing, Terms

FEWEST = 5
"""Completed trials before any is stopped, as in Optuna's MedianPruner."""


class Median:
    """The losses of every trial at each rung, and which of them are complete.

    Args:
        rungs: resources at which trials are compared, ascending.
    """

    def __init__(self, rungs: Sequence[int]) -> None:
        self._rungs = tuple(rungs)
        self._losses: dict[int, dict[int, float]] = {rung: {} for rung in self._rungs}
        self._complete: set[int] = set()

    def rungs(self, trial: int) -> tuple[int, ...]:
        return self._rungs

    def decide(self, trial: int, resource: int, loss: float) -> Decision:
        seen = self._losses.get(resource)
        if seen is None or trial in seen:
            return Decision.CONTINUE
        cutoff = self._cutoff(resource)
        seen[trial] = loss
        return Decision.STOP if cutoff is not None and loss > cutoff else Decision.CONTINUE

    def complete(self, trial: int) -> None:
        self._complete.add(trial)

    def extended(self, rungs: Sequence[int]) -> "Median":
        further = Median(rungs)
        further._losses.update({r: seen for r, seen in self._losses.items() if r in set(rungs)})
        further._complete = self._complete
        return further

    def behind(self, trial: int) -> str:
        return "is worse than the median of the completed trials"

    def standings(self) -> list[Standing]:
        return [
            Standing(rung, len(seen), self._cutoff(rung))
            for rung, seen in self._losses.items()
            if seen
        ]

    def _cutoff(self, rung: int) -> float | None:
        """The median at a rung of the completed trials seen there; None while there are few."""
        if len(self._complete) < FEWEST:
            return None
        seen = dict(self._losses[rung])  # a page that shows it asks from another thread
        ends = [loss for trial, loss in seen.items() if trial in self._complete]
        return median(ends) if ends else None


def _rungs(first: int, reduction_factor: int, maximum: int) -> tuple[int, ...]:
    """Every multiple of the first; at each the weights are written, so not every step is one."""
    return tuple(range(first, maximum + 1, first))


def _make(terms: Terms) -> Rule:
    return Median(terms.rungs)


def _courses(terms: Terms) -> tuple[Course, ...]:
    """Looks have a trial in common: who passes one, passes most."""
    return (Course(terms.rungs[:1], 2),)


PRUNER = Pruner(
    "median",
    "No worse than the median of the completed trials",
    _rungs,
    _make,
    terms=("grace",),
    courses=_courses,
)
