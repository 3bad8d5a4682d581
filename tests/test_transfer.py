"""Studies taken out of one store and put into another, over SQLite and PostgreSQL."""

import copy
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fesearch.errors import InputError
from fesearch.record import Decision, Fault, Report, ResultKey, TrialResult, TrialSpec, TrialState
from fesearch.search import copies
from fesearch.store import upkeep
from fesearch.store.results import Store
from fesearch.store.transfer import Tables
from fesearch.store.types import Division, StudyRow, StudyState
from fesearch.store.upgrade import REVISION

FILES = Path(__file__).parent / "store_files"
KEY = ResultKey("data1", "energy", "mae", "split1")
CONFIG = {"depth": 17, "rate": 0.1 + 0.2, "norm": None, "name": "η"}
MEMBERS = [Division("data1", f"fold{i}", f"fold {i}", 80, 10, 10, f"rows{i}") for i in range(2)]


@pytest.fixture
def store(storage_url: str) -> Iterator[Store]:
    with Store.open(storage_url) as store:
        yield store


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/other.db") as store:
        yield store


def create(store: Store, name: str, key: ResultKey = KEY, **changes: Any) -> StudyRow:
    values: dict[str, Any] = {
        "seed": 2**40,
        "key": key,
        "unit": "eV/atom",
        "direction": "minimize",
        "division": Division(key.data, key.split, "random:seed=0", 81, 9, 10, "rows"),
        "features": "digest",
        "versions": {"torch": "2.13.0"},
    }
    return store.create_study(name, {"study": {"data": "mine"}}, **{**values, **changes})


def fill(store: Store, study: StudyRow) -> None:
    """A trial of each state, curves with NaN and infinity, configs that wait."""
    lease = store.acquire(study)
    store.enqueue(study, [CONFIG, {"depth": 3}], origin="by hand", parents=[None, 0])
    [first, _] = store.queued(study)
    for number, (state, raw) in enumerate(
        [
            (TrialState.COMPLETE, 0.1 + 0.2),
            (TrialState.PRUNED, math.inf),
            (TrialState.FAIL, math.nan),
            (TrialState.RUNNING, 5e-324),
        ]
    ):
        best = None if state is TrialState.FAIL else 0.25 + number
        spec = TrialSpec(number, "irnet", CONFIG, 2**32 - 1, (1, 2), parent=number or None)
        report = Report(0, 1, raw, best, best and 1, 2.5, 1000)
        fault = Fault.DIVERGED if state is TrialState.FAIL else None
        end = TrialResult(number, "irnet", CONFIG, 1, state, best, 1, 1, "epochs", fault=fault)
        store.begin_trial(lease, spec, "epochs", queued=None if number else first.id)
        ended = end if state.finished else None
        store.report(lease, number, report, Decision.CONTINUE, ended)


def told(store: Store, name: str) -> Any:
    """All there is to say about a study, but for its id and that it is driven."""
    study = store.study(name)
    return (
        replace(study, id=0, state=StudyState.STOPPED),
        store.trials(study),
        [(str(row.raw), replace(row, raw=0.0)) for row in store.reports(study)],
        [replace(one, id=0) for one in store.queued(study)],
        [row for row in store.ranking() if row.study == name],
        store.division(study.key.data, study.key.split),
        store.looks(study.key),
        store.looks_at(study),
    )


def test_a_study_comes_out_as_json_and_goes_in_as_it_was(store: Store, other: Store) -> None:
    create(store, "before")  # so that ids are others there
    fill(store, create(store, "first"))
    store.add_look(store.study("first"), 0, "split1", {"mae": 0.5, "r2": math.inf}, 10)
    plain = json.loads(json.dumps(store.portable("first"), allow_nan=False))
    assert other.receive([plain]) == ["first"]
    assert told(other, "first") == told(store, "first")
    assert other.study("first").state is StudyState.STOPPED
    assert not other.driven(other.study("first"))
    assert [row.number for row in other.ranking()] == [row.number for row in store.ranking()]
    lease = other.acquire(other.study("first"))
    report = Report(0, 2, 0.1, 0.1, 2, 3.0, 1000)
    assert other.report(lease, 3, report, Decision.CONTINUE) == 9  # sequence numbers go on


