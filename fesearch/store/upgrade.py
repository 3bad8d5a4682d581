"""Bring a database to the schema of this version, or refuse it; alembic is loaded only for that."""

from pathlib import Path

import sqlalchemy as sa

from fesearch.errors import InputError, NoDatabaseError
from fesearch.store.schema import PREFIX

REVISION = "0011"  # the newest under migrations/
VERSION_TABLE = f"{PREFIX}version"  # not Optuna's alembic_version
MIGRATIONS = Path(__file__).with_name("migrations")
_LOCK = 0x66657365  # "fese": PostgreSQL's advisory lock of those who upgrade


def ensure_current(engine: sa.Engine, *, create: bool, shown: str) -> None:
    """Create or upgrade our tables if need be.

    Args:
        create: make the tables where there are none.
        shown: the database, as messages print it.

    Raises:
        InputError: the database is of a newer version.
        NoDatabaseError: it has no tables and ``create`` is false.
    """
    with engine.connect() as connection:
        found = revision(connection)
    if found == REVISION:
        return
    if found is None and not create:
        raise NoDatabaseError(
            f"There are no studies in '{shown}'.",
            "Start one with fesearch study start, or name another database with --storage.",
        )
    with engine.execution_options(writes=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        _migrate(connection, shown)


def revision(connection: sa.Connection) -> str | None:
    """The revision of our tables in a database, None where there are none."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    table = sa.table(VERSION_TABLE, sa.column("version_num"))
    found: str | None = connection.scalar(sa.select(table.c.version_num))
    return found


def _migrate(connection: sa.Connection, shown: str) -> None:
    """Run what is missing, as part of the transaction of ``connection``."""
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    found = revision(connection)
    if found is not None and found not in known:
        raise InputError(
            f"'{shown}' was written by a newer fesearch (schema {found}, this one knows "
            f"{REVISION}).",
            "Type: pip install --upgrade fesearch",
        )
    command.upgrade(config, REVISION)
