"""Studies from start to end: created, gone on with, deleted."""

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from fesearch import hardware
from fesearch.duration import duration
from fesearch.errors import FesearchError, InputError, NoDatabaseError, StudyNotFoundError
from fesearch.search import driver, resources, room, sources, warm
from fesearch.search.budget import Allowance
from fesearch.search.driver import Outcome
from fesearch.search.extend import before_extensions
from fesearch.search.folder import BORROWED, FOLDER, new_folder, remove_folder
from fesearch.search.mirror import Mirror, in_database, refuse_taken
from fesearch.search.prepare import (
    Prepared,
    Progress,
    log_few_rows,
    prepare_again,
    study_of,
    versions,
)
from fesearch.search.roles import Watcher
from fesearch.search.settle import OWN, Prospects, ready
from fesearch.search.wider import LastTurn, widened
from fesearch.store.results import Store
from fesearch.store.studies import PORTFOLIO
from fesearch.store.types import StudyState
from fesearch.study import PLACE, Study

_log = logging.getLogger(__name__)


def start(
    study: Study,
    url: str,
    *,
    or_resume: bool = False,
    seconds: float | None = None,
    overrun: float = 0.0,
    afterwards: bool = False,
    progress: Progress | None = None,
    watchers: Sequence[Watcher] = (),
    noted: Mapping[str, Any] | None = None,
    prospects: Prospects = OWN,
) -> Outcome:
    """Create a study and search until its budget is spent or it is stopped.

    Args:
        study: what to search; checked whole before anything is written.
        url: of the store.
        or_resume: go on with a study of that name, where there is one.
        seconds: of this run, where the study is to go on later.
        overrun: seconds beyond them that a trial may take to its next report, until one has a
            value.
        afterwards: leave some of its own time limit for the test part and the export.
        noted: what else its definition is to tell.
        prospects: what it is likely to get in all, where that is not what it says itself.
        progress: of the features.
        watchers: told of every trial.

    Raises:
        InputError: something the study asks for is not there, or the study of that name is
            another; nothing was started.
    """
    study = study.in_full()
    if _exists(study.name, url):
        if not or_resume:
            raise InputError(
                f"There is a study '{study.name}' already.",
                f"Type: fesearch study resume {study.name} (or add --or-resume), "
                "or give another --name.",
            )
        _refuse_other(study, url)
        place = {key: getattr(study, key) for key in PLACE}
        return resume(
            study.name,
            url,
            seconds=seconds,
            overrun=overrun,
            afterwards=afterwards,
            place=place,
            progress=progress,
            watchers=watchers,
        )
    earlier = _earlier(study, url)
    refuse_taken(url, study.name)
    resources.check(study)
    prepared, asked, why = ready(study, prospects, progress, _check_room)
    _check_gpus(prepared)
    prepared.split.log_leakage()
    log_few_rows(prepared, prospects.trials or prepared.study.budget())
    with Store.open(url) as store:
        if prepared.siblings:
            store.record_division(*prepared.siblings)
        row = store.create_study(
            study.name,
            {
                "study": prepared.study.model_dump(mode="json"),
                "asked": asked,
                "why": why,
                FOLDER: new_folder(study.name),
                "ahead": driver.side_by_side(prepared.study),
                "own": sources.recorded(prepared.study),
                "priors": earlier.priors(prepared) if earlier else [],
                **(noted or {}),
            },
            seed=study.seed,
            key=prepared.key,
            unit=prepared.unit,
            direction=prepared.metric.direction,
            division=prepared.division,
            features=prepared.features.digest,
            versions=versions(prepared),
            first=earlier.configs(prepared.space) if earlier else (),
            origin=f"warm start from {study.warm_start}",
        )
        allowance = Allowance(seconds, overrun, afterwards)
        return driver.drive(store, url, row, prepared, watchers, allowance)


