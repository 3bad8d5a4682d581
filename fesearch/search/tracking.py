"""Trackers as watchers of a search: told in a thread of their own, and left out where they fail.

A server that is slow, or gone, holds up neither decisions nor trials.
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING

from fesearch.errors import first_line
from fesearch.record import Report, TrialResult, TrialSpec
from fesearch.tracker import TRACKERS, Service, Subject, Tracker

if TYPE_CHECKING:
    from fesearch.search.core import Core

SECONDS_TO_CLOSE = 30.0
"""That a tracker has at the end of a search for what it has not told yet."""
_log = logging.getLogger(__name__)


class Tracking:
    """A watcher that tells one service, in the order of events."""

    def __init__(self, service: Service, subject: Subject) -> None:
        self._service = service
        self._subject = subject
        self._events: SimpleQueue[tuple[str, tuple[object, ...]] | None] = SimpleQueue()
        self._core: Core | None = None
        self._over = False  # nobody takes events any more
        self._thread = threading.Thread(
            target=self._tell, name=f"fesearch-{service.name}", daemon=True
        )
        self._thread.start()

    def opened(self, core: "Core", results: Sequence[TrialResult]) -> None:
        """Trials that ended before are known to the service, or were none of its business."""
        self._core = core

    def began(self, spec: TrialSpec, resumed: bool) -> None:
        self._put("began", spec)

    def reported(self, number: int, report: Report) -> None:
        self._put("reported", number, report)

    def ended(self, result: TrialResult) -> None:
        self._put("ended", result)

    def noted(self, line: str) -> None:
        """Notes are for whoever looks at the terminal."""

    def close(self) -> None:
        """Wait for what is not told yet, but not for ever."""
        self._events.put(None)
        self._thread.join(SECONDS_TO_CLOSE)
        if self._thread.is_alive():
            _log.warning(
                "%s has not taken all in %.0f s; the store has.",
                self._service.title,
                SECONDS_TO_CLOSE,
            )

    def _put(self, event: str, *told: object) -> None:
        if not self._over:
            self._events.put((event, told))

    def _tell(self) -> None:
        """Tell the service of each event until the end, or until it fails."""
        tracker: Tracker | None = None
        try:
            while (event := self._events.get()) is not None:
                if tracker is None:
                    tracker = self._service.open(self._subject)
                getattr(tracker, event[0])(*event[1])
            if tracker is not None:
                tracker.close()
        except BaseException as error:  # noqa: BLE001  whatever it is, it is not the search's
            self._over = True
            self._note(f"{self._service.title} is told no more: {first_line(error)}")
            if tracker is not None:
                with suppress(Exception):
                    tracker.close()

    def _note(self, line: str) -> None:
        if self._core is None:
            _log.warning(line)
        else:
            self._core.note(line)


def check(names: Sequence[str]) -> None:
    """Refuse services that there are not, or whose packages are not installed.

    Raises:
        InputError: names the nearest service, or the pip line.
    """
    for name in names:
        TRACKERS.get(name).check()


@contextmanager
def tracked(names: Sequence[str], subject: Subject) -> Iterator[list[Tracking]]:
    """The watchers that tell these services of a study, closed when it ends."""
    every = [Tracking(TRACKERS.get(name), subject) for name in names]
    try:
        yield every
    finally:
        for one in every:
            one.close()
