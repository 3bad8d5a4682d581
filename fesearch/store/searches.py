"""Who drives a search over many families, in its turns and between them."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from fesearch.errors import OustedError
from fesearch.store.database import Database
from fesearch.store.leases import alive, clock, own_lease, refuse
from fesearch.store.outage import endures
from fesearch.store.schema import SEARCHES, STUDIES
from fesearch.store.studies import insert_missing

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""The heartbeat of a driver that has ended."""


class Searches(Database):
    """The part of the store about drivers of several studies, which take turns.

    Each study has a lease of its own in its turn; between two turns there is this one alone.
    """

    def begin_search(self, name: str, *, force: bool = False) -> str:
        """Become the driver of a search; a request to its last driver is void.

        Args:
            force: take over from a driver that looks alive, too.

        Returns:
            what tells this lease from all others.

        Raises:
            InputError: another process is driving it.
        """
        token = os.urandom(16).hex()
        with self.write() as connection:
            now = clock(connection)
            mine = {"name": name, **own_lease(token, now), "stop_requested_at": None}
            insert_missing(connection, SEARCHES, mine)
            row = connection.execute(_of(name).with_for_update()).one()
            if row.token != token:
                if not force and alive(row, now):
                    refuse(row, "search", name)
                connection.execute(_change(name).values(mine))
        return token

    @endures
    def beat_search(self, name: str, token: str, seconds: float) -> bool:
        """Say that the driver lives.

        Args:
            seconds: that the search was driven so far, by it and others.

        Returns:
            whether it is asked to stop.

        Raises:
            OustedError: another process has taken over.
        """
        with self.write() as connection:
            beat = {"heartbeat_at": clock(connection), "seconds": seconds}
            change = _change(name, token).values(beat)
            if not connection.execute(change).rowcount:
                raise OustedError(
                    f"Another process has taken over the search '{name}'.",
                    "Leave it to that; see: fesearch study list",
                )
            return connection.execute(_of(name)).one().stop_requested_at is not None

    @endures
    def end_search(self, name: str, token: str, seconds: float) -> None:
        """Stop driving; nothing happens where it has been taken over.

        That it was asked to stop stays on record until it goes on.

        Args:
            seconds: that the search was driven, by all its drivers.
        """
        with self.write() as connection:
            ended = {"heartbeat_at": _NEVER, "seconds": seconds}
            connection.execute(_change(name, token).values(ended))

    def worked_for(self, name: str) -> float:
        """Seconds that a search was driven, what went by between two turns included; 0 of none."""
        with self.read() as connection:
            row = connection.execute(_of(name)).one_or_none()
            return 0.0 if row is None else float(row.seconds)

    def search_stopped(self, name: str) -> bool:
        """Whether the last driver of a search ended as it was asked to stop."""
        with self.read() as connection:
            row = connection.execute(_of(name)).one_or_none()
            asked = row is not None and row.stop_requested_at is not None
            return asked and not alive(row, clock(connection))

    def forget_stop(self, name: str, studies: Sequence[str], reason: str) -> None:
        """Forget that a search, or one of its studies, was stopped; one that is driven stays.

        Args:
            reason: of a study that was.
        """
        with self.write() as connection:
            stopped = STUDIES.c.name.in_(studies) & (STUDIES.c.reason == reason)
            connection.execute(sa.update(STUDIES).where(stopped).values(reason=""))
            row, now = connection.execute(_of(name)).one_or_none(), clock(connection)
            if row is not None and not alive(row, now):
                connection.execute(_change(name).values(stop_requested_at=None))

    def refuse_searched(self, name: str) -> None:
        """Go on only where no live process drives the search of that name.

        Raises:
            InputError: one does.
        """
        refuse(self._driver(name), "search", name)

    def searched(self, name: str) -> bool:
        """Whether a live process drives the search of that name."""
        return self._driver(name) is not None

    def request_stop_of_search(self, name: str) -> bool:
        """Ask the driver of a search to stop; whether there is a live one."""
        with self.write() as connection:
            row, now = connection.execute(_of(name)).one_or_none(), clock(connection)
            if row is None or not alive(row, now):
                return False
            connection.execute(_change(name, row.token).values(stop_requested_at=now))
            return True

    def note_stop_of_search(self, name: str) -> None:
        """Have a search stand as one whose last driver was asked to stop.

        Raises:
            InputError: it has a live driver, who is to be asked.
        """
        with self.write() as connection:
            now = clock(connection)
            ended = own_lease(os.urandom(16).hex(), now) | {"heartbeat_at": _NEVER}
            insert_missing(connection, SEARCHES, {"name": name, **ended, "stop_requested_at": now})
            row = connection.execute(_of(name).with_for_update()).one()
            if alive(row, now):
                refuse(row, "search", name)
            connection.execute(_change(name).values(stop_requested_at=now))

    def _driver(self, name: str) -> Any:
        """The lease of the live driver of a search, None where it has none."""
        with self.read() as connection:
            row = connection.execute(_of(name)).one_or_none()
            return row if row is not None and alive(row, clock(connection)) else None


def _of(name: str) -> sa.Select[Any]:
    return sa.select(SEARCHES).where(SEARCHES.c.name == name)


def _change(name: str, token: str | None = None) -> sa.Update:
    change = sa.update(SEARCHES).where(SEARCHES.c.name == name)
    return change if token is None else change.where(SEARCHES.c.token == token)
