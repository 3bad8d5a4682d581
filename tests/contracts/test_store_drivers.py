"""What every store promises to the driver of a study, over SQLite and PostgreSQL."""

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from stored import create, ended, said, spec, still_running

from fesearch.errors import FesearchError, InputError, OustedError
from fesearch.record import Decision, TrialState
from fesearch.store import process
from fesearch.store.results import Store
from fesearch.store.schema import LEASES
from fesearch.store.types import Amendment, StudyState


def test_a_study_has_one_driver(store: Store, storage_url: str) -> None:
    study = create(store)
    lease = store.acquire(study)
    with Store.open(storage_url) as other, pytest.raises(InputError) as caught:
        other.acquire(study)
    driver = f"process {os.getpid()} on {socket.gethostname()}"
    assert caught.value.message.startswith(f"The study 'first' is being driven by {driver} since ")
    assert caught.value.hint == "Wait for it, or type: fesearch study stop first"
    assert store.driven(study)
    store.release(lease)
    assert not store.driven(study)
    store.release(store.acquire(study))


def test_a_driver_halted_in_a_transaction_is_still_named(store: Store, storage_url: str) -> None:
    study = create(store)
    store.refuse_driven(study)
    store.acquire(study)
    with store.write() as connection, Store.open(storage_url) as other:
        connection.execute(sa.update(LEASES).values(token="halted"))
        with pytest.raises(InputError, match="is being driven by"):
            other.refuse_driven(study)


def _rewrite(store: Store, **values: Any) -> None:
    with store.write() as connection:
        connection.execute(sa.update(LEASES).values(values))


def test_the_lease_of_a_dead_process_is_taken_over(store: Store) -> None:
    study = create(store)
    lease = store.acquire(study)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    _rewrite(store, pid=dead.pid)
    store.acquire(study)
    with pytest.raises(FesearchError, match="Another process has taken over this study"):
        store.beat(lease)
    store.release(lease)  # not its own any more
    assert store.driven(study)


def test_a_driver_that_was_taken_over_writes_nothing(store: Store) -> None:
    study = create(store)
    halted = store.acquire(study)
    store.begin_trial(halted, spec(), "epochs")
    store.report(halted, 0, said(1), Decision.CONTINUE)
    _rewrite(store, host="elsewhere", heartbeat_at=datetime.now(UTC) - timedelta(seconds=65))
    driver = store.acquire(study)
    before = store.study("first"), store.trials(study), store.reports(study)
    for write in (
        lambda: store.begin_trial(halted, spec(1), "epochs"),
        lambda: store.report(halted, 0, said(2), Decision.STOP, ended()),
        lambda: store.finish_trial(halted, ended()),
        lambda: store.retry_trial(halted, 0, 1, "a lost worker"),
        lambda: store.beat(halted),
    ):
        with pytest.raises(FesearchError) as caught:
            write()
        assert isinstance(caught.value, OustedError)
        assert str(caught.value) == (
            "Another process has taken over this study: "
            f"process {os.getpid()} on {socket.gethostname()}.\n"
            "Leave the study to it; see: fesearch study list"
        )
    store.set_state(halted, StudyState.FAILED)
    assert (store.study("first"), store.trials(study), store.reports(study)) == before
    store.report(driver, 0, said(2), Decision.CONTINUE)


def test_two_threads_of_a_driver_never_wait_for_each_other(store: Store) -> None:
    """The heartbeat and the reports lock the same rows, in the same order."""
    study = create(store)
    lease = store.acquire(study)
    store.begin_trial(lease, spec(), "epochs")
    with ThreadPoolExecutor(2) as threads:
        beats = threads.submit(lambda: [store.beat(lease) for _ in range(60)])
        for resource in range(1, 61):
            store.report(lease, 0, said(resource), Decision.CONTINUE)
        beats.result(timeout=60)
    assert len(store.reports(study)) == 60


@pytest.mark.skipif(process.born() is None, reason="this system has no /proc")
def test_a_later_process_of_the_same_pid_is_not_the_driver(store: Store) -> None:
    study = create(store)
    store.acquire(study)
    _rewrite(store, born=f"{(process.born() or '').split()[0]} 1")
    assert not store.driven(study)
    store.acquire(study)


@pytest.mark.parametrize("born", [None, "12345", "another-boot:4026531836 12345"])
def test_a_process_of_another_namesake_host_holds_while_its_heart_beats(
    born: str | None, store: Store
) -> None:
    """Its number may be nobody's here, or somebody else's."""
    study = create(store)
    store.acquire(study)
    _rewrite(store, born=born, pid=2**22)
    assert store.driven(study)
    with pytest.raises(InputError) as caught:
        store.acquire(study)
    assert "study resume first --take-over" in (caught.value.hint or "")
    _rewrite(store, heartbeat_at=datetime.now(UTC) - timedelta(seconds=65))
    assert not store.driven(study)


