"""The ASHA rule: at each rung a trial goes on only if it is among the best seen there.

Asynchronous successive halving, stopping variant (Li et al. 2020, "A System for Massively Parallel
Hyperparameter Tuning", MLSys), with the decisions of Ray Tune's ``ASHAScheduler`` for one bracket.
Pure: the same reports in the same order give the same decisions, so the state is rebuilt by
feeding the recorded reports again.
"""

from bisect import insort
from collections.abc import Sequence

from fesearch.family import Resource
from fesearch.record import Decision
from fesearch.search.pruner import Standing

FACTOR = 3
"""Of reduction, by default; the Hyperband paper (Li et al., JMLR 2018) suggests 3 or 4."""
MOST_REDUCTIONS = 3
"""Between the first rung and the end: a trial there has had a 27th of a whole training, with 3."""


def rungs(first: int, reduction_factor: int, maximum: int) -> tuple[int, ...]:
    """The resources first·rf^k up to ``maximum``, ascending."""
    found = []
    rung = first
    while rung <= maximum:
        found.append(rung)
        rung *= reduction_factor
    return tuple(found)


def first_rung(
    resource: Resource, reduction_factor: int, maximum: int, reductions: int = MOST_REDUCTIONS
) -> int:
    """A first rung so many reductions below a maximum, in whole steps, one at least.

    It is no earlier than where trials of the resource can be compared.
    """
    steps = maximum // resource.step
    reduced = steps // int(reduction_factor**reductions)
    return resource.step * max(1, reduced, int(steps * resource.earliest))


def reductions(reduction_factor: int, trials: int) -> int:
    """How often a budget of trials can be reduced with one of them left at the end, or more."""
    found, left = 1, trials // reduction_factor
    while found < MOST_REDUCTIONS and left >= reduction_factor:
        found, left = found + 1, left // reduction_factor
    return found


class Halving:
    """The losses seen at each rung, and the decision on a further one.

    Args:
        rungs: resources at which trials are compared, ascending.
        reduction_factor: of the trials at a rung, about one in this many goes on.
    """

    def __init__(self, rungs: tuple[int, ...], reduction_factor: int) -> None:
        self._factor = reduction_factor
        self.losses: dict[int, dict[int, float]] = {rung: {} for rung in rungs}
        self._rewards: dict[int, list[float]] = {rung: [] for rung in rungs}  # ascending

    def rungs(self, trial: int) -> tuple[int, ...]:
        """The resources at which a trial may be stopped: the same for all."""
        return tuple(self.losses)

    def complete(self, trial: int) -> None:
        """The rule does not ask which of those seen went on to their ends."""

    def behind(self, trial: int) -> str:
        """What is said of a trial that was stopped."""
        return f"is not among the best 1 in {self._factor}"

    def standings(self) -> list[Standing]:
        """The rungs with the trials seen at each."""
        return [Standing(one, len(seen), self.cutoff(one)) for one, seen in self.losses.items()]

    def extended(self, rungs: Sequence[int]) -> "Halving":
        """The rule with these rungs, and the losses seen at those it shares with this one."""
        further = Halving(tuple(rungs), self._factor)
        further.losses.update({rung: self.losses[rung] for rung in rungs if rung in self.losses})
        further._rewards.update(
            {rung: self._rewards[rung] for rung in rungs if rung in self.losses}
        )
        return further

    def decide(self, trial: int, resource: int, loss: float) -> Decision:
        """Record the best loss so far of a trial at a resource; smaller is better.

        A resource that is no rung, or a rung the trial has been recorded at, continues.
        """
        seen = self.losses.get(resource)
        if seen is None or trial in seen:
            return Decision.CONTINUE
        cutoff = self.cutoff(resource)
        seen[trial] = loss
        insort(self._rewards[resource], -loss)
        return Decision.STOP if cutoff is not None and loss > cutoff else Decision.CONTINUE

    def cutoff(self, rung: int) -> float | None:
        """The loss above which a further trial is stopped at the rung; None: none was seen yet."""
        rewards = self._rewards[rung]
        # Ray takes this percentile of rewards; negated so that equal reports decide equally
        # to the last bit.
        return -_percentile(rewards, (1 - 1 / self._factor) * 100) if rewards else None


def _percentile(ordered: Sequence[float], percent: float) -> float:
    """What ``np.percentile`` gives, to the last bit, of values in order.

    With thousands of trials at a rung it would sort them anew for each report.
    """
    place = (len(ordered) - 1) * (percent / 100)
    below = int(place)
    low, high = ordered[below], ordered[min(below + 1, len(ordered) - 1)]
    share = place - below
    return high - (high - low) * (1 - share) if share >= 0.5 else low + (high - low) * share