def test_a_repeated_division_comes_with_its_members(store: Store, other: Store) -> None:
    study = create(store, "repeated", members=MEMBERS)
    alone = create(store, "alone", replace(KEY, split="fold1"), division=MEMBERS[1])
    lease = store.acquire(study)
    spec = TrialSpec(0, "irnet", CONFIG, 1, (1,))
    store.begin_trial(lease, spec, "epochs", replace(KEY, split="fold0"))
    store.release(lease)
    other.receive([store.portable("alone")])
    assert other.portable("alone")["members"] == store.portable("alone")["members"]
    assert len(other.portable("alone")["members"]) == 2
    other.receive([store.portable("repeated")])
    assert other.portable("repeated")["study_keys"] != []
    assert told(other, "repeated") == told(store, "repeated")
    assert alone.key.split == "fold1"


def test_all_of_a_store_goes_elsewhere_with_looks_of_deleted_studies(
    store: Store, other: Store
) -> None:
    gone = create(store, "gone", replace(KEY, data="data2"))
    store.add_look(gone, 0, "split1", {"mae": 0.5}, 10)
    store.delete_study(store.acquire(gone))
    for name in ("first", "second"):
        fill(store, create(store, name))
        store.add_look(store.study(name), 0, "split1", {"mae": 0.5}, 10)
    assert store.send(other) == ["first", "second"]
    for name in ("first", "second"):
        assert told(other, name) == told(store, name)
    assert sorted(map(str, other.looks())) == sorted(map(str, store.looks()))


def test_nothing_is_sent_where_a_name_is_taken(store: Store, other: Store) -> None:
    for name in ("free", "first", "second"):
        create(store, name)
    for name in ("first", "second"):
        create(other, name)
    with pytest.raises(InputError) as caught:
        store.send(other)
    assert str(caught.value) == (
        "There are studies of these names already: 'first', 'second'.\nGive another database."
    )
    assert len(other.studies()) == 2


def test_looks_of_two_stores_become_one_record(store: Store, other: Store) -> None:
    store.add_look(create(store, "first"), 0, "split1", {"mae": 0.5}, 10)
    other.add_look(create(other, "theirs"), 3, "split1", {"mae": 0.7}, 10)
    plain = store.portable("first")
    other.receive([plain])
    other.delete_study(other.acquire(other.study("first")))
    other.receive([plain])  # a look is on record once
    assert [(look.sequence, look.study) for look in other.looks(KEY)] == [
        (1, "theirs"),
        (2, "first"),
    ]


