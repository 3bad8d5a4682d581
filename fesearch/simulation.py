"""Ways to search compared without training: many simulated searches of each, on recorded curves."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from fesearch.errors import InputError, NotInstalledError, counted
from fesearch.search.ahead import Ahead
from fesearch.search.budget import rungs_of
from fesearch.search.core import Core
from fesearch.search.curves import Curves
from fesearch.search.halving import FACTOR
from fesearch.search.pruner import PRUNERS
from fesearch.search.sampler import SAMPLERS, Sampler, sampler_named
from fesearch.search.settings import Settings
from fesearch.search.settle import Settled, settled
from fesearch.search.simulated import Clock, Course, Forgetful, Recorded, drive
from fesearch.study import Study, from_keys

if TYPE_CHECKING:
    from fesearch.figures import Panel

#: Called with (done, total) simulated searches.
Progress: TypeAlias = Callable[[int, int], None]

SHARE = 0.5
"""Without a limit a search lasts as long as this share of the curves do, one after another."""
_DRAWN = 200  # times of a drawing
CHECKPOINTS = 6
"""Times at which values are told: the end, half of it, a quarter …"""


@dataclass(frozen=True)
class Policy:
    """A way to search.

    Attributes:
        sampler, pruner: as a study's keys.
        reduction_factor, grace: of the pruner; None is what a study takes by default.
        workers: trials in training at a time.
    """

    sampler: str
    pruner: str
    reduction_factor: int | None = None
    grace: int | None = None
    workers: int = 1

    @property
    def label(self) -> str:
        """In a few words, without the number of workers."""
        terms = {"factor": self.reduction_factor, "grace": self.grace}
        said = " ".join(f"{key} {value}" for key, value in terms.items() if value is not None)
        return f"{self.sampler} + {self.pruner}{f' ({said})' if said else ''}"


@dataclass(frozen=True)
class Limits:
    """When a simulated search ends: whichever comes first.

    Attributes:
        trials: that begin; without, as many as there are curves.
        seconds: on the virtual clock; nothing begins then, and what is trained stops.
    """

    trials: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Point:
    """The best value so far at a time, over the seeds.

    Attributes:
        median, low, high: of it, low and high its quartiles; NaN before half of the searches have
            a value, and likewise.
    """

    seconds: float
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Outcome:
    """What came of the searches of one policy, one a seed."""

    policy: Policy
    courses: tuple[Course, ...]

    def at(self, times: Sequence[float]) -> list[Point]:
        """The best values so far at these times."""
        values = np.array([_best_at(course, times) for course in self.courses])
        low, middle, high = (
            np.percentile(values, percent, axis=0, method="nearest") for percent in (25, 50, 75)
        )
        rows = zip(times, middle, low, high, strict=True)
        return [Point(float(t), *map(_finite, ends)) for t, *ends in rows]

    def seconds_to(self, value: float) -> float | None:
        """When half of the searches have a value as good; None where fewer have in the end."""
        reached = sorted(_reached(course, value) for course in self.courses)
        found = reached[(len(reached) - 1) // 2]
        return found if math.isfinite(found) else None

    @property
    def efficiency(self) -> float:
        """Share of the workers' time that is training, up to the last report; the mean."""
        workers = self.policy.workers
        return fmean(course.busy / (workers * course.end) for course in self.courses)

    @property
    def trials(self) -> float:
        """Trials of a search, the mean."""
        return fmean(course.trials for course in self.courses)

    @property
    def seconds(self) -> float:
        """Until the last report, the mean."""
        return fmean(course.end for course in self.courses)


@dataclass(frozen=True)
class Comparison:
    """Policies on the curves of one study.

    Attributes:
        horizon: seconds, up to which they are compared.
        picked: which sampler ``auto`` is in each policy that has it, and why.
        left_out: why no search of a policy has been simulated: its sampler cannot take the space.
    """

    curves: Curves
    outcomes: tuple[Outcome, ...]
    horizon: float
    picked: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def speed(self, outcome: Outcome) -> float | None:
        """How many times as fast a policy finds what the first one has in the end.

        None where half of its searches do not find it.
        """
        first = self.outcomes[0]
        value = first.at([self.horizon])[0].median
        taken, found = first.seconds_to(value), outcome.seconds_to(value)
        return None if taken is None or found is None else taken / found

    @property
    def times(self) -> list[float]:
        """At which values are told."""
        return [self.horizon / 2**back for back in reversed(range(CHECKPOINTS))]


