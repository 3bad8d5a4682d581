"""Studies from start to end: created, driven, interrupted, resumed."""

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fesearch import hardware
from fesearch.duration import duration
from fesearch.errors import (
    FesearchError,
    InputError,
    NoDatabaseError,
    OustedError,
    StudyNotFoundError,
    first_line,
)
from fesearch.record import TrialResult
from fesearch.search import inline, interrupt, resources, room, sources, tracking, warm
from fesearch.search.ahead import Ahead
from fesearch.search.budget import Allowance, Budget, settings_of
from fesearch.search.core import INTERRUPTED, Core, Settings
from fesearch.search.extend import before_extensions, let_go_on
from fesearch.search.folder import (
    BORROWED,
    FOLDER,
    SCRATCH,
    Keeper,
    identity,
    new_folder,
    remove_folder,
    study_folder,
)
from fesearch.search.heartbeat import Heartbeat
from fesearch.search.ledger import StoreLedger, reconcile, recorded
from fesearch.search.mirror import Mirror, in_database, refuse_taken
from fesearch.search.panels import objective, panels
from fesearch.search.prepare import (
    Prepared,
    Progress,
    log_few_rows,
    prepare,
    prepare_again,
    study_of,
    versions,
)
from fesearch.search.projection import Projection
from fesearch.search.roles import NONE_BEGUN, LastBegun, Watcher
from fesearch.search.sampler import SAMPLERS, sampler_named
from fesearch.search.settle import settled
from fesearch.store.outage import LostError
from fesearch.store.results import Store
from fesearch.store.types import Lease, StudyRow, StudyState
from fesearch.study import PLACE, Study
from fesearch.tracker import Subject

LOG = "ray.log"
"""In the folder of a study: the ends of the logs of Ray's processes, if the search failed."""


@dataclass(frozen=True)
class Outcome:
    """How a run of a study ended.

    Attributes:
        row: of the study.
        results: every trial so far, in order of number.
        stopped: why it stopped before its budget of trials, or an empty text.
        hopeless: it stopped since all its trials failed.
        asked: to stop, by ``study stop``; perhaps when it was about to end anyway.
    """

    row: StudyRow
    results: tuple[TrialResult, ...]
    stopped: str
    hopeless: bool = False
    asked: bool = False

    @property
    def usable(self) -> bool:
        """At least one trial has a model."""
        return any(result.state.usable for result in self.results)


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
    settled_for: int | None = None,
) -> Outcome:
    """Create a study and search until its budget is spent or it is stopped.

    Args:
        study: what to search; checked whole before anything is written.
        url: of the store.
        or_resume: go on with a study of that name, where there is one.
        seconds: of this run, where the study is to go on later.
        overrun: seconds beyond them that a trial may take to its next report; then it is ended.
        afterwards: leave some of its own time limit for the test part and the export.
        noted: what else its definition is to tell.
        settled_for: trials that its sampler and rungs are to suit, where it gets more later.
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
    study, asked, why = settled(study, settled_for)
    prepared = prepare(study, progress)
    _check_room(prepared)
    prepared.split.log_leakage()
    log_few_rows(prepared, settled_for or study.budget())
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
                "ahead": _side_by_side(study),
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
        return _drive(store, url, row, prepared, watchers, allowance)


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
        store.record_division(prepared.division)
        if row.state is not StudyState.COMPLETE:
            _check_room(prepared, sum(one.state.finished for one in store.trials(row)))
        allowance = Allowance(limit, overrun, afterwards)
        return _drive(store, url, row, prepared, watchers, allowance, take_over)


def delete(name: str, url: str) -> None:
    """Remove a study with its trials, weights and logs; looks at the test part stay on record.

    Its row goes last, so that a deletion which was cut off is done by typing it again.

    Raises:
        StudyNotFoundError: there is none of that name.
        InputError: it is being driven, or its files cannot be removed.
    """
    with Store.open(url, create=False) as store:
        row = store.study(name)
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


def _drive(
    store: Store,
    url: str,
    row: StudyRow,
    prepared: Prepared,
    watchers: Sequence[Watcher],
    allowance: Allowance,
    take_over: bool = False,
) -> Outcome:
    lease, asked = store.acquire(row, force=take_over), False
    try:
        store.publish()  # from now on who looks from another host sees that it is driven
        if not take_over:  # who was taken over from may be at work for another moment
            _clear(study_folder(row))
        with Heartbeat(store, lease) as heartbeat:
            core = _at_work(store, url, lease, prepared, watchers, allowance, heartbeat)
    except BaseException as error:
        with suppress(FesearchError):  # what ended the search is what counts
            store.set_state(lease, StudyState.STOPPED, _why(error))
        raise
    finally:
        with suppress(LostError):
            asked = store.release(lease)
        store.publish()
    trials = tuple(store.trials(row))
    return Outcome(store.study(row.name), trials, core.stopped, core.hopeless, asked)


def _at_work(
    store: Store,
    url: str,
    lease: Lease,
    prepared: Prepared,
    watchers: Sequence[Watcher],
    allowance: Allowance,
    heartbeat: Heartbeat,
) -> Core:
    """Search, from what is recorded to where the study stops; the core as it stands then."""
    study, row = prepared.study, lease.study
    store.set_state(lease, StudyState.RUNNING)
    store.note_versions(lease, versions(prepared))
    sources.keep(row, study)
    let_go_on(store, row)
    keeper = Keeper(
        study_folder(row),
        study.keep,
        row.direction,
        lambda: _needed(store, row),
        study.disk_limit,
    )
    settings = settings_of(row, prepared, allowance)
    with (
        tracking.tracked(study.track, _subject(row, prepared)) as trackers,
        _core(
            *(store, url, lease, settings, study.sampler),
            row.definition.get("ahead", _side_by_side(study)),
            [keeper, *trackers, *watchers],
        ) as (core, projection),
    ):
        budget = Budget(store, row, prepared, core, allowance)
        store.endure(core.note, lambda: core.stopping)
        for line in row.definition.get("why", ()):
            core.note(line)
        tasks = budget.renew, lambda: projection.write(wait=False)
        with heartbeat.attending(core, *tasks), interrupt.stops(core):
            _search(store, lease, core, budget, prepared)
    return core


def _side_by_side(study: Study) -> bool:
    """Whether more than one trial can run at a time; a cluster may have any number of cores.

    Decided once, when a study is started: the suggestions of its sampler depend on it.
    """
    return room.parallel(study, hardware.cores() if study.address is None else sys.maxsize) > 1


def _why(error: BaseException) -> str:
    """What a study is said to have stopped for that an exception ended."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    return error.message if isinstance(error, FesearchError) else first_line(error)


