"""The last round of a search over many families: its best network is trained once more, larger.

Networks were narrowed at the start, so that the first ones end before the last family is chosen.
That one has more time at last, as much as a search of it alone would give to such a training, and
as many epochs where those had few. A start that its family has not come to yet is trained in place
of its best. No pruner stops it: it is no better than its narrow twin until both near their ends.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from fesearch.configs import written
from fesearch.duration import duration, spelled
from fesearch.errors import InputError, first_line
from fesearch.record import TrialResult
from fesearch.search import pace, room
from fesearch.search.extend import before_extensions, narrowed
from fesearch.search.prepare import Prepared
from fesearch.search.settle import clock, measurable
from fesearch.space import Config, Value
from fesearch.store.results import Store
from fesearch.store.studies import SPARED
from fesearch.store.types import Amendment, StudyRow
from fesearch.study import Study, from_keys

OF_TURN = 0.85
"""Part of the time that its training is to take: an epoch may take longer than measured."""
_log = logging.getLogger(__name__)


class LastTurn(NamedTuple):
    """What the last round gives to a family.

    Attributes:
        seconds: of all its runs.
        limited: how long a trial may take is what a person has said.
    """

    seconds: float
    limited: bool


def widened(
    store: Store, row: StudyRow, prepared: Prepared, turn: LastTurn, place: Mapping[str, Any]
) -> tuple[StudyRow, Prepared]:
    """A study as it goes on in the last round: larger networks, and one of its configs as large.

    It stays as it is if it was not narrowed, if nothing larger fits, or if that was done before.

    Raises:
        InputError: it is being driven elsewhere; nothing was changed.
    """
    keys = _keys(row, prepared, store.trials(row), turn)
    if not keys:
        return row, prepared
    changed = {**row.definition["study"], **keys}
    study = from_keys(changed, row.name).resolved(prepared.target).moved(place)
    wider = replace(prepared, study=study, space=study.search_space())
    try:
        config = study.first_configs()[0]
        room.check_gpus(study, wider.space, wider.development)
    except InputError as error:
        _log.info("%s stays as narrow as it is: %s", row.name, error.message)
        return row, prepared
    store.refuse_driven(row)
    store.amend(row, lambda row, results: Amendment(keys, noted={SPARED: [config]}))
    return store.study(row.name), wider


def _keys(
    row: StudyRow, prepared: Prepared, results: Sequence[TrialResult], turn: LastTurn
) -> dict[str, Any]:
    """The keys that change, with their new values."""
    now, name = prepared.study, prepared.family.capacity
    hoped = _hoped(row, prepared, results)
    again = "first" in before_extensions(row) or "first" not in row.definition["study"]
    if name is None or hoped is None or again or not narrowed(row) or not measurable(now):
        return {}
    limit = duration(now.trial_time_limit) if now.trial_time_limit is not None else None
    part = OF_TURN * turn.seconds
    if limit is not None and turn.limited:
        part = min(part, limit)
    try:
        with clock(prepared, turn.seconds) as measured:
            for study, config in (_longer(row, now, hoped), (now, hoped)):
                space = {key: value for key, value in study.space.items() if key != name}
                as_asked = study.model_copy(update={"space": space, "first": []})
                if (most := pace.wider(as_asked, config, part, measured)) is not None:
                    break
    except (pace.UnmeasuredError, OSError) as error:
        _log.info("How long a larger %s takes was not measured: %s.", name, first_line(error))
        return {}
    if most is None:
        return {}
    _log.info("%s trains a config with %s %g, for which there is time now.", row.name, name, most)
    waiting = [one for one in _waiting(now, results) if one != hoped]
    longer = limit is not None and not turn.limited and limit < turn.seconds
    return {
        "space": {**space, name: pace.up_to(as_asked, study, name, most)},
        "first": [written({**config, name: most}), *map(written, waiting)],
        **({"max_epochs": study.max_epochs} if study.max_epochs != now.max_epochs else {}),
        **({"trial_time_limit": spelled(round(turn.seconds))} if longer else {}),
    }


def _longer(row: StudyRow, study: Study, hoped: Config) -> tuple[Study, Config]:
    """The study, and a config, with as many epochs as networks take to show what they are good for.

    They stay as they are where a person has said the end, or no time was short; and where so few
    epochs fitted that there is one end of a schedule alone, which a sampler cannot take for others.
    """
    asked, end = row.definition.get("asked", {}), study.max_epochs
    resource = study.declared_family().resource
    space = {key: value for key, value in study.space.items() if key != resource.unit}
    whole = study.model_copy(update={"max_epochs": None, "space": space})
    useful = min(pace.USEFUL, whole.end()) // resource.step * resource.step
    said = asked.get("max_epochs", end) is not None or resource.unit in asked.get("space", {})
    if said or "max_epochs" in before_extensions(row) or end is None or end >= useful:
        return study, hoped
    if not isinstance(study.space.get(resource.unit, {}), dict):
        longer = study.model_copy(update={"max_epochs": useful})
        return (study, hoped) if resource.unit in hoped else (longer, hoped)
    longer = whole.model_copy(update={"max_epochs": useful}).with_schedules()
    ends_with_it = hoped.get(resource.unit) == end
    return longer, {**hoped, resource.unit: useful} if ends_with_it else hoped


def _hoped(row: StudyRow, prepared: Prepared, results: Sequence[TrialResult]) -> Config | None:
    """A start that has not begun, or else the best config; None where no trial has a value."""
    sign = 1.0 if row.direction == "minimize" else -1.0
    scored = [
        (sign * one.value, one.number, one.config)
        for one in results
        if one.value is not None and (one.state.usable or not one.state.finished)
    ]
    if not scored:
        return None
    best = min(scored)[2]
    capacity = prepared.family.capacity
    published = _without(prepared.family.first(prepared.space), capacity)
    waiting = _waiting(prepared.study, results)
    starts = (one for one in waiting if _without(one, capacity) != published)
    return next(starts, best)


def _waiting(study: Study, results: Sequence[TrialResult]) -> list[dict[str, Value]]:
    """The configs to be tried first that have not begun."""
    begun = [dict(one.config) for one in results]
    return [one for one in study.first_configs() if one not in begun]


def _without(config: Config, name: str | None) -> dict[str, Value]:
    return {key: value for key, value in config.items() if key != name}