def drawn(comparisons: Sequence[Comparison], to: Path) -> None:
    """Draw the best value so far against simulated time, a panel for each study.

    Raises:
        InputError: another suffix than those of figures, or the file cannot be written.
    """
    from fesearch import figures

    panels = [_panel(one) for one in comparisons]
    searches = len(comparisons[0].outcomes[0].courses)
    lead = f"Median and quartiles of {searches} searches of each policy, trials replayed"
    source = "; ".join(dict.fromkeys(one.curves.origin for one in comparisons))
    figures.write(figures.Sheet("Simulated searches", lead, f"Curves: {source}", panels), to)


def _panel(comparison: Comparison) -> "Panel":
    from fesearch import figures

    curves, horizon = comparison.curves, comparison.horizon
    metric = curves.study.declared_metric()
    times = list(np.geomspace(horizon / 2 ** (CHECKPOINTS + 1), horizon, _DRAWN))
    bands = []
    for outcome in comparison.outcomes:
        points, workers = outcome.at(times), outcome.policy.workers
        bands.append(
            figures.Band(
                f"{outcome.policy.label}, {counted(workers, 'worker')}",
                times,
                [point.median for point in points],
                [point.low for point in points],
                [point.high for point in points],
            )
        )
    note = f"{curves.study.family}: {len(curves.curves)} recorded configs, {curves.split}."
    axis = f"validation {metric.title} ({curves.unit})" if curves.unit else metric.title
    return figures.bands(bands, title=curves.name, x="simulated time (s)", y=axis, note=note)


def policies(
    samplers: Sequence[str],
    pruners: Sequence[str],
    factors: Sequence[int] = (),
    graces: Sequence[int] = (),
    workers: Sequence[int] = (1,),
) -> list[Policy]:
    """Every combination; terms of a pruner are for those that have them.

    Raises:
        InputError: no study could have such a key.
    """
    found: dict[Policy, None] = {}
    some = (samplers, pruners, factors or (None,), graces or (None,), workers)
    for sampler, pruner, factor, grace, count in product(*some):
        terms = {"reduction_factor": factor, "grace": grace}
        meant = {key: terms[key] for key in PRUNERS.get(pruner).terms}
        found[Policy(sampler, pruner, workers=count, **meant)] = None
        if count < 1:
            raise InputError(f"--workers is {count}.", "Give 1 or more, as in --workers 1,16.")
    return list(found)


def compare(
    curves: Curves,
    every: Sequence[Policy],
    *,
    seeds: int = 10,
    limits: Limits = Limits(),
    answer: float = 0.0,
    progress: Progress | None = None,
) -> Comparison:
    """Simulate searches of each policy, one for each of so many seeds.

    Args:
        limits: by default each recorded config once, and time for a ``SHARE`` of them to their
            ends on the fewest workers of any policy; for the longest, if all begin at once.
        answer: seconds that the driver takes for a report.

    Raises:
        InputError: a policy's keys are none of a study of that family; or no sampler of them can
            take its space.
    """
    every, left_out = _suited(curves, every)
    if limits.trials is None and limits.seconds is None:
        limits = Limits(seconds=_length(curves, min(policy.workers for policy in every)))
    if limits.trials is None:
        limits = Limits(len(curves.curves), limits.seconds)
    studies = [_settled(curves, policy, limits.trials or len(curves.curves)) for policy in every]
    outcomes = []
    total = len(every) * seeds
    for done, (policy, terms) in enumerate(zip(every, studies, strict=True)):
        courses = []
        for seed in range(seeds):
            courses.append(simulate(curves, terms.study, policy.workers, seed, limits, answer))
            if progress is not None:
                progress(done * seeds + seed + 1, total)
        outcomes.append(Outcome(policy, tuple(courses)))
    ends = [course.end for outcome in outcomes for course in outcome.courses]
    picked = {
        f"{policy.label}: {one.why[0]}": None
        for policy, one in zip(every, studies, strict=True)
        if policy.sampler == "auto"
    }
    return Comparison(curves, tuple(outcomes), limits.seconds or max(ends), tuple(picked), left_out)


