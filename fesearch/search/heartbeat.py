"""The thread by which a driver shows that it lives, and does what others ask of it."""

import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fesearch.errors import FesearchError, first_line
from fesearch.search.core import Core
from fesearch.store.results import Store
from fesearch.store.types import Lease

SECONDS_BETWEEN_BEATS = 15.0
SECONDS_BETWEEN_LOOKS = 1.0  # at whether the search is being stopped
ON_REQUEST = "stopped on request"
"""The reason of a study that ``study stop`` has stopped."""


class Heartbeat:
    """Beats from the moment it is entered, so that a slow beginning is not taken for a death.

    Whatever goes wrong with it stops the search in good order: a driver without a heartbeat would
    be taken for dead.
    """

    def __init__(self, store: Store, lease: Lease) -> None:
        self._store = store
        self._lease = lease
        self._lock = threading.Lock()
        self._core: Core | None = None
        self._tasks: tuple[Callable[[], object], ...] = ()
        self._failure = ""
        self._over = threading.Event()
        run = contextvars.copy_context().run  # where its artifacts are, too
        self._thread = threading.Thread(
            target=run, args=(self._run,), name="fesearch-heartbeat", daemon=True
        )

    @contextmanager
    def attending(self, core: Core, *tasks: Callable[[], object]) -> Iterator[None]:
        """Inside, stop this core where that is asked for, and do the tasks at each beat."""
        with self._lock:
            self._core, self._tasks = core, tasks
            if self._failure:
                core.stop(self._failure)
        try:
            yield
        finally:
            with self._lock:
                self._core, self._tasks = None, ()

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        beaten, told = time.monotonic(), False
        while not self._over.wait(min(SECONDS_BETWEEN_LOOKS, SECONDS_BETWEEN_BEATS)):
            with self._lock:
                ending = not told and self._core is not None and self._core.stopping
                if not ending and time.monotonic() - beaten < SECONDS_BETWEEN_BEATS:
                    continue
                beaten, told = time.monotonic(), told or ending
                try:
                    self._beat()
                    if ending:  # a batch system may not wait for the trials to stop
                        self._store.publish()
                except FesearchError as error:
                    self._fail(error.message)
                except Exception as error:  # noqa: BLE001
                    self._fail(f"the heartbeat failed: {first_line(error)}")

    def _beat(self) -> None:
        self._store.beat(self._lease)
        self._store.publish(due=True)
        if self._core is not None and self._store.stop_requested(self._lease.study):
            self._core.stop(ON_REQUEST)
        for task in self._tasks:
            task()

    def _fail(self, reason: str) -> None:
        self._failure = reason
        if self._core is not None:
            self._core.stop(reason)
