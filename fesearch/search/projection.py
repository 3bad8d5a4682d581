"""The projection for people to look at, which may fail without ending a search."""

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from fesearch.errors import first_line
from fesearch.record import TrialResult
from fesearch.search.mirror import Begun, Mirror
from fesearch.search.panels import show
from fesearch.space import Config

_Report = tuple[int, int, float | None]
SECONDS_BETWEEN_TRIALS = 30.0
SECONDS_BETWEEN_WRITES = 0.5
"""Of a busy search; in a lull the heartbeat of the driver writes what waits."""


class Projection:
    """Writes to a mirror in the database, a batch at a time; after a failure it opens it anew.

    What is not yet written when the driver is killed is among what a resume reconciles.

    Args:
        opened: makes a mirror and reconciles it with the store. What it raises at first is raised
            here: a name may be taken.
        say: told in one line that the projection has failed, and that it is whole again.
    """

    def __init__(self, opened: Callable[[], Mirror], say: Callable[[str], None]) -> None:
        self._opened = opened
        self._say = say
        self._lock = threading.Lock()
        self._mirror: Mirror | None = opened()
        self._failed_at = self._written_at = -math.inf
        self._forget()

    def begin(self, number: int, family: str, config: Config, parent: int | None = None) -> None:
        """See ``Mirror.begin``."""
        with self._lock:
            self._begun.append((number, family, config, parent))
        self._write_if_due()

    def report(self, number: int, resource: int, best: float | None) -> None:
        """See ``Mirror.report``."""
        with self._lock:
            self._reports.append((number, resource, best))
        self._write_if_due()

    def finish(self, result: TrialResult) -> None:
        """See ``Mirror.finish``."""
        with self._lock:
            self._ended.append(result)
        self._write_if_due()

    def write(self, *, wait: bool = True) -> None:
        """Write what waits to be written, from any thread.

        Args:
            wait: for another thread that is at it; else it is left to that one.
        """
        if not self._lock.acquire(blocking=wait):
            return
        try:
            begun, reports, ended = self._begun, self._reports, self._ended
            self._forget()
            self._written_at = time.monotonic()
            self._try(lambda mirror: _change(mirror, begun, reports, ended))
        finally:
            self._lock.release()

    def settle(self, halted: Sequence[int] = ()) -> None:
        """Write what waits at the end of a search; where that fails, try once more to be whole.

        Args:
            halted: trials that have not ended, and are in training no more.
        """
        self.write()
        if self._mirror is None:
            self._failed_at = -math.inf
            self.write()
        with self._lock:
            self._try(lambda mirror: mirror.halt(halted))

    def show(self, figures: Callable[[], Mapping[str, str]]) -> None:
        """Write figures for optuna-dashboard, see ``panels``; without them nothing is lost."""
        with self._lock:
            if self._mirror is not None:
                self._try(lambda mirror: show(mirror.storage, mirror.study._study_id, figures()))

    def close(self) -> None:
        """Let go of the database."""
        mirror, self._mirror = self._mirror, None
        if mirror is not None:
            with contextlib.suppress(Exception):  # there may be nothing to let go of any more
                mirror.close()

    def _forget(self) -> None:
        self._begun: list[Begun] = []
        self._reports: list[_Report] = []
        self._ended: list[TrialResult] = []

    def _write_if_due(self) -> None:
        if time.monotonic() - self._written_at >= SECONDS_BETWEEN_WRITES:
            self.write()

    def _try(self, change: Callable[[Mirror], None]) -> None:
        """Make a change; after a failure it is among those that the reconciliation makes."""
        try:
            if self._mirror is not None:
                change(self._mirror)
            elif time.monotonic() - self._failed_at > SECONDS_BETWEEN_TRIALS:
                self._mirror = self._opened()
                self._say("Optuna's tables can be written again and are whole.")
        except Exception as error:  # noqa: BLE001  whatever it is, our tables have all of it
            if self._mirror is not None:
                why = first_line(error)
                self._say(f"Optuna's tables cannot be written ({why}); the search goes on.")
            self.close()
            self._failed_at = time.monotonic()


def _change(
    mirror: Mirror,
    begun: Iterable[Begun],
    reports: Iterable[_Report],
    ended: Iterable[TrialResult],
) -> None:
    """A trial begins before its reports and ends after them."""
    mirror.begins(begun)
    mirror.reports(reports)
    for result in ended:
        mirror.finish(result)
