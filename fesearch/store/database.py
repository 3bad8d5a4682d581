"""A database that is open: its transactions, and the errors of losing it."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from fesearch.errors import FesearchError, InputError, NoDatabaseError
from fesearch.store.engine import connect, parse, shown, sqlite_file
from fesearch.store.upgrade import ensure_current


class Database:
    """One engine, and two kinds of transaction over it."""

    def __init__(self, engine: sa.Engine) -> None:
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
        engine = connect(parsed)
        name = shown(parsed) if file is None else str(file)
        try:
            ensure_current(engine, create=create, shown=name)
        except sa.exc.DatabaseError as error:
            engine.dispose()
            raise InputError(
                f"The database '{name}' cannot be opened: {first_line(error)}.",
                "Check that its server runs and lets you in, or name another with --storage."
                if file is None
                else "Check the file and your rights to it, or name another with --storage.",
            ) from None
        except InputError:
            engine.dispose()
            raise
        return cls(engine)

    def close(self) -> None:
        """Let go of all connections."""
        self._readers.dispose()

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
        with _explained(), self._readers.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that writes: all of it is kept, or nothing where an error is raised."""
        with _explained(), self._writers.begin() as connection:
            yield connection


def first_line(error: sa.exc.DBAPIError) -> str:
    """What the database said, without SQL, parameters or a full stop."""
    return str(error.orig).strip().split("\n")[0].rstrip(". ")


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except sa.exc.OperationalError as error:
        raise FesearchError(
            f"The database failed: {first_line(error)}.",
            "What was finished before is kept; once it works again, type: fesearch study resume",
        ) from error