def _suited(curves: Curves, every: Sequence[Policy]) -> tuple[Sequence[Policy], tuple[str, ...]]:
    """The policies whose samplers can take the space, and why the others cannot.

    Raises:
        InputError: none can; why the first one cannot.
        NotInstalledError: one needs a package that is not there.
    """
    refused: dict[str, InputError] = {}
    for name in dict.fromkeys(policy.sampler for policy in every if policy.sampler != "auto"):
        method = SAMPLERS.get(name)
        try:
            method.check(curves.space)
        except NotInstalledError:
            raise
        except InputError as error:
            refused[name] = error
    found = [policy for policy in every if policy.sampler not in refused]
    if not found:
        why = next(iter(refused.values()))
        raise InputError(f"No search of '{curves.name}' can be simulated: {why.message}", why.hint)
    said = (f"{name} is left out: {why.message.rstrip('.')}" for name, why in refused.items())
    return found, tuple(said)


def simulate(
    curves: Curves,
    study: Study,
    workers: int,
    seed: int,
    limits: Limits,
    answer: float = 0.0,
) -> Course:
    """One simulated search."""
    clock = Clock()
    settings = settings_of(curves, study, seed, limits)
    sampler = sampler_named(study.sampler, settings.space, seed, settings.metric.direction)
    asked: Sampler = Recorded(sampler, curves)
    if workers > 1 and SAMPLERS.get(study.sampler).learns:
        asked = Ahead(asked)
    core = Core(settings, asked, Forgetful(), clock=clock)
    return drive(core, curves, workers, clock, answer=answer)


def settings_of(curves: Curves, study: Study, seed: int, limits: Limits) -> Settings:
    """What a core is to know of a simulated search.

    It begins with the configs that its study was given, else with the family's best: starts that
    came from earlier searches would be found at once by every policy, and hide what tells them
    apart.
    """
    family = study.declared_family()
    return Settings(
        name=study.name,
        family=family,
        space=curves.space,
        metric=study.declared_metric(),
        unit=curves.unit,
        seed=seed,
        trials=limits.trials or len(curves.curves),
        first=tuple(study.first_configs()) if study.first else (),
        maximum=study.max_epochs,
        patience=study.patience,
        pruner=study.pruner,
        rungs=rungs_of(study, family.resource),
        reduction_factor=study.reduction_factor or FACTOR,
        brackets=study.brackets or 1,
        deadline=limits.seconds,
    )


def _settled(curves: Curves, policy: Policy, trials: int) -> Settled:
    """The recorded study with the keys of a policy, checked and settled as any study is."""
    keys: dict[str, Any] = curves.study.model_dump()
    keys |= {"sampler": policy.sampler, "pruner": policy.pruner, "trials": trials}
    keys["brackets"] = None  # were of the recorded study's own pruner
    for key in ("reduction_factor", "grace"):
        default = Study.model_fields[key].default
        given = getattr(policy, key)
        keys[key] = default if given is None else given
    study = from_keys(keys, curves.name)
    study.check()
    return settled(study)


def _length(curves: Curves, workers: int) -> float:
    """Seconds that a ``SHARE`` of the curves take so many workers, to whom they fall evenly.

    Where there are as many workers as curves, all begin at once and the longest is the last.
    """
    each = [len(one.values) * one.seconds for one in curves.curves]
    return max(each) if workers >= len(each) else SHARE * sum(each) / workers


def _best_at(course: Course, times: Sequence[float]) -> np.ndarray:
    """The best value so far at each time, worse than any before the first."""
    place = np.searchsorted(np.array(course.times), times, side="right")
    return np.array([course.sign * math.inf, *course.values])[place]


def _reached(course: Course, value: float) -> float:
    """When a course has a value as good; infinite where it never has."""
    good = (
        at
        for at, one in zip(course.times, course.values, strict=True)
        if course.sign * one <= course.sign * value
    )
    return next(good, math.inf)


def _finite(value: float) -> float:
    return float(value) if math.isfinite(value) else math.nan
