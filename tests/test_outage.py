"""A database that goes away and comes back, and writes whose answers were lost."""

import inspect
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import sqlalchemy as sa
from servers import restart

from fesearch.errors import FesearchError, InputError
from fesearch.record import Decision, Fault, Report, ResultKey, TrialResult, TrialSpec, TrialState
from fesearch.store import database, engine, outage
from fesearch.store.outage import LostError, Outage, endures
from fesearch.store.results import Store
from fesearch.store.types import Division, StudyRow

SPEC = TrialSpec(0, "irnet", {"depth": 17}, 7, (1, 2))
FIRST = Report(0, 1, 0.5, 0.5, 1, 0.1, 9)
END = TrialResult(0, "irnet", {"depth": 17}, 7, TrialState.COMPLETE, 0.5, 1, 1, "epochs")
FAILED = replace(END, state=TrialState.FAIL, fault=Fault.MACHINE, reason="lost")


@pytest.fixture
def store(storage_url: str) -> Iterator[Store]:
    with Store.open(storage_url) as store:
        yield store


def create(store: Store) -> StudyRow:
    return store.create_study(
        "first",
        {},
        seed=1,
        key=ResultKey("data", "e", "mae", "split"),
        unit="eV/atom",
        direction="minimize",
        division=Division("data", "split", "random", 8, 1, 1),
        features="digest",
        versions={},
    )


class Fragile:
    """Something whose database is lost so many times."""

    def __init__(self, outage: Outage, times: int) -> None:
        self.outage, self.times = outage, times
        self.heard: list[bool] = []

    @endures
    def ask(self, number: int) -> int:
        """Answer, once it is there."""
        if self.times:
            self.times -= 1
            raise LostError("It is gone.", "Wait.")
        return number

    @endures
    def write(self, number: int, *, again: bool = False) -> int:
        """Note whether this is another attempt."""
        self.heard.append(again)
        return self.ask.__wrapped__(self, number)  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time; waiting makes it go on."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(outage.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(outage.time, "sleep", sleep)
    return now


def test_a_search_waits_and_says_so_once(clock: list[float]) -> None:
    said: list[str] = []
    fragile = Fragile(Outage(600.0, said.append), 100)
    assert fragile.ask(3) == 3
    assert said == [
        "It is gone. Waiting for it, up to 10 min.",
        "The database is back after 100 s; going on.",
    ]
    assert fragile.ask(4) == 4
    assert len(said) == 2


def test_patience_has_an_end(clock: list[float]) -> None:
    fragile = Fragile(Outage(600.0), 10_000)
    with pytest.raises(LostError):
        fragile.ask(3)
    assert 600 < clock[0] < 602
    with pytest.raises(LostError):
        fragile.ask(3)
    assert clock[0] < 602  # it is not waited for a second time


def test_a_command_does_not_wait(clock: list[float]) -> None:
    with pytest.raises(LostError):
        Fragile(Outage(), 1).ask(3)
    assert clock[0] == 0.0


def test_who_is_asked_to_stop_waits_no_longer(clock: list[float]) -> None:
    fragile = Fragile(Outage(600.0, hurried=lambda: clock[0] >= 5), 100)
    with pytest.raises(LostError):
        fragile.ask(3)
    assert clock[0] == 5.0


def test_another_attempt_is_told_that_it_is_one(clock: list[float]) -> None:
    fragile = Fragile(Outage(600.0), 2)
    assert fragile.write(3) == 3
    assert fragile.write(4) == 4
    assert fragile.heard == [False, True, True, False]


DRIVERS = (
    "begin_trial", "report", "retry_trial", "finish_trial", "queued", "trials", "reports", "study",
    "beat", "release", "stop_requested", "set_state", "complete",
)  # fmt: skip


