"""Hyperband's brackets, each an ASHA of its own with a later first rung.

Li et al., "Hyperband", JMLR 18, 185 (2018), Algorithm 1, run asynchronously as in section 3 of
Li et al. 2020 (MLSys): where early values mislead, some trials are left alone for longer.
"""

import math
from collections.abc import Sequence

from fesearch.estimate import Course
from fesearch.record import Decision
from fesearch.search.halving import Halving, rungs
from fesearch.search.pruner import Pruner, Rule, Standing, Terms
from fesearch.seeds import derive


def shares(brackets: int, reduction_factor: int) -> tuple[int, ...]:
    """How many trials Hyperband begins in each bracket, that of the earliest rung first.

    ⌈(s_max + 1) η^s / (s + 1)⌉ for s = s_max … 0: Algorithm 1 of the paper, line 3.
    """
    return tuple(
        math.ceil(brackets * reduction_factor**s / (s + 1)) for s in reversed(range(brackets))
    )


def _count(rungs: Sequence[int], brackets: int) -> int:
    """Brackets there are: one at least, and no more than rungs."""
    return max(1, min(brackets, len(rungs)))


class Hyperband:
    """Brackets of rungs; that of a trial is drawn from the study's seed and the trial's number.

    Args:
        rungs: of the first bracket; each further one begins a rung later.
        reduction_factor: of the trials at a rung, about one in this many goes on.
        brackets: how many; there are no more than rungs.
        seed: of the study.
    """

    def __init__(
        self, rungs: Sequence[int], reduction_factor: int, brackets: int, seed: int
    ) -> None:
        count = _count(rungs, brackets)
        self._factor = reduction_factor
        self._seed = seed
        self._shares = shares(count, reduction_factor)
        self._brackets = [Halving(tuple(rungs[later:]), reduction_factor) for later in range(count)]

    def bracket(self, trial: int) -> int:
        """The bracket of a trial, whatever has happened so far."""
        place = derive(self._seed, "bracket", trial) % sum(self._shares)
        for bracket, share in enumerate(self._shares):
            place -= share
            if place < 0:
                return bracket
        raise AssertionError("a place below the sum of the shares is in one of them")

    def rungs(self, trial: int) -> tuple[int, ...]:
        return self._of(trial).rungs(trial)

    def decide(self, trial: int, resource: int, loss: float) -> Decision:
        return self._of(trial).decide(trial, resource, loss)

    def complete(self, trial: int) -> None:
        """Rungs do not ask which of those seen went on to their ends."""

    def extended(self, rungs: Sequence[int]) -> "Hyperband":
        further = Hyperband(rungs, self._factor, len(self._brackets), self._seed)
        further._brackets = [
            bracket.extended(tuple(rungs[later:])) for later, bracket in enumerate(self._brackets)
        ]
        return further

    def behind(self, trial: int) -> str:
        return f"{self._of(trial).behind(trial)} of bracket {self.bracket(trial)}"

    def standings(self) -> list[Standing]:
        return [
            Standing(one.resource, one.seen, one.cutoff, number)
            for number, bracket in enumerate(self._brackets)
            for one in bracket.standings()
        ]

    def _of(self, trial: int) -> Halving:
        return self._brackets[self.bracket(trial)]


def _make(terms: Terms) -> Rule:
    return Hyperband(terms.rungs, terms.reduction_factor, terms.brackets, terms.seed)


def _courses(terms: Terms) -> tuple[Course, ...]:
    """One for each bracket."""
    factor = terms.reduction_factor
    begin = shares(_count(terms.rungs, terms.brackets), factor)
    return tuple(
        Course(terms.rungs[later:], factor, share / sum(begin)) for later, share in enumerate(begin)
    )


PRUNER = Pruner("hyperband", "Brackets of successive halving", rungs, _make, courses=_courses)
