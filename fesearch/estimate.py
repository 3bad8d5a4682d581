"""What a study will take, in hours, memory and disk, from a few steps of a few of its trials.

Arithmetic alone. Each estimate is a range: its low end is what was measured, going on without
trouble; its high end has in it what a short look cannot see.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

UNSEEN = 2.0
"""Other configs of a space cost so many times as much, or as little, as one that was measured."""
CROWDING = 1.5
"""A step beside other trials takes up to so many times as long: memory and caches are shared."""
LAX = 2.0
"""Asynchronous halving lets up to so many times as many trials on as its factor says: those that
come to a rung first have nobody before them."""
TO_START = 15.0
"""Seconds until Ray and the first workers are up."""
DRIVER = 700e6
"""Bytes of the driver and of Ray's own processes, at least; measured with ray 2.60."""
OF_RAY = 100e6
"""Bytes of Ray in a worker: 76 MB beyond a process that trains alone, measured with ray 2.60 and
torch 2.13, and its connection; 54 MB of libraries that all workers share are not in it."""
RAY_FILES = 60e6
"""Bytes of a session's logs and of Tune's files, at most so many for some hundred trials."""
OF_A_TRIAL = 20e3
"""Bytes of a trial in the database, Optuna's tables included, and of its log."""
OF_A_STEP = 250.0
"""Bytes of a report of a trial in the database, and of its line in the log."""
CHECKPOINTS = 3
"""Of a running trial: the last, the one before, and one that is being written."""


@dataclass(frozen=True)
class Range:
    """From ``low`` to ``high``; high is infinite where nobody can say."""

    low: float
    high: float

    def capped(self, most: float) -> "Range":
        """The range of what ends at ``most``."""
        return Range(min(self.low, most), min(self.high, most))


@dataclass(frozen=True)
class Sample:
    """One config, trained for a step or two.

    Attributes:
        to_begin: seconds before its first step.
        step: seconds of a step, in a process of its own; ``whole`` is false where the step was
            broken off after so many.
        steps: of the config to its end.
        model, checkpoint: bytes after the last measured step.
        model_growth, checkpoint_growth: bytes a further step adds: trees grow, networks do not.
        measured: steps.
        memory: bytes of the process at most, without the data that all share.
    """

    to_begin: float
    step: float
    steps: int
    measured: int
    model: float
    model_growth: float
    checkpoint: float
    checkpoint_growth: float
    memory: float
    whole: bool = True

    @property
    def model_at_end(self) -> float:
        """Bytes of its weights after its last step."""
        return self.model + self.model_growth * max(self.steps - self.measured, 0)

    @property
    def checkpoint_at_end(self) -> float:
        """Bytes of all it needs to go on, after its last step."""
        return self.checkpoint + self.checkpoint_growth * max(self.steps - self.measured, 0)


@dataclass(frozen=True)
class Course:
    """What a pruner does with some of the trials.

    Attributes:
        rungs: steps after which they are compared, ascending; empty where none is stopped.
        factor: about one in so many goes on from a rung.
        share: of all trials.
    """

    rungs: tuple[int, ...] = ()
    factor: int = 1
    share: float = 1.0


@dataclass(frozen=True)
class Plan:
    """What a study is to do.

    Attributes:
        trials: in all.
        parallel: side by side.
        courses: what its pruner does with them; their shares are one together.
        data: bytes of features and targets, which all trials share.
        keep: trials whose weights stay, and where ``extendable`` their ends, too.
        time_limit: seconds; None for none.
        of_ray: bytes of a worker beside those of a process that trains alone.
        to_start: seconds until trials side by side begin.
        alone: where one after the other all are over sooner, they do not run side by side.
    """

    trials: int
    parallel: int
    courses: tuple[Course, ...]
    data: float
    keep: int
    extendable: bool
    time_limit: float | None = None
    of_ray: float = OF_RAY
    to_start: float = TO_START
    alone: bool = False


