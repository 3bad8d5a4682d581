"""Opening databases: new, old, newer, shared, and what is no database at all."""

import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from fesearch.errors import InputError
from fesearch.record import TrialState
from fesearch.store.engine import connect, parse
from fesearch.store.results import Store
from fesearch.store.schema import METADATA, PREFIX
from fesearch.store.upgrade import MIGRATIONS, REVISION, VERSION_TABLE, revision

FILES = Path(__file__).parent / "store_files"


@contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    engine = connect(parse(url))
    with engine.execution_options(writes=True).begin() as connection:
        yield connection
    engine.dispose()


def refusal(url: str, create: bool = True) -> str:
    with pytest.raises(InputError) as caught:
        Store.open(url, create=create)
    return str(caught.value)


def test_the_migrations_make_the_schema(storage_url: str) -> None:
    Store.open(storage_url).close()
    with connected(storage_url) as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, METADATA) == []
        migrated = constraints(connection)
        connection.exec_driver_sql(f"DROP TABLE {VERSION_TABLE}")
        METADATA.drop_all(connection)
        METADATA.create_all(connection)
        assert constraints(connection) == migrated


def constraints(connection: sa.Connection) -> dict[str, object]:
    """What alembic does not compare: constraints and indices by name and text."""
    inspector = sa.inspect(connection)
    found: dict[str, object] = {}
    for table in METADATA.tables:
        found[table] = [
            sorted(map(str, listed))
            for listed in (
                inspector.get_check_constraints(table),
                inspector.get_unique_constraints(table),
                inspector.get_foreign_keys(table),
                [_index(one) for one in inspector.get_indexes(table)],
                [inspector.get_pk_constraint(table)],
            )
        ]
    return found


def _index(found: Any) -> dict[str, object]:
    """Conditions of indices as their texts: SQLAlchemy has an object for each."""
    options = {name: str(value) for name, value in found["dialect_options"].items()}
    return {**found, "dialect_options": options}


def test_the_newest_migration_is_the_revision_of_this_version() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == REVISION
    assert (FILES / f"revision_{REVISION}.db").exists(), "type: python tests/store_files/make.py"


@pytest.mark.parametrize("file", sorted(FILES.glob("*.db")), ids=lambda file: file.stem)
def test_a_database_of_each_revision_is_opened_and_goes_on(file: Path, tmp_path: Path) -> None:
    shutil.copy(file, tmp_path / "kept.db")
    url = f"sqlite:///{tmp_path}/kept.db"
    with Store.open(url, create=False) as store:
        study = store.study("kept")
        states = [trial.state for trial in store.trials(study)]
        assert states == [
            TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING
        ]  # fmt: skip
        raws = [report.raw for report in store.reports(study)]
        assert raws[:2] == [0.2, math.inf]
        assert math.isnan(raws[2])
        assert [row.value for row in store.ranking()] == [0.1, 0.3]
        assert {trial.latency for trial in store.trials(study)} == {None}
        scores = [dict(trial.scores) for trial in store.trials(study)]
        since = file.stem >= "revision_0010"
        assert scores == ([{"rmse": 0.2}, {"rmse": 0.6}, {}, {"rmse": 0.8}] if since else [{}] * 4)
        assert [look.scores for look in store.looks(study.key)] == [{"mae": 0.15}]
        noted = replace(store.division("data1", "split1"), test="rows1")
        store.record_division(noted)
        assert store.division("data1", "split1") == noted
        store.release(store.acquire(study))
    with connected(url) as connection:
        assert revision(connection) == REVISION


@pytest.mark.parametrize("optuna_first", [True, False])
def test_optuna_lives_in_the_same_database(storage_url: str, optuna_first: bool) -> None:
    import optuna

    optuna_url = storage_url.replace("postgresql://", "postgresql+psycopg://")
    if not optuna_first:
        Store.open(storage_url).close()
    storage = optuna.storages.RDBStorage(optuna_url)
    study = optuna.create_study(storage=storage, study_name="theirs")
    study.tell(study.ask(), 0.5)
    with Store.open(storage_url) as store:
        assert store.studies() == []
    again = optuna.storages.RDBStorage(optuna_url)
    assert [trial.value for trial in again.get_all_trials(study._study_id)] == [0.5]
    with connected(storage_url) as connection:
        names = set(sa.inspect(connection).get_table_names())
        assert {"alembic_version", "studies", f"{PREFIX}version", f"{PREFIX}studies"} <= names
    for one in (storage, again):
        one.remove_session()
        one.engine.dispose()


OPEN = """
import sys
from fesearch.store.results import Store
sys.stdin.readline()
with Store.open(sys.argv[1]) as store:
    print(len(store.studies()))
"""


def test_processes_may_open_a_new_database_at_once(storage_url: str) -> None:
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, storage_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for opener in openers:
        assert opener.stdin is not None
        opener.stdin.write("\n")
        opener.stdin.flush()
    assert [opener.communicate() for opener in openers] == [("0\n", "")] * 3


