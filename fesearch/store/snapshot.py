"""Copies of an SQLite database that is in use, and which of its copies another host may read.

On a network file system one host at a time has the database. Its driver publishes a copy beside it
each minute, whole or not at all, and commands on other hosts read that.
"""

import logging
import socket
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fesearch.paths import atomic_write
from fesearch.store.engine import open_to_read
from fesearch.store.filesystem import network
from fesearch.store.schema import LEASES, SEARCHES

SECONDS_BETWEEN = 60.0
STALE = 3 * SECONDS_BETWEEN  # without a heartbeat in it: its driver was killed
_log = logging.getLogger(__name__)


def copy(source: Path, to: Path) -> None:
    """Copy a database that others may be writing to, as it is between two transactions.

    Raises:
        OSError: ``to`` cannot be written.
        sqlite3.Error: ``source`` cannot be read.
    """
    with (
        atomic_write(to) as partial,
        closing(open_to_read(source)) as database,
        closing(sqlite3.connect(partial)) as written,
    ):
        database.backup(written)
        written.execute("PRAGMA journal_mode = DELETE")  # one file, which can be read anywhere


@dataclass(frozen=True)
class Snapshot:
    """A published copy of a database that another host has.

    Attributes:
        host: that has it.
        at: when it was published.
    """

    file: Path
    host: str
    at: datetime

    def __str__(self) -> str:
        age = max((datetime.now(UTC) - self.at).total_seconds(), 0.0)
        return f"As of {age:.0f} s ago, from {self.file.name}: {self.host} has the database."


class Publisher:
    """Publishes copies of a database on a network file system; of any other, none.

    Args:
        file: of the database; None for one that is no file.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file if file is not None and network(file) else None
        self._at = -SECONDS_BETWEEN

    def publish(self, *, due: bool = False) -> None:
        """Publish a copy; with ``due`` only if the last is a minute old.

        A copy that cannot be made is a warning: the search does not need it.
        """
        now = time.monotonic()
        if self._file is None or (due and now - self._at < SECONDS_BETWEEN):
            return
        self._at = now
        try:
            copy(self._file, snapshot_of(self._file))
        except (OSError, sqlite3.Error) as error:
            _log.warning("The snapshot of '%s' cannot be written: %s.", self._file, error)


def snapshot_of(file: Path) -> Path:
    """Where the snapshot of a database is."""
    return file.with_name(f"{file.stem}.snapshot.db")


def elsewhere(file: Path) -> Snapshot | None:
    """The snapshot to read in place of a database that a driver on another host has; else None."""
    path = snapshot_of(file)
    if not network(file) or not path.is_file():
        return None
    columns = "SELECT host, heartbeat_at FROM"
    query = f"{columns} {LEASES.name} UNION ALL {columns} {SEARCHES.name}"
    try:
        with closing(open_to_read(path)) as connection:
            leases = connection.execute(query).fetchall()
        at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except (OSError, sqlite3.Error):
        return None
    here, now = socket.gethostname(), datetime.now(UTC)
    for host, heartbeat in leases:
        beat = datetime.fromisoformat(heartbeat).replace(tzinfo=UTC)
        if host != here and (now - beat).total_seconds() < STALE:
            return Snapshot(path, host, at)
    return None
