"""What is done to a whole database: a backup, an upgrade, a copy elsewhere."""

import shlex
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from fesearch.errors import InputError, NoDatabaseError
from fesearch.paths import atomic_write
from fesearch.store import snapshot, upgrade
from fesearch.store.database import first_line
from fesearch.store.engine import connect, connect_to_read, parse, shown, sqlite_file
from fesearch.store.results import Store
from fesearch.store.transfer import Tables


@dataclass(frozen=True)
class Seen:
    """A database as it was found.

    Attributes:
        name: as messages print it.
        revision: of its schema, None where there are no studies.
        file: of SQLite, which may not be there yet; None for a server.
    """

    name: str
    revision: str | None
    file: Path | None

    @property
    def stale(self) -> bool:
        """Its schema is not this version's."""
        return self.revision not in (None, upgrade.REVISION)


def examine(url: str) -> Seen:
    """Look at a database and leave it as it is, whether there is one or not.

    Raises:
        InputError: it cannot be reached, or is no database.
    """
    parsed = parse(url)
    file, name = sqlite_file(parsed), shown(parsed)
    if file is not None and not file.parent.is_dir():
        raise InputError(
            f"There is no folder '{file.parent}' for the database '{file.name}'.",
            f"Type: mkdir -p {shlex.quote(str(file.parent))}",
        )
    try:
        _, revision = _found(url)
    except NoDatabaseError:
        return Seen(name, None, file)
    return Seen(name, revision, file)


def backup(url: str, to: Path) -> None:
    """Write all of a database into a new SQLite file, whole or not at all.

    It may be in use: what is committed when this begins is in it. Of SQLite it is an exact copy,
    Optuna's tables included; of PostgreSQL it has our tables, which are all that a study needs.

    Raises:
        InputError: there is no database, or ``to`` exists or cannot be written.
    """
    if to.exists():
        raise InputError(f"'{to}' exists already.", "Choose another --to, or remove it.")
    file, _ = _found(url)
    try:
        if file is not None:
            snapshot.copy(file, to)
            return
        with atomic_write(to) as partial, Store.look(url) as store:
            with Store.open(f"sqlite:///{partial}") as copied:
                store.send(copied)
            with closing(sqlite3.connect(partial)) as connection:
                connection.execute("PRAGMA journal_mode = DELETE")  # nothing is left beside it
    except (OSError, sqlite3.Error) as error:
        raise InputError(f"'{to}' cannot be written: {error}.", "Choose another --to.") from error


def bring_up(url: str) -> tuple[str, str, Path | None]:
    """Bring a database to the schema of this version, an SQLite file after a backup beside it.

    Returns:
        the schema it had, the one it has, and the backup; None where nothing was changed, and of
        PostgreSQL, which upgrades in one transaction and has backups of its own.

    Raises:
        InputError: there is no database, it is of a newer fesearch, or the backup is in the way.
    """
    file, before = _found(url)
    if before == upgrade.REVISION:
        return before, before, None
    kept = None
    if file is not None and before < upgrade.REVISION:
        kept = file.with_name(f"{file.stem}.schema-{before}.db")
        if kept.exists():
            raise InputError(
                f"The backup before an upgrade is to be '{kept}', and there is one already.",
                f"Type: mv {shlex.quote(str(kept))} {shlex.quote(f'{kept}.old')}; then the "
                "command again.",
            )
        backup(url, kept)
    Store.open(url, create=False).close()
    return before, upgrade.REVISION, kept


def copy(url: str, to: str, changed: Callable[[Tables], Tables]) -> list[str]:
    """Copy all studies and looks into another database, empty or not, all of them or none.

    Args:
        changed: what each study is there.

    Returns:
        the names of the studies.

    Raises:
        InputError: there is no database, it is the same one, or has studies of their names.
    """
    _found(url)
    if parse(url) == parse(to):
        raise InputError("The databases are the same.", "Give another database with --to.")
    with Store.look(url) as store, Store.open(to) as other:
        return store.send(other, changed)


def _found(url: str) -> tuple[Path | None, str]:
    """The file of a database, None for PostgreSQL, and the schema of its tables; nothing changes.

    Raises:
        InputError: it cannot be read.
        NoDatabaseError: it is not there, or has no studies.
    """
    parsed = parse(url)
    file = sqlite_file(parsed)
    name = shown(parsed) if file is None else str(file)
    engine = connect(parsed) if file is None else connect_to_read(file)
    try:
        with engine.connect() as connection:
            schema = upgrade.revision(connection)
    except sa.exc.DatabaseError as error:
        if file is not None and not file.exists():
            schema = None
        else:
            raise InputError(
                f"The database '{name}' cannot be opened: {first_line(error)}.",
                "Name another one with --storage.",
            ) from None
    finally:
        engine.dispose()
    if schema is None:
        raise NoDatabaseError(f"There are no studies in '{name}'.", "Name another with --storage.")
    return file, schema
