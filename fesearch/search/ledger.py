"""The core's records in the database: first in our tables, then in Optuna's."""

from fesearch.record import Decision, Fault, Queued, Report, TrialResult, TrialSpec
from fesearch.search.mirror import Mirror
from fesearch.search.projection import Projection
from fesearch.search.roles import Recorded
from fesearch.store.results import Store
from fesearch.store.types import Lease, StudyRow


class StoreLedger:
    """Writes what the core decides into the store, and the projection of it for people to see."""

    def __init__(self, store: Store, lease: Lease, mirror: Mirror | Projection, unit: str) -> None:
        self._store = store
        self._lease = lease
        self._mirror = mirror
        self._unit = unit

    def queued(self, *, continuing: bool = False) -> Queued | None:
        waiting = self._store.queued(self._lease.study, limit=1, continuing=continuing)
        return next(iter(waiting), None)

    def begin(self, spec: TrialSpec, queued: Queued | None) -> None:
        taken = queued.id if queued else None
        self._store.begin_trial(self._lease, spec, self._unit, queued=taken)
        self._mirror.begin(spec.number, spec.family, spec.config, spec.parent)

    def report(self, number: int, report: Report, decision: Decision, result: TrialResult) -> None:
        ended = result if result.state.finished else None
        self._store.report(self._lease, number, report, decision, ended)
        best = None if report.diverged else report.best
        self._mirror.report(number, report.resource, best)
        if ended:
            self._mirror.finish(ended)

    def retry(self, result: TrialResult) -> None:
        self._store.retry_trial(self._lease, result.number, result.retries, result.reason)

    def finish(self, result: TrialResult) -> None:
        self._store.finish_trial(self._lease, result)
        self._mirror.finish(result)


def recorded(store: Store, row: StudyRow) -> list[Recorded]:
    """Every report of a study in the order it was recorded."""
    return [Recorded(report.number, report.resource, report.best) for report in store.reports(row)]


def reconcile(mirror: Mirror, results: list[TrialResult], reports: list[Recorded]) -> None:
    """Make Optuna's tables agree with ours, whatever a crash left in them."""
    curves: dict[int, list[tuple[int, float | None]]] = {}
    diverged = {r.number: r.resource for r in results if r.fault is Fault.DIVERGED}
    for report in reports:
        bad = diverged.get(report.number) == report.resource
        curves.setdefault(report.number, []).append((report.resource, None if bad else report.best))
    mirror.reconcile(results, curves)
