"""Configs that a person wants tried: checked against the space of a study, and queued."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fesearch.configs import completed
from fesearch.errors import InputError, quoted
from fesearch.record import Queued, TrialResult, TrialState
from fesearch.search.prepare import study_of
from fesearch.space import Config, Value
from fesearch.store.results import Store
from fesearch.store.types import StudyRow
from fesearch.study import Study
from fesearch.studyfile import assignment

_BY_HAND = "enqueued by hand"


@dataclass(frozen=True)
class Enqueued:
    """A config that waits to be tried.

    Attributes:
        row, study: that is to try it.
        config: whole.
        filled: names of its parameters that were not given.
        left: trials of the budget that have not begun.
        driven: a driver is at work, which takes it next.
    """

    row: StudyRow
    study: Study
    config: Mapping[str, Any]
    filled: tuple[str, ...]
    left: int
    driven: bool


def enqueue(
    name: str,
    url: str,
    *,
    sets: tuple[str, ...] = (),
    config: str | None = None,
    from_trial: str | None = None,
) -> Enqueued:
    """Have a study try a config before those of its sampler, within its budget.

    Parameters that are not given are those of the family's best config, or the nearest in the
    space.

    Args:
        sets: ``PARAMETER=VALUE`` texts; they replace those of ``config`` or ``from_trial``.
        config: parameters and values as a JSON object.
        from_trial: "STUDY:NUMBER", whose config it is.

    Raises:
        StudyNotFoundError: there is none of that name.
        InputError: the config is not one of the study's space; nothing was queued.
    """
    with Store.open(url, create=False) as store:
        row = store.study(name)
        given, origin = _given(store, name, sets, config, from_trial)
        study = study_of(row)
        whole = _whole(study, given)
        trials, queue = store.trials(row), store.queued(row)
        if study.sampler == "grid" or study.budget() == study.search_space().size():
            _refuse_again(study, whole, trials, queue)
        store.enqueue(row, [whole], origin=origin)
        begun = sum(trial.parent is None for trial in trials)
        waiting = 1 + sum(queued.parent is None for queued in queue)
        return Enqueued(
            row=row,
            study=study,
            config=whole,
            filled=tuple(parameter for parameter in whole if parameter not in given),
            left=max(study.budget() - begun - waiting + 1, 0),
            driven=store.driven(row),
        )


def _refuse_again(
    study: Study, config: Config, trials: Sequence[TrialResult], queue: Sequence[Queued]
) -> None:
    """Refuse a config that a study has had, which is to have each of its space once.

    One that failed may be tried again.

    Raises:
        InputError: names the trial that has it.
    """
    waits = "waits to be tried already" if any(one.config == config for one in queue) else ""
    same = (one for one in trials if one.config == config and one.state is not TrialState.FAIL)
    had = next((f"is that of trial {one.number}" for one in same), waits)
    if had:
        raise InputError(
            f"The config {had}: '{study.name}' has each of its space once.",
            f"Give another one; those it has had: fesearch trials {study.name}",
        )


def _given(
    store: Store, name: str, sets: tuple[str, ...], config: str | None, from_trial: str | None
) -> tuple[dict[str, Any], str]:
    """The parameters that are given, and who gives them."""
    if config is not None and from_trial is not None:
        raise InputError("Both --config and --from-trial are given.", "Give one of them.")
    if not sets and config is None and from_trial is None:
        raise InputError(
            f"Nothing is said of what '{name}' is to try.",
            "Give --set depth=24 …, --config '{\"depth\": 24}' or --from-trial STUDY:7.",
        )
    given, origin = {}, _BY_HAND
    if config is not None:
        given = _from_json(config)
    if from_trial is not None:
        given, origin = _from_trial(store, from_trial), f"{_BY_HAND}, from {from_trial}"
    for text in sets:
        parameter, value = assignment(text, "depth=24")
        given[parameter] = value
    return given, origin


def _from_json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"The config {quoted(text)} is not JSON: {str(error).splitlines()[0]}.",
            'Write it as {"depth": 24}, in quotes of the shell.',
        ) from None
    if not isinstance(found, dict):
        raise InputError(
            f"The config {quoted(text)} is not an object.", 'Write it as {"depth": 24}.'
        )
    return found


def _from_trial(store: Store, text: str) -> dict[str, Any]:
    study, separator, number = text.rpartition(":")
    if not separator or not number.isdecimal():
        raise InputError(f"--from-trial got {quoted(text)}.", "Write it as STUDY:7.")
    return dict(store.trial(store.study(study), int(number[:12])).config)


def _whole(study: Study, given: Mapping[str, Any]) -> dict[str, Value]:
    """The config with its other parameters filled in.

    Raises:
        InputError: names the parameter that the space has not, or whose value it has not.
    """
    try:
        return completed(study.declared_family(), study.search_space(), given)
    except InputError as error:
        raise InputError(
            f"The study '{study.name}' cannot try that config: {error.message}", error.hint
        ) from None