def _search(store: Store, lease: Lease, core: Core, budget: Budget, prepared: Prepared) -> None:
    """Search until the core is stopped, or has spent its budget and nobody has added to it."""
    while True:
        _run(core, lease, prepared)
        if core.stopped:
            store.beat(lease)  # it says so where another process has taken over
            store.set_state(lease, StudyState.STOPPED, core.stopped)
            return
        row = budget.row  # taken first: what the heartbeat takes up from here on is another
        if not budget.more() and core.done and store.complete(lease, row):
            return


def _subject(row: StudyRow, prepared: Prepared) -> Subject:
    """The study as trackers know it."""
    metric, unit = f"val_{prepared.metric.name}", prepared.family.resource.unit
    return Subject(row.name, identity(row), metric, row.unit, unit, study_folder(row))


def _needed(store: Store, row: StudyRow) -> set[int | None]:
    """Numbers of the trials that queued ones go on from."""
    return {queued.parent for queued in store.queued(row, continuing=True)}


@contextmanager
def _core(
    store: Store,
    url: str,
    lease: Lease,
    settings: Settings,
    sampler: str,
    side_by_side: bool,
    watchers: Sequence[Watcher],
) -> Iterator[tuple[Core, Projection]]:
    """The core of a study, as its records leave it, and what people see of it."""
    row, direction = lease.study, settings.metric.direction

    def opened() -> Mirror:
        mirror = Mirror(
            *(in_database(url), row.name, direction, settings.space, identity(row)),
            objective=objective(row),
        )
        reports = recorded(store, row)  # first: a trial may end between the two
        reconcile(mirror, store.trials(row), reports)
        return mirror

    projection = Projection(opened, lambda line: core.note(line))
    asked = sampler_named(sampler, settings.space, settings.seed, direction, warm.priors(row))
    ahead = Ahead(asked) if side_by_side and SAMPLERS.get(sampler).learns else None
    ledger = StoreLedger(store, lease, projection, settings.family.resource.unit)
    core = Core(settings, ahead or asked, ledger, watchers)
    last_begun = NONE_BEGUN if ahead is None else LastBegun(*store.last_begun(row))
    core.restore(store.trials(row), recorded(store, row), last_begun)
    if ahead is not None:
        ahead.go()
    try:
        yield core, projection
    finally:
        if _holds(store, lease):  # whoever has taken over writes there now
            projection.settle(core.running)
            projection.show(lambda: panels(store, row))
        projection.close()
        if ahead is not None:
            ahead.close()


def _holds(store: Store, lease: Lease) -> bool:
    """Whether the study is still this driver's, as far as the database says."""
    try:
        store.beat(lease)
    except OustedError:
        return False
    except FesearchError:
        pass
    return True


def _run(core: Core, lease: Lease, prepared: Prepared) -> None:
    study, row = prepared.study, lease.study
    if core.done:
        return
    if study.runner == "inline":
        inline.drive(core, prepared.development)
        return
    from fesearch import raysession

    cpus, folder = study.cpus or (None if study.address else hardware.cores()), study_folder(row)
    with raysession.session(cpus, study.gpus, study.address, log=folder / LOG):
        from fesearch.search import on_ray

        wanted = on_ray.Resources(
            cpus=cpus,
            gpus=study.gpus,
            cpus_per_trial=study.cpus_per_trial,
            gpus_per_trial=study.gpus_per_trial,
            address=study.address,
        )
        files, scratch = study.own_sources(), folder / f"{SCRATCH}{lease.token[:8]}"
        on_ray.drive(core, prepared.development, wanted, scratch, files)


def _clear(folder: Path) -> None:
    """Remove what drivers that were killed have left of Ray's in the folder of a study."""
    for scratch in folder.glob(f"{SCRATCH}*"):
        shutil.rmtree(scratch, ignore_errors=True)


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
    stored = {**now, **before_extensions(row), **before, **row.definition.get("asked", {})}
    for key, given in wanted.model_dump(mode="json", exclude=set(PLACE)).items():
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


def _exists(name: str, url: str) -> bool:
    """Whether the store has a study of that name; no store is made where there is none."""
    try:
        with Store.open(url, create=False) as store:
            store.study(name)
    except (NoDatabaseError, StudyNotFoundError):
        return False
    return True
