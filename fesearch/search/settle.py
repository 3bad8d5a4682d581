"""What a study leaves to its budget, settled when it is started, so that it stays as it is."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from fesearch import hardware
from fesearch.configs import written
from fesearch.duration import duration
from fesearch.errors import first_line
from fesearch.estimate import CROWDING
from fesearch.nets.device import gpu_count
from fesearch.registry import short_name
from fesearch.search import pace, room
from fesearch.search.auto import picked
from fesearch.search.halving import FACTOR, first_rung, reductions
from fesearch.search.prepare import Prepared, Progress, prepare
from fesearch.search.pruner import PRUNERS, TERMS
from fesearch.search.sampler import SAMPLERS
from fesearch.search.stopwatch import Stopwatch
from fesearch.space import Config
from fesearch.study import Study

LARGER_FACTOR = 4
MANY_TRIALS = LARGER_FACTOR**4
"""Trials from which on the larger factor is taken: four of them are left after three reductions."""

SHORTEST = 60.0
"""Seconds of a time limit: to measure how fast a shorter one is spent takes too much of it."""
_log = logging.getLogger(__name__)


class Prospects(NamedTuple):
    """What a study is likely to get in all, where that is not what it says itself.

    Attributes:
        trials: that its sampler and rungs are to suit; None is its own budget.
        seconds: that its epochs are to suit; None is its own time limit.
        first: those after which its first configs are to have ended, if that is sooner.
    """

    trials: int | None = None
    seconds: float | None = None
    first: float | None = None


OWN = Prospects()


class Ready(NamedTuple):
    """A study that can begin: settled, and in memory.

    Attributes:
        prepared: of the settled study.
        asked, why: see ``Settled``.
    """

    prepared: Prepared
    asked: Mapping[str, Any]
    why: tuple[str, ...]


class Settled(NamedTuple):
    """A study with nothing left open.

    Attributes:
        study: the same one, keys that it left open filled in.
        asked: these keys, with what stood there: "auto", None, or more brackets than rungs.
        why: a line for each choice that a person should know.
    """

    study: Study
    asked: Mapping[str, Any]
    why: tuple[str, ...]


def ready(
    study: Study,
    prospects: Prospects = OWN,
    progress: Progress | None = None,
    check: Callable[[Prepared], None] = lambda prepared: None,
) -> Ready:
    """Settle a study and prepare it; where it has a time limit, its epochs are measured.

    Args:
        check: refuses it before anything of it is trained.

    Raises:
        InputError: see ``settled`` and ``prepare.prepare``.
    """
    found = settled(study, prospects.trials)  # what cannot be is refused before data are read
    prepared = prepare(found.study, progress)
    check(prepared)
    fitted = _fitted(study, prospects, prepared)
    as_asked = study.resolved(prepared.target)
    if fitted.keys:
        found = settled(study.model_copy(update=fitted.keys), prospects.trials)
    study = _with_first(found.study.resolved(prepared.target))
    # A schedule ends no later than a trial, so with an earlier end the space is another, too.
    was = {key: getattr(as_asked, key) for key in ("max_epochs", "space", "first")}
    asked = {key: value for key, value in was.items() if value != getattr(study, key)}
    prepared = replace(prepared, study=study, space=study.search_space())
    return Ready(prepared, {**found.asked, **asked}, found.why + fitted.why)


def _with_first(study: Study) -> Study:
    """The study with the starts of its family said, so that no later ones change it."""
    configs = study.first_configs()
    if len(configs) == 1:
        return study
    return study.model_copy(update={"first": list(map(written, configs))})


def settled(study: Study, trials: int | None = None) -> Settled:
    """Settle a study's sampler and the terms of its pruner.

    Args:
        trials: budget that they are to suit, where it is not the study's own.

    Raises:
        InputError: its sampler cannot sample its space, or is not installed.
    """
    found: dict[str, Any] = {}
    why: list[str] = []
    given, budget = study, study.trials
    study = study.model_copy(update={"trials": trials or budget})
    if study.sampler == "auto":
        found["sampler"], reason = picked(study)
        why.append(f"sampler {found['sampler']}: {reason}")
    if PRUNERS.get(study.pruner).stops:
        found |= _terms(study)
    asked = {key: getattr(study, key) for key in found}
    study = study.model_copy(update=found | {"trials": budget})
    space = study.search_space()
    SAMPLERS.get(study.sampler).check(space)
    idle = sorted(study.space.keys() - space.occurring().keys())
    why += [f"space.{name} has no effect: {space.parameters[name]}" for name in idle]
    why += _without_effect(given)
    return Settled(study, asked, tuple(why))


def _without_effect(study: Study) -> list[str]:
    """Keys that were given and mean nothing beside the others."""
    found = [
        f"{key} has no effect: the pruner is {study.pruner}"
        for key in TERMS
        if getattr(study, key) is not None and key not in PRUNERS.get(study.pruner).terms
    ]
    if study.gpus_per_trial != 1 and not study.gpus:
        found.append("gpus_per_trial has no effect: the study has no GPUs; add --gpus 1")
    return found


def _terms(study: Study) -> dict[str, int]:
    """The first rung, the factor and the brackets, where they are not as the study has them.

    There are no more brackets than rungs: with a later end there would be, and trials in others.
    """
    resource, trials = study.declared_family().resource, study.budget()
    maximum = study.end()
    if study.pruner == "median":
        return {} if study.grace else {"grace": first_rung(resource, FACTOR, maximum)}
    factor = study.reduction_factor or (LARGER_FACTOR if trials >= MANY_TRIALS else FACTOR)
    grace = study.grace or first_rung(resource, factor, maximum, reductions(factor, trials))
    terms = {"reduction_factor": factor, "grace": grace}
    if study.pruner == "hyperband":
        there = max(len(PRUNERS.get(study.pruner).rungs(grace, factor, maximum)), 1)
        terms["brackets"] = min(study.brackets or there, there)
    return {key: value for key, value in terms.items() if getattr(study, key) != value}


def _fitted(study: Study, prospects: Prospects, prepared: Prepared) -> pace.Fitted:
    """What the time of a study settles of it; nothing where that cannot be measured here."""
    limit = duration(study.time_limit) if study.time_limit is not None else None
    seconds = limit if prospects.seconds is None else prospects.seconds
    if seconds is None or seconds < SHORTEST or not measurable(study) or not pace.is_open(study):
        return pace.Fitted({})
    parallel = room.parallel(study, hardware.cores())
    ends = [duration(study.trial_time_limit)] if study.trial_time_limit is not None else []
    if prospects.first is not None:
        ends.append(prospects.first * min(1.0, parallel / len(study.first_configs())))
    budget = prospects.trials or study.budget()
    time = pace.Time.of(seconds, budget, parallel, min(ends, default=None))
    prefix = "" if prospects.seconds is None else f"each.{short_name(study.family)}."
    _log.info("Measuring an epoch of %s, for there is a time limit.", study.family)
    try:
        with clock(prepared, seconds) as measured:
            return pace.fitted(study, time, measured, prefix)
    except (pace.UnmeasuredError, OSError) as error:  # no room for its rows, or its process
        _log.info("How long an epoch takes was not measured: %s.", first_line(error))
        return pace.Fitted({})


def measurable(study: Study) -> bool:
    """Whether what it trains on is here."""
    return study.address is None and not (study.gpus and not gpu_count())


@contextmanager
def clock(prepared: Prepared, seconds: float) -> Iterator[Callable[[Config], float]]:
    """Gives seconds of an epoch of a config, of as many trials side by side as there will be."""
    study = prepared.study
    crowded = CROWDING if room.parallel(study, hardware.cores()) > 1 else 1.0
    with Stopwatch(prepared, "cuda" if study.gpus else "cpu", seconds) as watch:
        yield lambda config: crowded * watch.seconds(config)