def test_a_lease_elsewhere_holds_while_its_heart_beats(store: Store) -> None:
    study = create(store)
    lease = store.acquire(study)
    _rewrite(store, host="elsewhere", pid=2**22)
    with pytest.raises(InputError, match=f"process {2**22} on elsewhere since"):
        store.acquire(study)
    _rewrite(store, heartbeat_at=datetime.now(UTC) - timedelta(seconds=58))
    assert store.driven(study)
    _rewrite(store, heartbeat_at=datetime.now(UTC) - timedelta(seconds=65))
    store.beat(lease)  # a driver that was only slow goes on
    assert store.driven(study)
    _rewrite(store, heartbeat_at=datetime.now(UTC) - timedelta(seconds=65))
    store.acquire(study)


def test_time_counts_while_drivers_work_and_not_while_their_machine_sleeps(store: Store) -> None:
    """A lid that is closed over night stops the clock of a process, not that of a database."""
    study = create(store)
    lease = store.acquire(study)
    lease = replace(lease, began=lease.began - 20)
    store.beat(lease)
    _rewrite(store, heartbeat_at=datetime.now(UTC) - timedelta(hours=8))
    store.beat(lease)
    assert 20 <= store.study("first").seconds < 40
    store.release(lease)
    second = store.acquire(study)
    store.beat(replace(second, began=second.began - 50))
    assert 70 <= store.study("first").seconds < 110


def test_requests_to_stop_end_with_the_driver_they_were_for(store: Store) -> None:
    study, other = create(store), create(store, "other")
    lease = store.acquire(study)
    assert not store.stop_requested(study)
    store.request_stop(study)
    assert store.stop_requested(study)
    assert not store.stop_requested(other)
    assert store.release(lease)
    assert not store.stop_requested(study)
    store.request_stop(study)
    lease = store.acquire(study)
    assert not store.stop_requested(study)
    assert not store.release(lease)


DRIVER = """
import sys
from fesearch.record import *
from fesearch.store.results import Store

with Store.open(sys.argv[1]) as store:
    study = store.study("first")
    lease = store.acquire(study)
    for number in range(len(store.trials(study)), 10**6):
        store.begin_trial(lease, TrialSpec(number, "irnet", {}, 1, (1, 2, 3)), "epochs")
        print(number, flush=True)
        for resource in (1, 2, 3):
            report = Report(0, resource, 0.5, 0.5, resource, 1.0, 10)
            last = resource == 3
            end = TrialResult(number, "irnet", {}, 1, TrialState.COMPLETE, 0.5, 3, 3, "epochs")
            decision = Decision.STOP if last else Decision.CONTINUE
            store.report(lease, number, report, decision, end if last else None)
"""


def test_a_killed_driver_leaves_whole_trials(store: Store, storage_url: str) -> None:
    study = create(store)
    for pause in (0.0, 0.013, 0.031):
        driver = subprocess.Popen(
            [sys.executable, "-c", DRIVER, storage_url], stdout=subprocess.PIPE, text=True
        )
        assert driver.stdout is not None
        while not driver.stdout.readline().strip().endswith("5"):
            assert driver.poll() is None
        time.sleep(pause)
        driver.send_signal(signal.SIGKILL)
        driver.communicate()
    trials, reports = store.trials(study), store.reports(study)
    assert len(still_running(store, study)) <= 3
    for trial in trials:
        own = [row for row in reports if row.number == trial.number]
        assert [row.resource for row in own] == list(range(1, trial.resource + 1))
        stopped = [row.decision is Decision.STOP for row in own]
        assert stopped == [row.resource == 3 for row in own]
        assert (trial.state is TrialState.COMPLETE) == (len(own) == 3)
    sequences = [row.sequence for row in reports]
    assert sequences == sorted(set(sequences))


def test_a_lost_database_is_two_lines(store: Store) -> None:
    def lose() -> None:
        with store.read():
            raise sa.exc.OperationalError("SELECT", {}, Exception("disk I/O error.\nmore"))

    with pytest.raises(FesearchError) as caught:
        lose()
    assert str(caught.value) == (
        "The database failed: disk I/O error.\n"
        "What was finished before is kept; once it works again, type: fesearch study resume"
    )


def test_a_driver_does_not_conclude_past_a_change(store: Store) -> None:
    study = create(store)
    lease = store.acquire(study)
    store.amend(study, lambda row, results: Amendment({"trials": 9}))
    assert not store.complete(lease, study)
    assert store.study("first").state is StudyState.RUNNING
    assert store.complete(lease, store.study("first"))
    store.acquire(study, force=True)
    with pytest.raises(OustedError):
        store.complete(lease, store.study("first"))


def test_a_lease_is_taken_from_a_driver_that_lives(store: Store) -> None:
    study = create(store)
    ousted = store.acquire(study)
    store.begin_trial(ousted, spec(0), "epochs")
    taken = store.acquire(study, force=True)
    with pytest.raises(OustedError):
        store.report(ousted, 0, said(1), Decision.CONTINUE)
    with pytest.raises(OustedError):
        store.delete_study(ousted)
    store.report(taken, 0, said(1), Decision.CONTINUE)


def test_a_lease_of_another_host_can_be_taken_over_and_the_refusal_says_how(store: Store) -> None:
    study = create(store)
    store.acquire(study)
    _rewrite(store, host="elsewhere")
    with pytest.raises(InputError) as caught:
        store.refuse_driven(study)
    assert caught.value.hint == (
        "Wait for it, or type: fesearch study stop first; "
        "if elsewhere is gone: fesearch study resume first --take-over"
    )
    store.acquire(study, force=True)
