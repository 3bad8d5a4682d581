"""A database that goes away and comes back: who waits for it, how long, and what is said."""

import functools
import inspect
import threading
import time
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from fesearch.errors import FesearchError, InputError

PATIENCE = 600.0  # seconds that a search waits for its database; a server's restart takes fewer
_SECONDS_BETWEEN_TRIALS = 1.0

P = ParamSpec("P")
T = TypeVar("T")


class LostError(FesearchError):
    """The database is not there, but may come back: a server that restarts, a network that broke.

    What was written last may have been kept or not.
    """


class UnreachableError(InputError):
    """A server that cannot be opened: it is not there, or lets nobody in."""


class Outage:
    """How long the threads that share a database wait for it; without ``patience`` not at all.

    Args:
        patience: seconds, from the first failure.
        say: told in one line when it is waited for, and when it is there again.
        hurried: asked every second; waiting ends once it is true.
    """

    def __init__(
        self,
        patience: float = 0.0,
        say: Callable[[str], None] = lambda line: None,
        hurried: Callable[[], bool] = lambda: False,
    ) -> None:
        self._patience = patience
        self._say = say
        self._hurried = hurried
        self._lock = threading.Lock()
        self._began: float | None = None

    def wait(self, error: LostError | UnreachableError) -> None:
        """Wait a little before the next attempt.

        Raises:
            LostError, UnreachableError: ``error``, when patience is at its end.
        """
        if not self._patience:
            raise error
        with self._lock:
            first = self._began is None
            self._began = began = time.monotonic() if self._began is None else self._began
        if first:
            self._say(f"{error.message} Waiting for it, up to {self._patience / 60:.0f} min.")
        if self._hurried() or time.monotonic() - began > self._patience:
            raise error
        time.sleep(_SECONDS_BETWEEN_TRIALS)

    def over(self) -> None:
        """An attempt has succeeded."""
        if self._began is None:
            return
        with self._lock:
            began, self._began = self._began, None
        if began is not None:
            self._say(f"The database is back after {time.monotonic() - began:.0f} s; going on.")


class _Lasting(Protocol):
    outage: Outage


L = TypeVar("L", bound=_Lasting)


def endures(method: Callable[Concatenate[L, P], T]) -> Callable[Concatenate[L, P], T]:
    """A method of a store that waits for a lost database, as ``outage`` says, and begins anew.

    One that must not be done twice takes ``again``, which is then true: its last attempt may have
    been kept, and it looks.
    """
    asks = "again" in inspect.signature(method).parameters

    @functools.wraps(method)
    def enduring(self: L, /, *args: P.args, **kwargs: P.kwargs) -> T:
        given: dict[str, Any] = kwargs
        while True:
            try:
                answer = method(self, *args, **given)
            except LostError as error:
                self.outage.wait(error)
                given = {**kwargs, "again": True} if asks else kwargs
            else:
                self.outage.over()
                return answer

    return enduring
