"""The projection for people to look at, which may fail without ending a search."""

import contextlib
import math
import time
from collections.abc import Callable

from fesearch.errors import first_line
from fesearch.record import TrialResult
from fesearch.search.mirror import Mirror
from fesearch.space import Config

SECONDS_BETWEEN_TRIALS = 30.0


class Projection:
    """Writes to a mirror in the database; after a failure leaves it be, and later opens it anew.

    Args:
        opened: makes a mirror and reconciles it with the store. What it raises at first is raised
            here: a name may be taken.
        say: told in one line that the projection has failed, and that it is whole again.
    """

    def __init__(self, opened: Callable[[], Mirror], say: Callable[[str], None]) -> None:
        self._opened = opened
        self._say = say
        self._mirror: Mirror | None = opened()
        self._failed_at = 0.0

    def begin(self, number: int, family: str, config: Config, parent: int | None = None) -> None:
        """See ``Mirror.begin``."""
        self._write(lambda mirror: mirror.begin(number, family, config, parent))

    def report(self, number: int, resource: int, best: float | None) -> None:
        """See ``Mirror.report``."""
        self._write(lambda mirror: mirror.report(number, resource, best))

    def finish(self, result: TrialResult) -> None:
        """See ``Mirror.finish``."""
        self._write(lambda mirror: mirror.finish(result))

    def close(self) -> None:
        """Let go of the database."""
        mirror, self._mirror = self._mirror, None
        if mirror is not None:
            with contextlib.suppress(Exception):  # there may be nothing to let go of any more
                mirror.close()

    def settle(self) -> None:
        """Try once more to make it whole, at the end of a search."""
        self._failed_at = -math.inf
        self._write(lambda mirror: None)

    def _write(self, change: Callable[[Mirror], None]) -> None:
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
