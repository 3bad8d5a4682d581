"""The driver of a study: who holds its lease, searches on from its records, and lets it go.

One at a time, kept apart by the lease; ``start`` makes the study, and refuses what cannot be.
"""

import shutil
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from fesearch import hardware
from fesearch.errors import FesearchError, OustedError, first_line
from fesearch.record import TrialResult
from fesearch.search import (
    brief,
    inline,
    interrupt,
    resources,
    room,
    sources,
    tracking,
    warm,
    worker,
)
from fesearch.search.ahead import Ahead
from fesearch.search.budget import Allowance, Budget, settings_of
from fesearch.search.core import INTERRUPTED, LATE, Core
from fesearch.search.extend import let_go_on
from fesearch.search.faults import unwritable
from fesearch.search.folder import SCRATCH, Keeper, identity, study_folder
from fesearch.search.heartbeat import Heartbeat
from fesearch.search.ledger import StoreLedger, reconcile, recorded
from fesearch.search.mirror import Mirror, in_database
from fesearch.search.panels import objective, panels
from fesearch.search.prepare import Prepared, versions
from fesearch.search.projection import Projection
from fesearch.search.roles import NONE_BEGUN, LastBegun, Watcher
from fesearch.search.sampler import SAMPLERS, sampler_named
from fesearch.search.settings import Settings
from fesearch.store.outage import LostError
from fesearch.store.results import Store
from fesearch.store.types import Lease, StudyRow, StudyState
from fesearch.study import Study
from fesearch.tracker import Subject

LOG = "ray.log"
"""In the folder of a study: the ends of the logs of Ray's processes, if the search failed."""
_MEANWHILE = ("fesearch.search.on_ray", "scipy.stats.qmc")
"""What takes seconds to load and is needed for the first trials: loaded while Ray starts."""


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


def drive(
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
    resources.tell_of_gpus(study)
    store.set_state(lease, StudyState.RUNNING)
    store.note_versions(lease, versions(prepared))
    sources.keep(row, study)
    keeper = Keeper(
        study_folder(row),
        study.keep,
        row.direction,
        lambda: _needed(store, row),
        study.disk_limit,
        study.objectives,
    )
    settings = settings_of(row, prepared, allowance)
    if settings.deadline is None or settings.deadline > time.monotonic():
        let_go_on(store, row)
    with (
        tracking.tracked(study.track, _subject(row, prepared)) as trackers,
        _core(
            *(store, url, lease, settings, study.sampler),
            row.definition.get("ahead", side_by_side(study)),
            study.runner == "inline" and row.state is StudyState.RUNNING,
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
            if core.stopped == LATE and allowance.is_last(study, row.seconds):
                _conclude(core, prepared.development.width)
    return core


def side_by_side(study: Study) -> bool:
    """Whether more than one trial can run at a time.

    Decided once, when a study is started: the suggestions of its sampler depend on it.
    """
    return _parallel(study) > 1


def _parallel(study: Study) -> int:
    """Trials at a time; a cluster may have any number of cores."""
    return room.parallel(study, hardware.cores() if study.address is None else sys.maxsize)


def _why(error: BaseException) -> str:
    """What a study is said to have stopped for that an exception ended."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    return error.message if isinstance(error, FesearchError) else first_line(error)


def _search(store: Store, lease: Lease, core: Core, budget: Budget, prepared: Prepared) -> None:
    """Search until the core is stopped, or has spent its budget and nobody has added to it."""
    while True:
        _run(store, core, lease, prepared)
        if core.stopped:
            store.beat(lease)  # it says so where another process has taken over
            store.set_state(lease, StudyState.STOPPED, core.stopped)
            return
        row = budget.row  # taken first: what the heartbeat takes up from here on is another
        if not budget.more() and core.done and store.complete(lease, row):
            return


def _conclude(core: Core, width: int) -> None:
    """End the trial that time has interrupted and that is the best so far, so that it is of use.

    With more time it goes on as a new trial (``let_go_on``).
    """
    spec = core.leading
    if spec is None:
        return
    try:
        if worker.conclude(spec, core.value(spec.number), width):
            core.conclude(spec.number)
    except OSError as error:
        core.note(f"trial {spec.number}: {unwritable('its weights', error)}")


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
    died: bool,
    watchers: Sequence[Watcher],
) -> Iterator[tuple[Core, Projection]]:
    """The core of a study, as its records leave it, and what people see of it.

    Args:
        died: the last driver has come to no end of its own, and its trials were in its process.
    """
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
    core.restore(store.trials(row), recorded(store, row), last_begun, died=died)
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


def _run(store: Store, core: Core, lease: Lease, prepared: Prepared) -> None:
    study, row = prepared.study, lease.study
    if core.done:
        return
    if study.runner == "inline":
        inline.drive(core, prepared.development)
        return
    if study.runner == "auto" and _begins_here(store, core, lease, prepared):
        inline.drive(core, prepared.development, brief.short(_parallel(study)))
        if core.done:
            return
        core.note("It goes on with Ray, whose start takes less time than what is left.")
    from fesearch import raysession

    threading.Thread(target=_load, daemon=True).start()
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


def _begins_here(store: Store, core: Core, lease: Lease, prepared: Prepared) -> bool:
    """Whether what is left may be over here before Ray has started.

    Not where trials were interrupted, perhaps since one of them has ended its process, or where
    some go on that had ended: how much they have left is not known.
    """
    study = prepared.study
    if study.address is not None or room.ray_runs() or core.running:
        return False
    if store.queued(lease.study, continuing=True):
        return False
    most = brief.short(_parallel(study))
    return brief.may_be(core.settings, prepared.development, core.to_begin, most)


def _load() -> None:
    for name in _MEANWHILE:
        with suppress(ImportError):  # which is raised where it is needed
            import_module(name)


def _clear(folder: Path) -> None:
    """Remove what drivers that were killed have left of Ray's in the folder of a study."""
    for scratch in folder.glob(f"{SCRATCH}*"):
        shutil.rmtree(scratch, ignore_errors=True)