def steps_of_a_trial(steps: int, courses: Sequence[Course], lax: float = 1.0) -> float:
    """Steps that a trial takes on the average.

    Args:
        steps: to its end.
        courses: what becomes of such trials.
        lax: so many times as many go on from a rung as its factor says.
    """
    taken = 0.0
    for course in courses:
        share, before = course.share, 0
        for rung in (*(rung for rung in course.rungs if rung < steps), steps):
            taken += share * (rung - before)
            share, before = share * min(lax / course.factor, 1.0), rung
    return taken


def seconds(samples: Sequence[Sample], plan: Plan) -> Range:
    """Of the whole study, by the clock."""
    low, high = _mean_seconds(samples, plan), _mean_seconds(samples, plan, LAX)
    low, high = low / _doubt(samples), high * _doubt(samples) * CROWDING
    if not all(sample.whole for sample in samples):
        high = math.inf
    waves = max(plan.trials / plan.parallel, 1.0)
    found = Range(plan.to_start + low * waves, plan.to_start + high * waves)
    if plan.alone:
        found = Range(min(found.low, low * plan.trials), found.high)
    return found if plan.time_limit is None else found.capped(plan.time_limit)


def trials_in_time(samples: Sequence[Sample], plan: Plan) -> Range | None:
    """Trials that end within the time limit; None without one."""
    if plan.time_limit is None:
        return None
    spent = most = max(plan.time_limit - plan.to_start, 0.0) * plan.parallel
    if plan.alone:
        most = max(spent, plan.time_limit)
    doubt = _doubt(samples)
    low = spent / (_mean_seconds(samples, plan, LAX) * doubt * CROWDING)
    high = most / (_mean_seconds(samples, plan) / doubt)
    return Range(low, high).capped(plan.trials)


def memory(samples: Sequence[Sample], plan: Plan) -> Range:
    """Bytes of one machine that runs all: the driver, the data once, a worker for each trial."""
    fixed = DRIVER + plan.data
    taken = [sample.memory + plan.of_ray for sample in samples]
    return Range(fixed + plan.parallel * min(taken), fixed + plan.parallel * max(taken) * CROWDING)


def disk(samples: Sequence[Sample], plan: Plan) -> Range:
    """Bytes of the study's folder, its share of the database, and Ray's files while it runs."""
    low, high = (
        plan.trials * (OF_A_TRIAL + OF_A_STEP * _mean_steps(samples, plan, lax))
        for lax in (1.0, LAX)
    )
    kept = min(plan.keep, plan.trials)
    each = [
        kept * (sample.model_at_end + (sample.checkpoint_at_end if plan.extendable else 0.0))
        for sample in samples
    ]
    running = plan.parallel * max(
        sample.model_at_end + CHECKPOINTS * sample.checkpoint_at_end for sample in samples
    )
    return Range(low + min(each), high + RAY_FILES + UNSEEN * max(each) + running)


def shared(parts: Sequence[Range], shares: int) -> Range:
    """Of so many equal shares of a budget.

    Args:
        parts: of the shares whose taker is known, one each; each of the others falls to any of
            these.
    """
    others = shares - len(parts)
    lows, highs = [part.low for part in parts], [part.high for part in parts]
    return Range(sum(lows) + others * min(lows), sum(highs) + others * max(highs))


def _mean_steps(samples: Sequence[Sample], plan: Plan, lax: float) -> float:
    """Of a trial, on the average."""
    return sum(steps_of_a_trial(one.steps, plan.courses, lax) for one in samples) / len(samples)


def _mean_seconds(samples: Sequence[Sample], plan: Plan, lax: float = 1.0) -> float:
    """Of a trial, on the average."""
    each = [
        one.to_begin + one.step * steps_of_a_trial(one.steps, plan.courses, lax) for one in samples
    ]
    return sum(each) / len(each)


def _doubt(samples: Sequence[Sample]) -> float:
    """How far the mean over all configs may be from that of so few, as a factor."""
    return 1.0 + (UNSEEN - 1.0) / math.sqrt(len(samples))
