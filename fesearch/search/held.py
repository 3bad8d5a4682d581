"""A search over many families, held by its one driver from the first turn to the last.

Each study has a lease and a heartbeat in its turn; between two turns these are what others see.
"""

import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress

from fesearch.errors import FesearchError, NoDatabaseError, first_line
from fesearch.search.halt import Halt
from fesearch.search.heartbeat import ON_REQUEST, SECONDS_BETWEEN_BEATS
from fesearch.store.results import Store


class Held:
    """Holds a search from when there is a database, and shows that it lives.

    Args:
        worked: tells the seconds that the search was driven so far.
        halt: is stopped where somebody asks for that, or where the search is no more this one's.
        force: take over from a driver that looks alive, but is known to be gone.
    """

    def __init__(
        self, name: str, url: str, worked: Callable[[], float], halt: Halt, force: bool = False
    ) -> None:
        self._name = name
        self._url = url
        self._worked = worked
        self._halt = halt
        self._force = force
        self._store: Store | None = None
        self._token = ""
        self._over = threading.Event()
        run = contextvars.copy_context().run
        self._thread = threading.Thread(
            target=run, args=(self._run,), name="fesearch-search", daemon=True
        )

    def begin(self) -> None:
        """Hold the search, unless it is held already, or there is no database yet.

        Raises:
            InputError: another process is driving it.
        """
        if self._store is not None:
            return
        try:
            store = Store.open(self._url, create=False)
        except NoDatabaseError:
            return
        try:
            self._token = store.begin_search(self._name, force=self._force)
            if self._force:
                _oust(store, self._name)
        except BaseException:
            store.close()
            raise
        store.endure(lambda line: None, lambda: self._over.is_set() or bool(self._halt.reason))
        self._store = store
        self._thread.start()

    def __enter__(self) -> "Held":
        return self

    def __exit__(self, *raised: object) -> None:
        self._over.set()
        if self._store is None:
            return
        self._thread.join()
        with suppress(FesearchError):  # what ended the search is what counts
            self._store.end_search(self._name, self._token, self._worked())
        self._store.publish()
        self._store.close()

    def _run(self) -> None:
        assert self._store is not None
        while not self._over.wait(SECONDS_BETWEEN_BEATS):
            try:
                if self._store.beat_search(self._name, self._token, self._worked()):
                    self._halt.stop(ON_REQUEST)
                self._store.publish(due=True)
            except FesearchError as error:
                self._halt.stop(error.message)
            except Exception as error:  # noqa: BLE001  without it the driver is taken for dead
                self._halt.stop(f"the heartbeat failed: {first_line(error)}")


def _oust(store: Store, name: str) -> None:
    """Take the study that is being driven from its driver, whose writes are refused then."""
    for one in store.portfolio(name):
        if store.driven(one.study):
            store.release(store.acquire(one.study, force=True))
