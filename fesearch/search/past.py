"""The trials so far as samplers see them that ignore what was stopped early.

Optuna's GP ignores PRUNED, and CMA-ES wants a value of each config it is told of. So each trial has
a loss here, a function of all the trials so far and not of the order in which they ended:

- complete: its value.
- stopped early: what it would have ended at, had it improved from there by as much as the median of
  the completed trials did, but no better than the median of those ended. What it had when it was
  stopped is too bad a value (a loss after one epoch beside losses after a hundred would drown the
  differences between these), and one that was behind must not look better than they do.
- diverged: the worst loss of any trial.
- ended by a fault of the machine: none, for it says nothing of the config.

The store and Optuna's tables keep what was measured; these values are seen by a sampler alone.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from statistics import median

from fesearch.metrics import Direction
from fesearch.record import Fault, TrialResult, TrialState
from fesearch.space import Config


@dataclass(frozen=True)
class Seen:
    """A trial as a sampler sees it.

    Attributes:
        loss: smaller is better; None while it runs.
    """

    number: int
    config: Config
    loss: float | None


class Past:
    """What a search has told its sampler.

    Args:
        direction: of the values told.
        priors: trials of an earlier study, which count as this one's; their numbers become -1, -2…
    """

    def __init__(self, direction: Direction, priors: Iterable[TrialResult] = ()) -> None:
        self._sign = 1.0 if direction == "minimize" else -1.0
        self._configs: dict[int, Config] = {}
        self._curves: dict[int, dict[int, float]] = {}
        self._ended: dict[int, TrialResult] = {}
        for place, prior in enumerate(priors, 1):
            number = -place
            self.begin(number, prior.config)
            self.report(number, prior.resource, prior.value)
            self.finish(replace(prior, number=number))

    def begin(self, number: int, config: Config) -> None:
        """A trial has begun."""
        self._configs[number] = config
        self._curves[number] = {}

    def report(self, number: int, resource: int, best: float | None) -> None:
        """A trial has reported its best so far; None, it has none or diverged."""
        if best is not None:
            self._curves[number][resource] = self._sign * best

    def finish(self, result: TrialResult) -> None:
        """A trial has ended."""
        self._ended[result.number] = result

    def seen(self) -> list[Seen]:
        """Every trial that runs or tells of its config, by number."""
        losses = self.losses()
        return [
            Seen(number, config, losses.get(number))
            for number, config in sorted(self._configs.items())
            if number in losses or number not in self._ended
        ]

    def losses(self) -> Mapping[int, float]:
        """Number -> loss of the trials that have ended and have one, by number."""
        complete = dict(self._values(TrialState.COMPLETE))
        stopped = dict(self._values(TrialState.PRUNED))
        at = {self._ended[one].resource for one in stopped}
        ends = {resource: self._ends(resource, complete) for resource in at}
        for one, loss in stopped.items():
            gain, floor = ends[self._ended[one].resource]
            stopped[one] = max(loss - gain, floor)
        found = complete | stopped
        if found:
            worst = max(found.values())
            found |= {
                one.number: worst for one in self._ended.values() if one.fault is Fault.DIVERGED
            }
        return dict(sorted(found.items()))

    def _values(self, state: TrialState) -> Iterator[tuple[int, float]]:
        for number, result in self._ended.items():
            if result.state is state and result.value is not None:
                yield number, self._sign * result.value

    def _ends(self, resource: int, complete: Mapping[int, float]) -> tuple[float, float]:
        """What a trial stopped at a resource is taken to gain from there, and to reach at best.

        They are the same for all that were stopped there; see the top of the module.
        """
        there = {
            one: self._curves[one][resource] for one in complete if resource in self._curves[one]
        }
        if not there:
            return 0.0, -math.inf
        gain = median(at - complete[one] for one, at in there.items())
        return gain, median(complete[one] for one in there)
