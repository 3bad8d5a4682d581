"""What a study leaves to its budget, settled when it is started, so that it stays as it is."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from fesearch.search.auto import picked
from fesearch.search.halving import FACTOR, first_rung, reductions
from fesearch.search.pruner import PRUNERS
from fesearch.search.sampler import SAMPLERS
from fesearch.study import Study

LARGER_FACTOR = 4
MANY_TRIALS = LARGER_FACTOR**4
"""Trials from which on the larger factor is taken: four of them are left after three reductions."""


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


def settled(study: Study, trials: int | None = None) -> Settled:
    """Settle a study's sampler and the terms of its pruner.

    Args:
        trials: budget that they are to suit, where it is not the study's own.

    Raises:
        InputError: its sampler cannot sample its space, or is not installed.
    """
    found: dict[str, Any] = {}
    why: list[str] = []
    budget = study.trials
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
    return Settled(study, asked, tuple(why))


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