def test_opening_a_current_database_imports_no_alembic(sqlite_url: str) -> None:
    Store.open(sqlite_url).close()
    code = f"{OPEN}\nassert not {{'alembic', 'optuna', 'torch', 'ray'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code, sqlite_url], check=True, input="\n", text=True)


def test_sqlite_is_set_up_for_a_writer_and_many_readers(sqlite_url: str) -> None:
    with Store.open(sqlite_url) as store, store.read() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {
        "journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "busy_timeout": 30_000
    }  # fmt: skip


def test_an_upgrade_that_fails_leaves_nothing(storage_url: str) -> None:
    with connected(storage_url) as connection:
        connection.exec_driver_sql(f"CREATE TABLE {PREFIX}reports (x INTEGER)")  # in its way
    assert "cannot be opened: " in refusal(storage_url)
    with connected(storage_url) as connection:
        assert sa.inspect(connection).get_table_names() == [f"{PREFIX}reports"]


def test_a_newer_database_is_refused(storage_url: str) -> None:
    Store.open(storage_url).close()
    with connected(storage_url) as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    message, hint = refusal(storage_url).split("\n")
    assert message.endswith(
        f"was written by a newer fesearch (schema 9999, this one knows {REVISION})."
    )
    assert hint == "Type: pip install --upgrade fesearch"


def test_a_database_without_studies_is_refused_to_readers(storage_url: str) -> None:
    with connected(storage_url) as connection:
        connection.exec_driver_sql("CREATE TABLE theirs (x INTEGER)")
    assert refusal(storage_url, create=False).startswith("There are no studies in '")


def test_a_missing_file_is_made_only_by_those_who_may(tmp_path: Path) -> None:
    file = tmp_path / "none.db"
    assert refusal(f"sqlite:///{file}", create=False) == (
        f"There is no database '{file}'.\n"
        "Start a study with fesearch study start, or name another one with --storage."
    )
    assert not file.exists()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert refusal(f"sqlite:///{tmp_path}/no/x.db") == (
        f"There is no folder '{tmp_path}/no' for the database 'x.db'.\n"
        f"Type: mkdir -p '{tmp_path}/no'"
    )


@pytest.mark.parametrize("content", [b"formula,energy\nFe2O3,-1.7\n" * 99, bytes(range(256)) * 8])
def test_a_file_that_is_no_database_is_refused_unchanged(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "data.csv"
    file.write_bytes(content)
    assert refusal(f"sqlite:///{file}") == (
        f"The database '{file}' cannot be opened: file is not a database.\n"
        "Check the file and your rights to it, or name another with --storage."
    )
    assert file.read_bytes() == content


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    assert "cannot be opened: unable to open database file." in refusal(f"sqlite:///{tmp_path}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file; run as another user")
def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    file.write_bytes(b"")
    file.chmod(0)
    assert "cannot be opened: unable to open database file." in refusal(f"sqlite:///{file}")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("fesearch.db", "The storage 'fesearch.db' is not a database URL."),
        ("", "The storage '' is not a database URL."),
        ("postgresql://me:se@cret@host:x/d", "The storage 'postgresql://***@host:x/d' is not a"),
        ("sqlite://", "The storage 'sqlite://' names no file."),
        ("sqlite:///:memory:", "The storage 'sqlite:///:memory:' names no file."),
        ("mysql://me:secret@host/d", "The storage 'mysql://me:***@host/d' is neither SQLite nor"),
        ("oracle+x://h/d?password=secret", "The storage 'oracle://h/d' is neither SQLite nor"),
    ],
)
def test_a_wrong_url_is_refused_without_its_password(url: str, message: str) -> None:
    found = refusal(url)
    assert found.startswith(message)
    assert "secret" not in found
    assert found.count("\n") == 1


@pytest.mark.parametrize(
    "url", ["postgresql://me:secret@127.0.0.1:1/d", "postgresql:///d?host=/no"]
)
def test_a_server_that_is_not_there_is_two_lines(url: str) -> None:
    pytest.importorskip("psycopg", reason="Type: pip install 'fesearch[postgresql]'")
    message, hint = refusal(url).split("\n")
    assert message.startswith("The database 'postgresql://")
    assert "cannot be opened: connection" in message
    assert "secret" not in message
    assert hint == "Check that its server runs and lets you in, or name another with --storage."


def test_the_file_of_the_present_revision_can_be_made_again(tmp_path: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(FILES)!r}); import make; from pathlib import Path"
    file = tmp_path / "made.db"
    subprocess.run([sys.executable, "-c", f"{code}; make.make(Path({str(file)!r}))"], check=True)
    with Store.open(f"sqlite:///{file}") as made:
        assert len(made.trials(made.study("kept"))) == 4