def test_another_unit_is_refused_and_nothing_is_left(store: Store, other: Store) -> None:
    create(store, "first")
    create(store, "second", replace(KEY, data="data2"), unit="meV/atom")
    create(other, "theirs", replace(KEY, data="data2"))
    with pytest.raises(InputError, match="is in 'meV/atom' here, but 'eV/atom' in"):
        store.send(other)
    assert [one.study.name for one in other.studies()] == ["theirs"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    with Store.open(f"sqlite:///{tmp_path_factory.mktemp('whole')}/x.db") as store:
        fill(store, create(store, "first"))
        store.add_look(store.study("first"), 0, "split1", {"mae": 0.5}, 10)
        return store.portable("first")


@pytest.mark.parametrize(
    ("table", "column", "value", "said"),
    [
        ("trials", "value", "nought", "trials.value is \"'nought'\""),
        ("trials", "value", math.nan, "trials.value is 'nan'"),
        ("trials", "value", True, "trials.value is 'True'"),
        ("trials", "number", 2**31, "trials.number is"),
        ("trials", "number", 10**400, "trials.number is"),
        ("trials", "number", 1.0, "trials.number is"),
        ("trials", "state", "GOOD", "trials.state is"),
        ("trials", "state", None, "trials.state is 'None'"),
        ("trials", "family", "a\0b", "trials.family is"),
        ("trials", "family", "\ud800", "trials.family is"),
        ("trials", "family", ["x"], "trials.family is"),
        ("trials", "after_look", 1, "trials.after_look is '1'"),
        ("trials", "started_at", "2026-01-01T00:00:00", "trials.started_at is"),
        ("trials", "started_at", 5, "trials.started_at is '5'"),
        ("trials", "started_at", "9999-12-31T23:59:59-10:00", "trials.started_at is"),
        ("trials", "x); DROP TABLE", 1, "trials have no 'x); DROP TABLE'"),
        ("trials", "key_id", 99, "a row names 99, which is not there"),
        ("trials", "number", 1, "UNIQUE constraint failed"),
        ("trials", "resource", -1, "CHECK constraint failed"),
        ("reports", "trial_id", 99, "a row names 99, which is not there"),
        ("reports", "best", math.inf, "reports.best is 'inf'"),
        ("keys", "direction", "up", "CHECK constraint failed"),
        ("keys", "split", "none", "FOREIGN KEY constraint failed"),
        ("studies", "name", "a\x1bb", "one is called 'a\\x1bb'"),
    ],
)
def test_rows_that_are_no_study_are_refused(
    whole: Tables, other: Store, table: str, column: str, value: Any, said: str
) -> None:
    broken = copy.deepcopy(dict(whole))
    broken[table][0][column] = value
    with pytest.raises(InputError) as caught:
        other.receive([broken])
    assert caught.value.message.startswith(f"These are not the rows of a study: {said}")
    assert str(caught.value).count("\n") == 1
    assert other.studies() == []
    assert other.receive([whole]) == ["first"]


def test_what_an_older_schema_did_not_have_is_as_by_default(whole: Tables, other: Store) -> None:
    older = copy.deepcopy(dict(whole))
    for row in older["trials"]:
        del row["parent"], row["retries"]
    del older["queue"]
    other.receive([older])
    assert {trial.retries for trial in other.trials(other.study("first"))} == {0}


def test_a_backup_is_all_there_is_while_a_study_runs(
    store: Store, storage_url: str, tmp_path: Path
) -> None:
    fill(store, create(store, "first"))
    file = tmp_path / "kept.db"
    upkeep.backup(storage_url, file)
    assert [path.name for path in tmp_path.iterdir() if "kept" in path.name] == ["kept.db"]
    with Store.open(f"sqlite:///{file}") as kept:
        assert told(kept, "first") == told(store, "first")
    with pytest.raises(InputError) as caught:
        upkeep.backup(storage_url, file)
    assert str(caught.value) == (f"'{file}' exists already.\nChoose another --to, or remove it.")


def test_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There are no studies in '.*none\.db'"):
        upkeep.backup(f"sqlite:///{tmp_path}/none.db", tmp_path / "kept.db")
    (tmp_path / "text.db").write_text("formula,energy\n" * 99)
    with pytest.raises(InputError, match="cannot be opened: file is not a database"):
        upkeep.backup(f"sqlite:///{tmp_path}/text.db", tmp_path / "kept.db")
    assert not (tmp_path / "kept.db").exists()


def test_a_folder_that_cannot_be_written_is_said(
    store: Store, storage_url: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        upkeep.backup(storage_url, tmp_path / "file" / "kept.db")


def test_an_old_database_is_upgraded_after_a_backup(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    file.write_bytes((FILES / "revision_0001.db").read_bytes())
    url = f"sqlite:///{file}"
    before, now, kept = upkeep.bring_up(url)
    assert (before, now, kept) == ("0001", REVISION, tmp_path / "x.schema-0001.db")
    assert kept is not None
    assert upkeep.bring_up(url) == (REVISION, REVISION, None)
    assert upkeep.bring_up(f"sqlite:///{kept}")[0] == "0001"  # the backup is as it was
    with Store.open(url) as store:
        assert len(store.trials(store.study("kept"))) == 4


def test_a_backup_of_another_upgrade_is_not_replaced(tmp_path: Path) -> None:
    file, kept = tmp_path / "x.db", tmp_path / "x.schema-0001.db"
    for path in (file, kept):
        path.write_bytes((FILES / "revision_0001.db").read_bytes())
    with pytest.raises(InputError) as caught:
        upkeep.bring_up(f"sqlite:///{file}")
    assert str(caught.value) == (
        f"The backup before an upgrade is to be '{kept}', and there is one already.\n"
        f"Type: mv {kept} {kept}.old; then the command again."
    )


def test_a_newer_database_is_neither_upgraded_nor_copied(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    with Store.open(url) as store, store.write() as connection:
        connection.exec_driver_sql("UPDATE fesearch_version SET version_num = '9999'")
    with pytest.raises(InputError, match="was written by a newer fesearch"):
        upkeep.bring_up(url)
    assert [path.name for path in tmp_path.glob("*schema*")] == []


def test_a_database_is_not_copied_onto_itself(sqlite_url: str) -> None:
    Store.open(sqlite_url).close()
    with pytest.raises(InputError, match="The databases are the same"):
        copies.copy(sqlite_url, sqlite_url)
