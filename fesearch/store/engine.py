"""From a storage URL to connections that are set up the same way everywhere."""

import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from fesearch.errors import InputError
from fesearch.optional import require
from fesearch.store.filesystem import network

FORMS = "Give --storage sqlite:///FILE.db or --storage postgresql://USER:PASSWORD@HOST/DATABASE."
WAIT_SECONDS = 30  # for another process to finish its transaction
_FOR_A_SERVER = {
    "connect_timeout": WAIT_SECONDS,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""libpq's words. A host that vanishes closes no connection: by default the kernel finds out after a
quarter of an hour, or after two hours where an answer is waited for."""


def parse(url: str) -> URL:
    """The storage URL with its driver.

    Raises:
        InputError: not a URL, or of a database that is neither SQLite nor PostgreSQL.
    """
    try:
        parsed = make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        masked = re.sub(r"//.*@", "//***@", url)
        raise InputError(f"The storage '{masked}' is not a database URL.", FORMS) from None
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        if parsed.database in (None, "", ":memory:"):
            raise InputError(f"The storage '{url}' names no file.", FORMS)
        return parsed
    if parsed.drivername in ("postgresql", "postgresql+psycopg"):
        require("psycopg", "postgresql")
        return parsed.set(drivername="postgresql+psycopg")
    raise InputError(f"The storage '{shown(parsed)}' is neither SQLite nor PostgreSQL.", FORMS)


def shown(url: URL) -> str:
    """The URL as messages print it: no password, nor options, which may hold one."""
    plain = url.set(drivername=url.get_backend_name(), query={})
    return plain.render_as_string(hide_password=True)


def connect(url: URL) -> sa.Engine:
    """An engine for a parsed URL; nothing is opened yet.

    Its connections take a transaction that will write at once where the execution option
    ``writes`` is set, so that two writers in SQLite wait for each other instead of failing.
    """
    file = sqlite_file(url)
    if file is None:
        return sa.create_engine(url, **server_options(url))
    engine = sa.create_engine(url, connect_args={"timeout": WAIT_SECONDS})
    mode = "delete" if network(file) else "wal"  # the log needs memory that hosts cannot share

    def set_up(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # transactions are begun by ``_begin``, and by it alone
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA synchronous = {synchronous(file)}")
        if connection.execute("PRAGMA journal_mode").fetchone() != (mode,):
            _switch_journal(connection, mode)

    sa.event.listen(engine, "connect", set_up)
    sa.event.listen(engine, "begin", _begin)
    return engine


def newly_opened(file: Callable[[], Path]) -> dict[str, Any]:
    """Options of somebody else's engine: each connection opens the file to read, and is not kept.

    A connection that is kept goes on reading a file that another has taken the place of.
    """
    return {"creator": lambda: open_to_read(file()), "poolclass": sa.NullPool}


def connect_to_read(file: Path) -> sa.Engine:
    """An engine for an SQLite file that nobody writes to, itself unable to write."""
    return sa.create_engine("sqlite://", **newly_opened(lambda: file))


def open_to_read(file: Path) -> sqlite3.Connection:
    """A connection to an SQLite file that cannot write."""
    path = quote(str(file.absolute()))
    return sqlite3.connect(
        f"file:{path}?mode=ro", uri=True, check_same_thread=False, timeout=WAIT_SECONDS
    )


def server_options(url: URL) -> dict[str, Any]:
    """Options of an engine for PostgreSQL: connections that broke are replaced unasked.

    What the URL has itself stays.
    """
    given = {word: value for word, value in _FOR_A_SERVER.items() if word not in url.query}
    return {"pool_pre_ping": True, "connect_args": given}


def reading_options(url: URL) -> dict[str, Any]:
    """The same for connections that cannot write, with options that the URL itself has.

    Of an option that is there twice the server takes the last.
    """
    settings, own = server_options(url), url.query.get("options", ())
    words = [own] if isinstance(own, str) else [*own]
    options = " ".join([*words, "-c default_transaction_read_only=on"])
    return settings | {"connect_args": settings["connect_args"] | {"options": options}}


def sqlite_file(url: URL) -> Path | None:
    """The file of an SQLite database, None for PostgreSQL."""
    sqlite = url.get_backend_name() == "sqlite"
    return Path(url.database) if sqlite and url.database else None


def synchronous(file: Path) -> str:
    """How SQLite writes: a power cut may lose the last commits but not damage the file.

    With a write-ahead log NORMAL is enough for that; a killed process loses nothing either way.
    """
    return "FULL" if network(file) else "NORMAL"


def has_table(url: str, name: str) -> bool:
    """Whether a database has a table of that name; no file is made where there is none."""
    parsed = parse(url)
    file = sqlite_file(parsed)
    if file is not None and not file.exists():
        return False
    engine = connect(parsed)
    try:
        return sa.inspect(engine).has_table(name)
    finally:
        engine.dispose()


def _switch_journal(connection: sqlite3.Connection, mode: str) -> None:
    """SQLite does not wait for a lock to change the mode (its time-out is not used), so we do."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            connection.execute(f"PRAGMA journal_mode = {mode}")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
