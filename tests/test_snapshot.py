"""SQLite on a network file system: no write-ahead log, one host at a time, snapshots for others."""

import logging
import socket
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from fesearch.errors import InputError
from fesearch.record import ResultKey
from fesearch.store import filesystem, snapshot
from fesearch.store.filesystem import network
from fesearch.store.results import Store
from fesearch.store.schema import LEASES
from fesearch.store.snapshot import copy, elsewhere, snapshot_of
from fesearch.store.types import Division, StudyRow


def mounts(path: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    path.write_text("".join(f"{line} rw 0 0\n" for line in ("/dev/vda / ext4", *lines)))
    monkeypatch.setattr(filesystem, "MOUNTS", path)


@pytest.fixture
def nfs(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder that /proc/mounts says is on NFS."""
    table = tmp_path_factory.mktemp("proc") / "mounts"
    mounts(table, monkeypatch, f"server:/home {tmp_path} nfs4")
    return tmp_path


def create(store: Store, name: str = "first") -> StudyRow:
    return store.create_study(
        name,
        {},
        seed=1,
        key=ResultKey("data", "e", "mae", "split"),
        unit="eV/atom",
        direction="minimize",
        division=Division("data", "split", "random", 8, 1, 1),
        features="digest",
        versions={},
    )


def pragma(file: Path, name: str) -> object:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]


def on_host(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ((), None),
        (("server:/home {here} nfs",), "nfs"),
        (("mds:/fs {here} lustre",), "lustre"),
        (("me@host: {here} fuse.sshfs",), "fuse.sshfs"),
        (("server:/home {above} nfs4",), "nfs4"),
        (("server:/home {above} nfs4", "/dev/sdb {here} xfs"), None),  # a disk below it
        (("/dev/sdb {here} xfs", "server:/home {here} nfs4"), "nfs4"),  # mounted over it
        (("server:/home {here}x nfs",), None),  # of a folder whose name begins so
        (("broken",), None),
    ],
)
def test_the_nearest_mount_decides(
    lines: tuple[str, ...], found: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "my data"
    here.mkdir()
    names = {"here": str(here).replace(" ", r"\040"), "above": str(tmp_path)}
    mounts(tmp_path / "mounts", monkeypatch, *(line.format(**names) for line in lines))
    assert network(here / "not_yet.db") == found


def test_without_proc_nothing_is_on_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystem, "MOUNTS", tmp_path / "none")
    assert network(tmp_path) is None


def test_a_link_is_where_it_leads(nfs: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    link = tmp_path_factory.mktemp("local") / "studies.db"
    link.symlink_to(nfs / "studies.db")
    assert network(link) == "nfs4"


def test_there_the_journal_is_rolled_back_and_safe_in_a_power_cut(nfs: Path) -> None:
    with Store.open(f"sqlite:///{nfs}/x.db") as store, store.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    assert pragma(nfs / "x.db", "journal_mode") == "delete"


def test_a_database_that_was_brought_there_loses_its_log(
    nfs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{nfs}/x.db"
    with monkeypatch.context() as local:
        local.setattr(filesystem, "MOUNTS", nfs / "none")
        with Store.open(url) as store:
            create(store)
        assert pragma(nfs / "x.db", "journal_mode") == "wal"
    with Store.open(url) as store:
        assert store.study("first")
    assert pragma(nfs / "x.db", "journal_mode") == "delete"


def test_another_host_reads_the_snapshot_and_is_told_its_age(
    nfs: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"sqlite:///{nfs}/x.db"
    with Store.open(url) as store:
        lease = store.acquire(create(store))
        store.publish()
        create(store, "later")
        with Store.look(url) as here:
            assert len(here.studies()) == 2
        with monkeypatch.context() as there, caplog.at_level(logging.WARNING):
            on_host(there, "node2")
            with Store.look(url) as seen:
                assert [one.study.name for one in seen.studies()] == ["first"]
                assert seen.driven(seen.study("first"))
                with pytest.raises(Exception, match="readonly"):
                    create(seen, "never")
        [said] = caplog.messages
        assert said.startswith("As of ")
        assert said.endswith(
            f" s ago, from x.snapshot.db: {socket.gethostname()} has the database."
        )
        store.release(lease)
        store.publish()
    with monkeypatch.context() as there:
        on_host(there, "node2")
        with Store.look(url) as seen:
            assert len(seen.studies()) == 2  # nobody has it: the database itself


def test_another_host_cannot_write_to_a_database_in_use(
    nfs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, driver = f"sqlite:///{nfs}/x.db", socket.gethostname()
    with Store.open(url) as store:
        lease = store.acquire(create(store))
        store.publish()
        on_host(monkeypatch, "node2")
        with pytest.raises(InputError) as caught:
            Store.open(url)
        assert str(caught.value) == (
            f"The database '{nfs}/x.db' is on a network file system, and {driver} has it.\n"
            f"Type the command on {driver}, or here once it has been gone for 3m; several hosts at "
            "once need PostgreSQL."
        )
        with store.write() as connection:  # the driver was killed minutes ago
            long_ago = datetime.now(UTC) - timedelta(minutes=4)
            connection.execute(sa.update(LEASES).values(heartbeat_at=long_ago))
        store.publish()
        assert elsewhere(nfs / "x.db") is None
        Store.open(url).close()
        store.release(lease)


def test_a_snapshot_is_published_each_minute_and_on_request(
    nfs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(snapshot.time, "monotonic", lambda: now[0])
    file = snapshot_of(nfs / "x.db")
    with Store.open(f"sqlite:///{nfs}/x.db") as store:
        store.publish(due=True)
        first = file.stat().st_ino
        now[0] += 59
        store.publish(due=True)
        assert file.stat().st_ino == first
        now[0] += 1
        store.publish(due=True)
        second = file.stat().st_ino
        store.publish()
        assert len({first, second, file.stat().st_ino}) > 1
    assert sorted(path.name for path in nfs.iterdir()) == ["x.db", "x.snapshot.db"]


def test_a_snapshot_that_cannot_be_written_is_a_warning(
    nfs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    snapshot_of(nfs / "x.db").mkdir()
    with Store.open(f"sqlite:///{nfs}/x.db") as store:
        store.publish()
    assert "x.db' cannot be written: " in caplog.text
    assert sorted(path.name for path in nfs.iterdir()) == ["x.db", "x.snapshot.db"]


def test_a_disk_of_this_host_has_no_snapshot(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/x.db") as store:
        store.publish()
    assert not snapshot_of(tmp_path / "x.db").exists()


def test_a_copy_is_what_was_committed_while_others_write(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/x.db") as store:
        create(store)
        with store.write() as connection:
            connection.exec_driver_sql("UPDATE fesearch_studies SET name = 'other'")
            copy(tmp_path / "x.db", tmp_path / "copied" / "y.db")
    with Store.open(f"sqlite:///{tmp_path}/copied/y.db") as copied:
        assert copied.study("first")
    copy(tmp_path / "x.db", tmp_path / "z.db")
    assert pragma(tmp_path / "z.db", "journal_mode") == "delete"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