def resume(
    name: str,
    url: str,
    *,
    time_limit: str | None = None,
    seconds: float | None = None,
    overrun: float = 0.0,
    afterwards: bool = False,
    take_over: bool = False,
    afford: bool = False,
    concluding: bool = False,
    widen: LastTurn | None = None,
    place: Mapping[str, Any] = MappingProxyType({}),
    progress: Progress | None = None,
    watchers: Sequence[Watcher] = (),
) -> Outcome:
    """Go on with a study: finished trials stay, interrupted ones go on, the budget is spent.

    Args:
        time_limit: of this run, such as "30m", in place of what is left of the study's own; or
            the same in ``seconds``.
        take_over: from a driver that looks alive, but is known to be gone. If it is not, all that
            it writes from then on is refused, and it ends.
        concluding: nothing is to follow the run, though it is not the study's time that is over.
        widen: its networks may be larger for that; see ``wider``.
        afford: refuse it where its trials are not affordable here and now; else they fail.
        place: keys of ``study.PLACE`` for this run, in place of those it was started with.
        overrun, afterwards, progress, watchers: see ``start``.

    Raises:
        StudyNotFoundError: there is none of that name.
        InputError: it is being driven elsewhere, there is no room for it, or its data, or the
            user's own files that it needs, are not what they were.
    """
    limit = seconds if time_limit is None else duration(time_limit)
    with Store.open(url, create=False) as store:
        row = store.study(name)
        if not take_over:
            store.refuse_driven(row)
        sources.refuse_changed(row)
        study = study_of(row).moved(place)
        resources.check(study)
        prepared = prepare_again(row, progress, study=study, afford=afford)
        if widen is not None:
            began = time.monotonic()
            row, prepared = widened(store, row, prepared, widen, place)
            limit = None if limit is None else max(limit - (time.monotonic() - began), 0.0)
        store.record_division(prepared.division)
        if row.state is not StudyState.COMPLETE:
            _check_room(prepared, sum(one.state.finished for one in store.trials(row)))
            _check_gpus(prepared)
        allowance = Allowance(limit, overrun, afterwards, concluding)
        return driver.drive(store, url, row, prepared, watchers, allowance, take_over)


def delete(name: str, url: str) -> None:
    """Remove a study with its trials, weights and logs; looks at the test part stay on record.

    Its row goes last, so that a deletion which was cut off is done by typing it again.

    Raises:
        StudyNotFoundError: there is none of that name.
        InputError: it is being driven, or the search that it is of; or its files cannot be removed.
    """
    with Store.open(url, create=False) as store:
        row = store.study(name)
        store.refuse_searched(row.definition.get(PORTFOLIO, {}).get("name", name))
        lease = store.acquire(row)
        try:
            if not row.definition.get(BORROWED):
                remove_folder(row)
            Mirror.forget(in_database(url), name)
            store.delete_study(lease)
        except BaseException:
            with suppress(FesearchError):
                store.release(lease)
            raise


def _earlier(study: Study, url: str) -> warm.Earlier | None:
    """The study that a new one starts from, if it names one."""
    if study.warm_start is None:
        return None
    with Store.open(url, create=False) as store:
        return warm.earlier(study, study.warm_start, store)


def _refuse_other(study: Study, url: str) -> None:
    """Refuse to take for ``study`` one of its name that was started with other settings."""
    with Store.open(url, create=False) as store:
        row = store.study(study.name)
    wanted = study.resolved(study.target or row.key.target)
    now = study_of(row).model_dump(mode="json")
    # Before "asked" was noted, a factor left open was stored as what it was by default.
    before: dict[str, Any] = {} if "asked" in row.definition else {"reduction_factor": None}
    if "first" not in row.definition["study"]:
        before["first"] = []
    stored = {**now, **before_extensions(row), **before, **row.definition.get("asked", {})}
    for key, given in wanted.model_dump(mode="json", exclude=set(PLACE)).items():
        if key == "runner" and given == "auto":  # it goes on with the one it has
            continue
        if given not in (stored[key], now[key]):
            raise InputError(
                f"The study '{study.name}' was started with {key} = {stored[key]}, not {given}.",
                f"Type: fesearch study resume {study.name}; or give another --name.",
            )


def _check_room(prepared: Prepared, ended: int = 0) -> None:
    """Refuse a study that has no room here, ``ended`` trials of which are over."""
    if prepared.study.address is None:
        side_by_side = room.parallel(prepared.study, hardware.cores())
        room.check(prepared.study, room.bytes_of(prepared.development), side_by_side, ended)


def _check_gpus(prepared: Prepared) -> None:
    """Refuse a study whose first config has no room on a GPU; warn where others have none."""
    if said := room.check_gpus(prepared.study, prepared.space, prepared.development):
        _log.warning("%s.", said)


def _exists(name: str, url: str) -> bool:
    """Whether the store has a study of that name; no store is made where there is none."""
    try:
        with Store.open(url, create=False) as store:
            store.study(name)
    except (NoDatabaseError, StudyNotFoundError):
        return False
    return True