@pytest.mark.parametrize("method", DRIVERS)
def test_all_that_a_driver_asks_of_the_store_waits(
    method: str, sqlite_url: str, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(sqlite_url) as store:
        store.endure(lambda line: None, lambda: clock[0] >= 3)

        def lost() -> None:
            raise LostError("It is gone.", "Wait.")

        for kind in ("read", "write"):
            monkeypatch.setattr(store, kind, lost)
        parameters = inspect.signature(getattr(store, method)).parameters.values()
        needed = [one for one in parameters if one.default is inspect.Parameter.empty]
        with pytest.raises(LostError):
            getattr(store, method)(*(_some(one.name) for one in needed))
    assert clock[0] == 3


def _some(name: str) -> Any:
    """An argument that a method takes as far as its first transaction."""
    given = {"spec": SPEC, "report": FIRST, "result": END, "reason": "lost", "name": "first"}
    return given.get(name, Mock())


def test_a_begin_whose_answer_was_lost_is_there_once(store: Store) -> None:
    study = create(store)
    lease = store.acquire(study)
    store.enqueue(study, [SPEC.config], origin="by hand")
    [waiting] = store.queued(study)
    store.begin_trial(lease, SPEC, "epochs", queued=waiting.id)
    store.begin_trial(lease, SPEC, "epochs", queued=waiting.id, again=True)
    assert len(store.trials(study)) == 1
    store.begin_trial(lease, replace(SPEC, number=1), "epochs", again=True)  # it was not kept
    assert len(store.trials(study)) == 2
    with pytest.raises(FesearchError, match="the number is taken"):
        store.begin_trial(lease, replace(SPEC, seed=8), "epochs", again=True)


@pytest.mark.parametrize("end", [None, END])
def test_a_report_whose_answer_was_lost_is_there_once(store: Store, end: Any) -> None:
    study = create(store)
    lease = store.acquire(study)
    store.begin_trial(lease, SPEC, "epochs")
    first = store.report(lease, 0, FIRST, Decision.STOP, end)
    assert store.report(lease, 0, FIRST, Decision.STOP, end, again=True) == first
    assert [row.sequence for row in store.reports(study)] == [first]
    if end is None:  # a report that was not kept is written
        second = replace(FIRST, resource=2)
        assert store.report(lease, 0, second, Decision.STOP, again=True) == first + 1


def test_an_end_whose_answer_was_lost_is_there_once(store: Store) -> None:
    study = create(store)
    lease = store.acquire(study)
    store.begin_trial(lease, SPEC, "epochs")
    store.finish_trial(lease, FAILED, again=True)  # it was not kept
    store.finish_trial(lease, FAILED, again=True)
    with pytest.raises(FesearchError, match="is not running"):
        store.finish_trial(lease, replace(FAILED, state=TrialState.PRUNED, fault=None), again=True)


def test_postgresql_is_restarted_under_a_driver(
    postgresql_server: Any, postgresql_url: str
) -> None:
    said: list[str] = []
    with Store.open(postgresql_url) as store:
        study = create(store)
        lease = store.acquire(study)
        store.endure(said.append, lambda: False)
        over = threading.Event()
        failures: list[BaseException] = []

        def beat() -> None:
            try:
                while not over.wait(0.05):
                    store.beat(lease)
            except Exception as error:  # noqa: BLE001  asserted to be none
                failures.append(error)

        heart = threading.Thread(target=beat)
        heart.start()
        restarting = threading.Thread(target=restart, args=(postgresql_server,))
        for number in range(60):
            store.begin_trial(lease, replace(SPEC, number=number), "epochs")
            store.report(lease, number, FIRST, Decision.STOP, replace(END, number=number))
            if number == 20:
                restarting.start()
            if number > 20 and restarting.is_alive():
                time.sleep(0.05)
        restarting.join()
        store.beat(lease)
        over.set()
        heart.join()
        assert failures == []
        assert [trial.number for trial in store.trials(study)] == list(range(60))
        assert [row.sequence for row in store.reports(study)] == list(
            range(2, 122, 2)
        )  # beginnings count
        assert store.driven(study)
        store.release(lease)
    assert said[0].startswith("The database failed: ")
    assert said[0].endswith(". Waiting for it, up to 10 min.")
    assert "The database is back after " in said[-1]


def test_a_file_that_another_program_has_locked_is_said(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (engine, database):
        monkeypatch.setattr(module, "WAIT_SECONDS", 0.1)
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    with Store.open(sqlite_url) as store:
        study = create(store)
        store.endure(pytest.fail, lambda: False)
        lease = store.acquire(study)
        other = sa.create_engine(sqlite_url)
        with other.connect() as connection:
            connection.exec_driver_sql("BEGIN EXCLUSIVE")
            with pytest.raises(FesearchError) as caught:
                store.begin_trial(lease, SPEC, "epochs")
            assert str(caught.value) == (
                f"Another program has locked the database '{file}' for 0.1 s.\n"
                f"End it (fuser '{file}' says which it is), then type the command again, or: "
                "fesearch study resume"
            )
            connection.rollback()
        other.dispose()
        store.begin_trial(lease, SPEC, "epochs")  # it goes on


def test_a_postgresql_that_takes_no_writes_for_now_is_lost(postgresql_url: str) -> None:
    """As a standby is at whose address the primary was."""
    with Store.open(postgresql_url) as store:
        study = create(store)
    sign = "&" if "?" in postgresql_url else "?"
    standby = f"{postgresql_url}{sign}options=-cdefault_transaction_read_only%3Don"
    with Store.open(standby) as store, pytest.raises(LostError) as caught:
        store.acquire(study)
    assert caught.value.message == (
        "The database failed: cannot execute SELECT FOR UPDATE in a read-only transaction."
    )


def test_opening_a_locked_file_says_so(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (engine, database):
        monkeypatch.setattr(module, "WAIT_SECONDS", 0.1)
    other = sa.create_engine(sqlite_url)
    with other.connect() as connection:
        connection.exec_driver_sql("BEGIN EXCLUSIVE")
        with pytest.raises(FesearchError, match="Another program has locked the database"):
            Store.open(sqlite_url)
        connection.rollback()
    other.dispose()


def test_a_server_that_never_was_there_is_not_waited_for() -> None:
    pytest.importorskip("psycopg", reason="Type: pip install 'fesearch[postgresql]'")
    began = time.monotonic()
    with pytest.raises(InputError, match="cannot be opened"):
        Store.open("postgresql://me@127.0.0.1:1/d")
    assert time.monotonic() - began < 20
