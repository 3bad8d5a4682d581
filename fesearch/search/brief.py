"""Whether a search is over here before Ray has started: told by its own steps.

A study whose runner is "auto" begins in this process where it may be so short, and goes on with
Ray, the trial in training from its checkpoint, once its steps say that it is not.
"""

import math
import time
from bisect import bisect_right
from collections.abc import Callable

from fesearch.classical.affordable import of_a_trial
from fesearch.estimate import TO_START, steps_of_a_trial
from fesearch.record import Decision, TrialSpec
from fesearch.registry import short_name
from fesearch.search.core import Core
from fesearch.search.pruner import PRUNERS, Terms
from fesearch.search.settings import Settings
from fesearch.split import Development

FASTEST = 3e7
"""Training features (rows times columns) a second and core that no step is faster than, about: 7e6
of a network of 21,000 weights, 3e7 of ridge; measured with torch 2.13 and scikit-learn 1.8."""
LARGEST = 3e6
"""Training features up to which a step that cannot be left takes seconds: a forest's, say."""


def short(workers: int) -> float:
    """Seconds of work left in one process up to which that many on Ray take longer, by its start.

    One worker of Ray's is never faster, but what it does is no end of the search: it is taken for
    two.
    """
    workers = max(workers, 2)
    return TO_START * workers / (workers - 1)


def may_be(settings: Settings, data: Development, trials: int, most: float) -> bool:
    """Whether so little work is left, as far as can be said before the first step.

    With a family or metric of the user's own, and on a GPU, it is for Ray, which survives what
    trials do.

    Args:
        trials: of its budget that have not begun.
        most: seconds of work in this process.
    """
    family, size = settings.family, data.train_x.size
    if settings.device != "cpu" or any(
        short_name(name) != name for name in (family.name, settings.metric.name)
    ):
        return False
    config = settings.firsts()[0]
    if not family.gpu and size > LARGEST:
        return False
    if family.cost is not None:
        return trials * of_a_trial(config, data, family.cost)[1].seconds <= most
    each = _mean_steps(settings, len(family.steps(config, settings.maximum)))
    least = trials * each * size / FASTEST
    return min(least, _seconds_left(settings, time.monotonic())) <= most


class Brief:
    """What is left of a search in this process, from the steps it has taken here.

    Steps to come are taken to last as long as those before, on the average, that in progress among
    them once it is longer. A search that is extended meanwhile is brief no more.

    Args:
        most: seconds of work left up to which it is brief.
    """

    def __init__(
        self, core: Core, most: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._core = core
        self._settings = core.settings
        self._most = most
        self._clock = clock
        self._began = clock()  # the step in progress
        self._seconds, self._steps = 0.0, 0
        self._each = 1.0  # steps of a trial
        self._of_trial_left = 0

    def begins(self, spec: TrialSpec) -> None:
        """The first step of a trial begins, here."""
        self._each = _mean_steps(self._settings, len(spec.steps))
        self._of_trial_left = len(spec.steps) - bisect_right(spec.steps, spec.reached or 0)
        self._began = self._clock()

    def stepped(self, decision: Decision) -> None:
        """A step was reported and decided on, or has failed."""
        now = self._clock()
        self._seconds += now - self._began
        self._steps += 1
        self._of_trial_left = 0 if decision is Decision.STOP else self._of_trial_left - 1
        self._began = now

    @property
    def left(self) -> float:
        """Seconds of work, as far as the steps tell."""
        now = self._clock()
        each = self._seconds / max(self._steps, 1)
        if self._of_trial_left:
            each = max(each, (self._seconds + now - self._began) / (self._steps + 1))
        left = self._of_trial_left + self._core.to_begin * self._each
        return min(left * each, _seconds_left(self._settings, now))

    @property
    def over(self) -> bool:
        """Whether it is brief no more."""
        if math.isinf(self._most):
            return False
        return self._core.settings is not self._settings or self.left > self._most


def _mean_steps(settings: Settings, steps: int) -> float:
    """Of a trial with so many to its end, on the average."""
    step = settings.family.resource.step
    rungs = tuple(rung // step for rung in settings.rungs)
    terms = Terms(rungs, settings.reduction_factor, settings.brackets)
    return steps_of_a_trial(steps, PRUNERS.get(settings.pruner).courses(terms))


def _seconds_left(settings: Settings, now: float) -> float:
    return math.inf if settings.deadline is None else max(settings.deadline - now, 0.0)
