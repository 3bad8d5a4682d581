"""What every store promises of trials and their reports, over SQLite and PostgreSQL."""

import itertools
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from stored import CONFIG, KEY, create, driving, ended, said, spec, still_running

from fesearch.errors import FesearchError, InputError
from fesearch.record import Decision, Fault, TrialResult, TrialState
from fesearch.store import trials
from fesearch.store.results import Store
from fesearch.store.schema import KEYS, REPORTS, STUDIES, STUDY_KEYS, TRIALS
from fesearch.store.types import Division

ROW = {  # a whole RUNNING trial, for the tests that break one column of it
    "study_id": 1,
    "number": 0,
    "key_id": 1,
    "family": "irnet",
    "config": {},
    "seed": 1,
    "unit": "epochs",
    "threads": 1,
    "device": "cpu",
    "state": TrialState.RUNNING,
    "resource": 0,
    "seconds": 0.0,
    "reason": "",
    "after_look": False,
    "started_at": datetime(2026, 1, 1, tzinfo=UTC),
}

ENDED = {"finished_at": datetime(2026, 1, 2, tzinfo=UTC)}


def test_a_trial_is_followed_from_its_begin_to_its_end(store: Store) -> None:
    study = create(store)
    lease = store.acquire(study)
    store.begin_trial(lease, spec(), "epochs")
    (running,) = still_running(store, study)
    assert running == TrialResult(0, "irnet", CONFIG, 2**32 - 1, TrialState.RUNNING, unit="epochs")
    assert list(running.config) == list(CONFIG)
    store.report(lease, 0, said(1, best=None, raw=math.nan), Decision.CONTINUE)
    store.report(lease, 0, said(2, best=0.25), Decision.CONTINUE)
    halfway = store.trial(study, 0)
    assert (halfway.value, halfway.resource, halfway.best_resource) == (0.25, 2, 2)
    assert (halfway.seconds, halfway.parameters) == (3.0, 1000)
    end = ended(state=TrialState.PRUNED, value=0.25, reason="rung 3: 0.25 is above 0.2")
    store.report(lease, 0, said(3, best=0.25), Decision.STOP, end)
    assert store.trials(study) == [end]
    assert still_running(store, study) == []


def test_a_latency_stays_until_another_is_measured(store: Store) -> None:
    with driving(store, create(store)) as lease:
        store.begin_trial(lease, spec(), "epochs")
        found = []
        for resource, latency in ((1, 2e-6), (2, None), (3, 1e-6)):
            report = replace(said(resource), latency=latency)
            store.report(lease, 0, report, Decision.CONTINUE)
            found.append(store.trial(lease.study, 0).latency)
        assert found == [2e-6, 2e-6, 1e-6]
        store.finish_trial(lease, ended(latency=1e-6))
        assert store.trials(lease.study) == [ended(latency=1e-6)]


def test_a_fault_ends_a_trial_without_a_report(store: Store) -> None:
    study = create(store)
    lease = store.acquire(study)
    store.begin_trial(lease, spec(), "epochs")
    failed = ended(
        state=TrialState.FAIL,
        value=None,
        best_resource=None,
        fault=Fault.DIVERGED,
        reason="a\0\udcff",
    )
    store.finish_trial(lease, failed)
    assert store.trial(study, 0) == replace(failed, reason="a??")
    with pytest.raises(FesearchError, match="Trial 0 of 'first' is not running"):
        store.finish_trial(lease, failed)


def test_a_retry_is_counted_and_says_why_while_the_trial_is_running(store: Store) -> None:
    study = create(store)
    lease = store.acquire(study)
    store.begin_trial(lease, spec(), "epochs")
    store.report(lease, 0, said(1), Decision.CONTINUE)
    for times in (1, 2):
        store.retry_trial(lease, 0, times, f"a lost worker ({times} of 2)\0")
        (running,) = still_running(store, study)
        assert (running.retries, running.reason) == (times, f"a lost worker ({times} of 2)?")
        assert (running.value, running.resource) == (0.5, 1)
    store.finish_trial(lease, ended())
    assert (store.trial(study, 0).retries, store.trial(study, 0).reason) == (2, ended().reason)
    with pytest.raises(FesearchError, match="Trial 0 of 'first' is not running"):
        store.retry_trial(lease, 0, 3, "again")


