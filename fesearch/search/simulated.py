"""Trials replayed from recorded curves on a virtual clock: the third runner, beside inline and Ray.

The core is the real one, so a simulated search decides as a real one would. What is made up is the
time: a step takes what it took when it was recorded, on each of any number of workers.
"""

import heapq
from dataclasses import dataclass, field, replace
from itertools import count

import numpy as np

from fesearch.record import Decision, Queued, Report, TrialResult, TrialSpec
from fesearch.search.core import Core
from fesearch.search.curves import Curves, Trace
from fesearch.search.sampler import Sampler
from fesearch.space import Config, Value


class Clock:
    """Seconds since a simulated search began; what a core is given for ``time.monotonic``."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Forgetful:
    """A ledger of a search that nobody will go on with."""

    def queued(self, *, continuing: bool = False) -> Queued | None:
        """Nobody asks for a config."""

    def begin(self, spec: TrialSpec, queued: Queued | None) -> None: ...

    def report(
        self, number: int, report: Report, decision: Decision, result: TrialResult
    ) -> None: ...

    def retry(self, result: TrialResult) -> None: ...

    def finish(self, result: TrialResult) -> None: ...


class Recorded:
    """A sampler whose suggestions are those of another one, moved to what is on record.

    Each becomes the nearest of the recorded configs that no trial has had; where all have been had,
    all may be had again. So no value is made up, and none is found twice while others are left.
    """

    def __init__(self, sampler: Sampler, curves: Curves) -> None:
        self._sampler = sampler
        self._curves = curves
        self._left = np.ones(len(curves.curves), dtype=bool)

    def suggest(self, number: int) -> dict[str, Value] | None:
        config = self._sampler.suggest(number)
        if config is None:
            return None
        if not self._left.any():
            self._left[:] = True
        return dict(self._curves.curves[self._curves.nearest(config, self._left)].config)

    def begin(self, number: int, family: str, config: Config) -> None:
        self._left[self._curves.nearest(config)] = False
        self._sampler.begin(number, family, config)

    def report(self, number: int, resource: int, best: float | None) -> None:
        self._sampler.report(number, resource, best)

    def finish(self, result: TrialResult) -> None:
        self._sampler.finish(result)


@dataclass
class Course:
    """How a simulated search went.

    Attributes:
        sign: 1.0 where smaller values are better, else -1.0.
        times, values: when the best value so far improved, and to what.
        trials, reports: how many began, and how many reports were decided on.
        busy: seconds of training, of all workers together.
        end: when the last report came.
    """

    sign: float
    times: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    trials: int = 0
    reports: int = 0
    busy: float = 0.0
    end: float = 0.0

    def note(self, report: Report, at: float, seconds: float) -> None:
        """A report was answered at a time, for a step that took so many seconds."""
        self.reports, self.busy, self.end = self.reports + 1, self.busy + seconds, at
        best = report.best
        if best is None or (self.values and self.sign * best >= self.sign * self.values[-1]):
            return
        self.times.append(at)
        self.values.append(best)


@dataclass(frozen=True, slots=True)
class _Training:
    """A trial on a worker: its reports, and the resource at which it ends."""

    number: int
    end: int
    trace: Trace


def drive(core: Core, curves: Curves, workers: int, clock: Clock, *, answer: float = 0.0) -> Course:
    """Search until the core has no further trial.

    Args:
        clock: the one that the core was given.
        answer: seconds that the driver takes for a report, one after another.
    """
    sign = 1.0 if core.settings.metric.direction == "minimize" else -1.0
    course, order = Course(sign), count()
    coming: list[tuple[float, int, int, _Training]] = []

    def go_on(training: _Training, place: int) -> None:
        at = max(clock.now, course.end) + training.trace.seconds
        heapq.heappush(coming, (at, next(order), place, training))

    idle = workers
    while True:
        while idle and (spec := core.suggest()) is not None:
            trace = curves.trace(curves.nearest(spec.config))
            go_on(_Training(spec.number, spec.steps[-1], trace), 1)
            idle, course.trials = idle - 1, course.trials + 1
        if not coming:
            return course
        at, _, place, training = heapq.heappop(coming)
        clock.now = max(at, course.end)
        report = training.trace.after(place)
        if report.resource >= training.end:
            report = replace(report, last=True)
        decision = core.report(training.number, report)
        course.note(report, clock.now + answer, training.trace.seconds)
        if decision is Decision.CONTINUE:
            go_on(training, place + 1)
        else:
            idle += 1
