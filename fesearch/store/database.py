"""A database that is open: its transactions, and the errors of losing it."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from fesearch.duration import spelled
from fesearch.errors import FesearchError, InputError, NoDatabaseError
from fesearch.store.engine import (
    WAIT_SECONDS,
    connect,
    connect_to_read,
    parse,
    shown,
    sqlite_file,
)
from fesearch.store.outage import PATIENCE, LostError, Outage, UnreachableError
from fesearch.store.snapshot import STALE, Publisher, elsewhere
from fesearch.store.upgrade import ensure_current

SECONDS_BETWEEN_WARNINGS = 600.0
_READ_ONLY = "25006"  # SQLSTATE read_only_sql_transaction
_log = logging.getLogger(__name__)
_RESUME = "What was finished before is kept; once it works again, type: fesearch study resume"


class Database:
    """One engine, and two kinds of transaction over it.

    Attributes:
        name: as messages print it.
        outage: what its methods that are marked with ``endures`` do when it goes away.
    """

    def __init__(self, engine: sa.Engine, name: str, file: Path | None = None) -> None:
        self.name = name
        self._publisher = Publisher(file)
        self.outage = Outage()
        self._readers = engine
        self._writers = engine.execution_options(writes=True)

    @classmethod
    def open(cls, url: str, *, create: bool = True) -> Self:
        """Open a database, creating or upgrading our tables in it.

        Args:
            url: SQLAlchemy's, such as ``sqlite:///fesearch.db``.
            create: make the file and the tables if they are missing.

        Raises:
            InputError: it cannot be opened, is no database, or is of a newer fesearch.
            NoDatabaseError: it is missing, or has no tables, and ``create`` is false.
        """
        parsed = parse(url)
        file = sqlite_file(parsed)
        if file is not None and not file.parent.is_dir():
            raise InputError(
                f"There is no folder '{file.parent}' for the database '{file.name}'.",
                f"Type: mkdir -p '{file.parent}'",
            )
        if file is not None and not create and not file.exists():
            raise NoDatabaseError(
                f"There is no database '{file}'.",
                "Start a study with fesearch study start, or name another one with --storage.",
            )
        if file is not None and (snapshot := elsewhere(file)) is not None:
            raise InputError(
                f"The database '{file}' is on a network file system, and {snapshot.host} has it.",
                f"Type the command on {snapshot.host}, or here once it has been gone for "
                f"{spelled(STALE)}; several hosts at once need PostgreSQL.",
            )
        return cls._opened(connect(parsed), file, shown(parsed), create)

    @classmethod
    def look(cls, url: str) -> Self:
        """Open a database to read it alone.

        Where another host has it, on a network file system, that is the snapshot which its driver
        publishes each minute; a warning says so, and how old it is.

        Raises:
            InputError, NoDatabaseError: see ``open``.
        """
        parsed = parse(url)
        file = sqlite_file(parsed)
        snapshot = None if file is None else elsewhere(file)
        if snapshot is None:
            return cls.open(url, create=False)
        _tell(str(snapshot.file), snapshot.host, str(snapshot))
        return cls._opened(connect_to_read(snapshot.file), snapshot.file, "", create=False)

    @classmethod
    def _opened(cls, engine: sa.Engine, file: Path | None, shown: str, create: bool) -> Self:
        """The database behind an engine, its tables those of this version."""
        name = shown if file is None else str(file)
        try:
            ensure_current(engine, create=create, shown=name)
        except sa.exc.DatabaseError as error:
            engine.dispose()
            if _is_locked(error):
                raise _locked(name) from None
            said = f"The database '{name}' cannot be opened: {first_line(error)}."
            other = "or name another with --storage."
            if file is not None:
                raise InputError(said, f"Check the file and your rights to it, {other}") from None
            hint = f"Check that its server runs and lets you in, {other}"
            raise UnreachableError(said, hint) from None
        except InputError:
            engine.dispose()
            raise
        return cls(engine, name, file)

    def close(self) -> None:
        """Let go of all connections."""
        self._readers.dispose()

    def publish(self, *, due: bool = False) -> None:
        """Let other hosts see what is in a database on a network file system; see ``Publisher``."""
        self._publisher.publish(due=due)

    def endure(self, say: Callable[[str], None], hurried: Callable[[], bool]) -> None:
        """Wait from now on for a database that goes away, as a search does; see ``Outage``."""
        self.outage = Outage(PATIENCE, say, hurried)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that reads; all its queries see the same state in SQLite."""
        with self._explained(), self._readers.begin() as connection:
            yield connection

    @contextmanager
    def steady(self) -> Iterator[sa.Connection]:
        """A transaction that reads; all its queries see the same state in PostgreSQL too."""
        engine = self._readers
        if engine.dialect.name == "postgresql":
            engine = engine.execution_options(isolation_level="REPEATABLE READ")
        with self._explained(), engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that writes: all of it is kept, or nothing where an error is raised."""
        with self._explained(), self._writers.begin() as connection:
            yield connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.InternalError) as error:
            if isinstance(error, sa.exc.InternalError) and not _is_read_only(error):
                raise
            if _is_locked(error):
                raise _locked(self.name) from error
            kind = LostError if self._readers.dialect.name == "postgresql" else FesearchError
            raise kind(f"The database failed: {first_line(error)}.", _RESUME) from error


@cache
def _told(file: str, host: str) -> list[float]:
    """When it was last said that this host has that database; empty before it was."""
    return []


def _tell(file: str, host: str, said: str) -> None:
    """Warn of a snapshot; of the same one again after ten minutes, since a server looks often."""
    told, now = _told(file, host), time.monotonic()
    if not told or now - told[-1] > SECONDS_BETWEEN_WARNINGS:
        _log.warning("%s", said)
        told[:] = [now]


def first_line(error: sa.exc.DBAPIError) -> str:
    """What the database said, without SQL, parameters or a full stop."""
    return str(error.orig).strip().split("\n")[0].rstrip(". ")


def _is_read_only(error: sa.exc.DBAPIError) -> bool:
    """A PostgreSQL that takes no writes: a standby, say, until it is the new primary."""
    return getattr(error.orig, "sqlstate", None) == _READ_ONLY


def _is_locked(error: sa.exc.DBAPIError) -> bool:
    """SQLite has waited for another program in vain."""
    return "database is locked" in str(error.orig)


def _locked(name: str) -> FesearchError:
    return FesearchError(
        f"Another program has locked the database '{name}' for {WAIT_SECONDS} s.",
        f"End it (fuser '{name}' says which it is), then type the command again, or: "
        "fesearch study resume",
    )