@pytest.mark.parametrize("number", [4, -1, 2**31, 2**63, 10**30])
def test_an_unknown_trial_is_refused(store: Store, number: int) -> None:
    with pytest.raises(InputError) as caught:
        store.trial(create(store), number)
    assert str(caught.value) == (
        f"The study 'first' has no trial {number}.\nType: fesearch trials first"
    )


@pytest.mark.parametrize(
    "raw", [math.nan, math.inf, -math.inf, -0.1, 5e-324, 1.7976931348623157e308]
)
def test_every_float_survives(store: Store, raw: float) -> None:
    study = create(store)
    lease = store.acquire(study)
    store.begin_trial(lease, spec(), "epochs")
    store.report(lease, 0, said(1, raw=raw), Decision.CONTINUE)
    (report,) = store.reports(study)
    assert repr(report.raw) == repr(raw)
    assert report.best == 0.5


def test_what_came_before_the_last_beginning_is_known_by_order_and_not_by_clocks(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Backwards(datetime):
        """A clock that is set back all the time."""

        ticks = itertools.count()

        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(2026, 1, 1, tzinfo=tz) - timedelta(hours=next(cls.ticks))

    study = create(store)
    lease = store.acquire(study)
    assert store.last_begun(study) == (0, frozenset())
    monkeypatch.setattr(trials, "datetime", Backwards)
    for number in range(3):
        store.begin_trial(lease, spec(number), "epochs")
    store.report(lease, 1, said(1), Decision.CONTINUE)
    failed = replace(ended(), number=0, state=TrialState.FAIL, fault=Fault.MACHINE, value=None)
    store.finish_trial(lease, failed)
    store.begin_trial(lease, spec(3), "epochs")
    assert store.last_begun(study) == (1, {0})
    store.report(lease, 3, said(1), Decision.CONTINUE)
    store.report(lease, 2, said(1), Decision.STOP, replace(ended(), number=2))
    store.finish_trial(lease, replace(failed, number=1))
    assert store.last_begun(study) == (1, {0})


def test_sequence_numbers_rise_in_each_study(store: Store) -> None:
    study, other = create(store), create(store, "other")
    lease, another = store.acquire(study), store.acquire(other)
    for number in (0, 1):
        store.begin_trial(lease, spec(number), "epochs")
    store.begin_trial(another, spec(), "epochs")
    first = [store.report(lease, number, said(1), Decision.CONTINUE) for number in (0, 1)]
    assert store.report(another, 0, said(1), Decision.CONTINUE) == 2
    again = store.report(lease, 1, said(2), Decision.STOP)
    assert first == [3, 4]  # the two beginnings are the first events
    assert again == 5
    assert [(row.sequence, row.number) for row in store.reports(study)] == [(3, 0), (4, 1), (5, 1)]
    assert [row.decision for row in store.reports(study, 1)] == [Decision.CONTINUE, Decision.STOP]


def test_a_report_twice_changes_nothing(store: Store) -> None:
    study = create(store)
    lease = store.acquire(study)
    store.begin_trial(lease, spec(), "epochs")
    store.report(lease, 0, said(1), Decision.CONTINUE)
    with pytest.raises(FesearchError, match="report of trial 0 of 'first' at 1: there is one"):
        store.report(lease, 0, said(1, best=0.1), Decision.STOP, ended(value=0.1))
    assert store.trial(study, 0).value == 0.5
    assert still_running(store, study) != []
    assert store.report(lease, 0, said(2), Decision.CONTINUE) == 3  # one beginning, two reports


def test_a_number_twice_and_a_strange_key_are_refused(store: Store) -> None:
    study = create(store)
    lease = store.acquire(study)
    create(store, "other", replace(KEY, split="split2"))
    store.begin_trial(lease, spec(), "epochs")
    for number, split in ((0, "split1"), (1, "split2"), (1, "split3")):
        with pytest.raises(FesearchError, match=f"refused trial {number} of 'first'"):
            store.begin_trial(lease, spec(number), "epochs", replace(KEY, split=split))
    assert len(store.trials(study)) == 1


def test_a_repeated_division_takes_results_of_its_members(store: Store) -> None:
    members = [Division("data1", f"fold{i}", f"fold {i}", 80, 10, 10) for i in range(2)]
    create(store, "alone", replace(KEY, split="fold1"), division=members[1])
    study = create(store, "repeated", members=members)
    lease = store.acquire(study)
    for number, split in enumerate(("split1", "fold0", "fold1")):
        store.begin_trial(lease, spec(number), "epochs", replace(KEY, split=split))
        store.finish_trial(lease, ended(number))
    assert {row.key.split for row in store.ranking()} == {"split1", "fold0", "fold1"}
    assert [row.study for row in store.ranking(split="fold1")] == ["repeated"]


@pytest.mark.parametrize(
    "broken",
    [
        {"key_id": None},
        {"key_id": 2},  # of another study
        {"key_id": 99},  # of none
        {"study_id": 99},
        {"state": TrialState.COMPLETE, **ENDED},  # without a value
        {"state": TrialState.COMPLETE, "value": 0.5},  # without a time
        {"state": TrialState.COMPLETE, "value": math.inf, **ENDED},
        {"state": TrialState.COMPLETE, "value": math.nan, **ENDED},
        {"state": TrialState.FAIL, **ENDED},  # without a fault
        {"fault": Fault.MACHINE},  # while running
        {"resource": -1},
        {"config": sa.null()},
    ],
    ids=lambda broken: next(iter(broken)),
)
def test_the_database_refuses_a_result_that_is_not_whole(store: Store, broken: Any) -> None:
    create(store)
    create(store, "other", replace(KEY, split="split2"))
    with pytest.raises(sa.exc.IntegrityError), store.write() as connection:
        connection.execute(sa.insert(TRIALS).values({**ROW, **broken}))
    with store.write() as connection:
        connection.execute(sa.insert(TRIALS).values(ROW))


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        (TRIALS, "state", "WAITING"),
        (TRIALS, "fault", "bad luck"),
        (STUDIES, "state", "PAUSED"),
        (KEYS, "direction", "up"),
        (KEYS, "split", "no such division"),
        (REPORTS, "decision", "MAYBE"),
        (REPORTS, "raw_kind", "odd"),
        (REPORTS, "raw_kind", "nan"),  # while raw is a number
        (REPORTS, "best", math.inf),
        (STUDY_KEYS, "key_id", 99),
    ],
    ids=str,
)
def test_the_database_refuses_words_it_does_not_know(
    store: Store, table: sa.Table, column: str, value: Any
) -> None:
    study = create(store)
    lease = store.acquire(study)
    store.begin_trial(lease, spec(), "epochs")
    store.report(lease, 0, said(1), Decision.CONTINUE)
    change = sa.table(table.name, sa.column(column)).update().values({column: value})
    with pytest.raises(sa.exc.IntegrityError), store.write() as connection:
        connection.execute(change)


def test_times_are_instants_in_utc(store: Store) -> None:
    create(store)
    noon = datetime(2026, 7, 1, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    with store.write() as connection:
        connection.execute(sa.update(STUDIES).values(created_at=noon))
    found = store.study("first").created_at
    assert found == noon
    assert found.utcoffset() == timedelta(0)
    with (
        pytest.raises(sa.exc.StatementError, match="has no time zone"),
        store.write() as connection,
    ):
        connection.execute(sa.update(STUDIES).values(created_at=noon.replace(tzinfo=None)))


def test_a_trial_that_is_refused_leaves_its_config_waiting(store: Store) -> None:
    study = create(store)
    store.enqueue(study, [CONFIG], origin="by hand")
    [waiting] = store.queued(study)
    with driving(store, study) as lease:
        store.begin_trial(lease, spec(0), "epochs")
        with pytest.raises(FesearchError, match="the number is taken"):
            store.begin_trial(lease, spec(0), "epochs", queued=waiting.id)
    assert store.queued(study) == [waiting]
