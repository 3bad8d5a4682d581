"""What every store promises, over SQLite and PostgreSQL."""

import itertools
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from fesearch.errors import FesearchError, InputError, OustedError, StudyNotFoundError
from fesearch.record import Decision, Fault, Report, ResultKey, TrialResult, TrialSpec, TrialState
from fesearch.store import process, trials
from fesearch.store.results import Store
from fesearch.store.schema import KEYS, LEASES, LOOKS, REPORTS, STUDIES, STUDY_KEYS, TRIALS
from fesearch.store.types import Amendment, Division, Lease, StudyRow, StudyState

KEY = ResultKey("data1", "energy", "mae", "split1")
CONFIG = {"depth": 17, "rate": 0.1 + 0.2, "norm": None, "skip": True, "name": "η"}
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


@pytest.fixture
def store(storage_url: str) -> Iterator[Store]:
    with Store.open(storage_url) as store:
        yield store


def create(store: Store, name: str = "first", key: ResultKey = KEY, **changes: Any) -> StudyRow:
    values: dict[str, Any] = {
        "seed": 7,
        "key": key,
        "unit": "eV/atom",
        "direction": "minimize",
        "division": Division(key.data, key.split, "random:seed=0", 81, 9, 10),
        "features": "digest",
        "versions": {"torch": "2.13.0"},
    }
    return store.create_study(name, {"study": {"families": ["irnet"]}}, **{**values, **changes})


def spec(number: int = 0, **changes: Any) -> TrialSpec:
    return replace(TrialSpec(number, "irnet", CONFIG, 2**32 - 1, (1, 2, 3)), **changes)


def said(resource: int, best: float | None = 0.5, raw: float = 0.5) -> Report:
    return Report(0, resource, raw, best, resource if best else None, 1.5 * resource, 1000)


def ended(
    number: int = 0,
    state: TrialState = TrialState.COMPLETE,
    value: float | None = 0.5,
    **changes: Any,
) -> TrialResult:
    result = TrialResult(
        number, "irnet", CONFIG, 2**32 - 1, state, value, 3, 2, "epochs", 4.5, 1000
    )
    return replace(result, **changes)


def add(store: Store, study: StudyRow, *values: float | None, state: str = "COMPLETE") -> None:
    """Trials that ended with the values, numbered on from those there are."""
    with driving(store, study) as lease:
        for number, value in enumerate(values, start=len(store.trials(study))):
            store.begin_trial(lease, spec(number), "epochs")
            store.finish_trial(lease, ended(number, TrialState(state), value))


@contextmanager
def driving(store: Store, study: StudyRow) -> Iterator[Lease]:
    """The lease of a study, released at the end."""
    lease = store.acquire(study)
    yield lease
    store.release(lease)


def test_a_study_comes_back_as_it_was_created(store: Store) -> None:
    before = datetime.now(UTC)
    study = create(store, seed=2**40)
    assert study == store.study("first")
    assert (study.key, study.seed, study.unit, study.direction) == (
        KEY,
        2**40,
        "eV/atom",
        "minimize",
    )
    assert study.definition == {"study": {"families": ["irnet"]}}
    assert study.versions == {"torch": "2.13.0"}
    assert study.state is StudyState.RUNNING
    assert before <= study.created_at <= datetime.now(UTC)
    assert study.created_at.utcoffset() == timedelta(0)


def test_a_taken_name_is_refused_with_the_ways_on(store: Store) -> None:
    create(store)
    with pytest.raises(InputError) as caught:
        create(store)
    assert str(caught.value) == (
        "There is a study 'first' already.\n"
        "Go on with it: fesearch study resume first (or --or-resume); or give another --name."
    )


def test_an_unknown_study_is_told_its_nearest_name(store: Store) -> None:
    create(store, "irnet-oqmd")
    with pytest.raises(StudyNotFoundError) as caught:
        store.study("irnt-oqmd")
    assert str(caught.value) == (
        "There is no study 'irnt-oqmd'.\nDid you mean 'irnet-oqmd'? Type: fesearch study list"
    )


@pytest.mark.parametrize("name", ["x'; DROP TABLE fesearch_studies; --", "%s :name {0}", "Ünï 🧪"])
def test_hostile_names_are_names(store: Store, name: str) -> None:
    study = create(store, name)
    add(store, study, 0.5)
    assert store.study(name).name == name
    assert [row.study for row in store.ranking()] == [name]


@pytest.mark.parametrize("name", ["", "  ", "a\0b", "a\nb", "\udcff"])
def test_names_that_cannot_be_printed_are_refused(store: Store, name: str) -> None:
    with pytest.raises(InputError, match="A study cannot be called"):
        create(store, name)
    with pytest.raises(StudyNotFoundError):
        store.study(name)


def test_a_key_in_another_unit_is_refused(store: Store) -> None:
    create(store)
    with pytest.raises(InputError, match="is in 'meV/atom' here, but 'eV/atom' in"):
        create(store, "second", unit="meV/atom")
    assert [summary.study.name for summary in store.studies()] == ["first"]


def test_studies_are_counted_and_their_best_is_by_direction(store: Store) -> None:
    low = create(store)
    high = create(store, "high", replace(KEY, metric="r2"), unit="", direction="maximize")
    for study in (low, high):
        add(store, study, 0.3, 0.2)
        add(store, study, 0.9, state="PRUNED")
        with driving(store, study) as lease:
            store.begin_trial(lease, spec(3), "epochs")
            store.finish_trial(lease, ended(3, TrialState.FAIL, 0.01, fault=Fault.MACHINE))
    first, second = store.studies()
    assert (first.best, second.best) == (0.2, 0.9)
    assert first.trials == {"RUNNING": 0, "COMPLETE": 2, "PRUNED": 1, "FAIL": 1}


def test_a_state_is_kept(store: Store) -> None:
    study = create(store)
    lease = store.acquire(study)
    store.set_state(lease, StudyState.STOPPED)
    assert store.study("first").state is StudyState.STOPPED


def test_a_deleted_study_leaves_its_looks_and_no_trial(store: Store) -> None:
    study = create(store)
    add(store, study, 0.5)
    with driving(store, study) as lease:
        store.begin_trial(lease, spec(1), "epochs")
        store.report(lease, 1, said(1), Decision.CONTINUE)
    store.request_stop(study)
    store.add_look(study, 0, "split1", {"mae": 0.6}, 10)
    store.delete_study(store.acquire(study))
    assert store.studies() == []
    assert store.ranking() == []
    assert [look.study for look in store.looks()] == ["first"]
    with store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(REPORTS)) == 0
    again = create(store)
    assert again.id > study.id
    assert store.trials(again) == []
    assert not store.stop_requested(again)


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


def still_running(store: Store, study: StudyRow) -> list[TrialResult]:
    return [trial for trial in store.trials(study) if not trial.state.finished]


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


def test_the_ranking_is_best_first_key_by_key(store: Store) -> None:
    first = create(store)
    high = create(store, "high", replace(KEY, metric="r2"), unit="", direction="maximize")
    second = create(store, "second")
    add(store, first, 0.3, 0.1, 0.2)
    add(store, high, 0.3, 0.9)
    add(store, second, 0.2, 0.05)
    add(store, second, 0.01, state="PRUNED")
    add(store, second, None, state="PRUNED")
    with driving(store, second) as lease:
        store.begin_trial(lease, spec(4), "epochs")
    found = [(row.study, row.number, row.value) for row in store.ranking()]
    assert found == [
        ("second", 2, 0.01),
        ("second", 1, 0.05),
        ("first", 1, 0.1),
        ("first", 2, 0.2),
        ("second", 0, 0.2),
        ("first", 0, 0.3),
        ("high", 1, 0.9),
        ("high", 0, 0.3),
    ]
    assert [row.study for row in store.ranking(metric="r2")] == ["high", "high"]
    assert (
        store.ranking(data="data2") == store.ranking(target="x") == store.ranking(split="x") == []
    )
    summaries = store.keys()
    assert [(row.key.metric, row.trials) for row in summaries] == [("mae", 6), ("r2", 2)]
    assert [row.studies for row in summaries] == [2, 1]


def test_a_ranked_trial_tells_what_it_cost(store: Store) -> None:
    study = create(store)
    add(store, study, 0.5)
    (row,) = store.ranking()
    assert (row.family, row.config, row.key) == ("irnet", CONFIG, KEY)
    assert (row.seconds, row.resource, row.unit, row.parameters) == (4.5, 3, "epochs", 1000)
    assert row.state is TrialState.COMPLETE


def test_looks_are_counted_and_mark_the_trials_after_them(store: Store) -> None:
    study, other = create(store), create(store, "other", replace(KEY, split="split2"))
    add(store, study, 0.5)
    scores = {"mae": 0.6, "r2": math.nan}
    first = store.add_look(study, 0, "split1", scores, 10)
    second = store.add_look(study, 0, "split1", {"mae": math.inf}, 10)
    elsewhere = store.add_look(other, 0, "split2", scores, 10)
    assert [first.sequence, second.sequence, elsewhere.sequence] == [1, 2, 1]
    assert (first.value, first.metric, first.rows) == (0.6, "mae", 10)
    assert first.scores == {"mae": 0.6, "r2": None}
    assert second.value is None
    assert store.looks(KEY) == [first, second]
    add(store, study, 0.4)
    assert [row.after_look for row in store.ranking(split="split1")] == [True, False]


def test_all_predictions_of_one_model_are_one_look(store: Store) -> None:
    study = create(store)
    store.add_look(study, 0, "split1", {"mae": 0.6}, 10)
    given = [("first", 0, 0b011), ("first", 0, 0b110), ("first", 1, 0b1), ("first", 0, 0b1)]
    looks = [store.add_glance(KEY, name, trial, asked) for name, trial, asked in given]
    found = [(look.sequence, look.trial, look.rows, look.how.calls) for look in looks]
    assert found == [(2, 0, 2, 1), (2, 0, 3, 2), (3, 1, 1, 1), (2, 0, 3, 3)]
    assert [look.sequence for look in store.looks(KEY)] == [1, 2, 3]
    assert store.looks(KEY)[1] == looks[-1]
    assert store.add_glance(replace(KEY, split="split2"), "first", 0, 1).sequence == 1


def test_when_the_best_was_bettered_is_known(store: Store) -> None:
    study = create(store)
    assert store.improvements(study) == []
    with driving(store, study) as lease:
        for number, values in enumerate([(0.5, 0.5, 0.4), (0.45, 0.45), (0.3, None)]):
            store.begin_trial(lease, spec(number), "epochs")
            for resource, value in enumerate(values, start=1):
                report = replace(said(resource), best=value)
                store.report(lease, number, report, Decision.CONTINUE)
    steps = store.improvements(study)
    assert [(number, value) for _, number, value in steps] == [(0, 0.5), (0, 0.4), (2, 0.3)]
    assert [at for at, _, _ in steps] == sorted(at for at, _, _ in steps)


def test_looks_at_the_same_test_rows_are_counted_together(store: Store) -> None:
    def division(split: str, test: str | None) -> Division:
        return Division("data1", split, split, 81, 9, 10, test)

    def study(name: str, split: str, test: str | None, **other: str) -> StudyRow:
        return create(
            store, name, replace(KEY, split=split, **other), division=division(split, test)
        )

    one, two = study("one", "split1", "rows1"), study("two", "split2", "rows1")
    elsewhere = study("elsewhere", "split3", "rows3")
    theirs = study("theirs", "split2", "rows1", target="volume")
    old = study("old", "split0", None)
    older = study("older", "split00", None)
    looks = [store.add_look(row, 0, row.key.split, {"mae": 0.6}, 10) for row in (old, one, two)]
    split1 = [look for look in looks if look.split != "split0"]
    assert [look.sequence for look in looks] == [1, 1, 2]
    assert store.looks(one.key) == store.looks(two.key) == split1
    assert [store.looks(row.key) for row in (elsewhere, theirs, older)] == [[], [], []]
    assert store.looks(old.key) == looks[:1]
    add(store, two, 0.5)
    add(store, elsewhere, 0.5)
    assert [row.after_look for row in store.ranking()] == [True, False]
    store.record_division(division("split0", "rows1"))
    assert store.division("data1", "split0").test == "rows1"
    assert store.looks(old.key) == store.looks(two.key) == looks
    assert store.add_look(two, 0, "split2", {"mae": 0.6}, 10).sequence == 4
    store.record_division(division("split0", None))
    assert store.division("data1", "split0").test == "rows1"


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
    assert 64 <= store.study("first").seconds <= 67
    _rewrite(store, heartbeat_at=datetime.now(UTC) - timedelta(seconds=65))
    store.acquire(study)


def test_requests_to_stop_end_with_the_driver_they_were_for(store: Store) -> None:
    study, other = create(store), create(store, "other")
    lease = store.acquire(study)
    assert not store.stop_requested(study)
    store.request_stop(study)
    assert store.stop_requested(study)
    assert not store.stop_requested(other)
    store.release(lease)
    assert not store.stop_requested(study)
    store.request_stop(study)
    store.acquire(study)
    assert not store.stop_requested(study)


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


def test_looks_have_no_tie_to_a_study() -> None:
    assert not LOOKS.foreign_keys


def test_configs_wait_in_order_until_a_trial_is_made_of_them(store: Store) -> None:
    study, other = create(store), create(store, "second")
    store.enqueue(study, [CONFIG, {"depth": 3}], origin="by hand")
    store.enqueue(study, [{"depth": 9}], origin="trial 4 goes on", parents=[4])
    store.enqueue(other, [{"depth": 1}], origin="elsewhere")
    waiting = store.queued(study)
    assert [(one.config, one.parent, one.origin) for one in waiting] == [
        (CONFIG, None, "by hand"),
        ({"depth": 3}, None, "by hand"),
        ({"depth": 9}, 4, "trial 4 goes on"),
    ]
    with driving(store, study) as lease:
        store.begin_trial(lease, spec(0), "epochs", queued=waiting[0].id)
        store.begin_trial(lease, spec(1, parent=4), "epochs", queued=waiting[2].id)
    assert store.queued(study) == [waiting[1]]
    assert store.queued(study, limit=0) == []
    assert [trial.parent for trial in store.trials(study)] == [None, 4]


def test_those_that_go_on_from_a_trial_can_be_asked_for_alone(store: Store) -> None:
    study = create(store)
    store.enqueue(study, [CONFIG], origin="by hand")
    store.enqueue(study, [{"depth": 9}], origin="goes on", parents=[0])
    [child] = store.queued(study, continuing=True)
    assert (child.config, child.parent) == ({"depth": 9}, 0)
    with driving(store, study) as lease:
        store.begin_trial(lease, spec(0, parent=0), "epochs", queued=child.id)
        store.begin_trial(lease, spec(1), "epochs")
    assert store.queued(study, continuing=True) == []
    assert [store.origin(study, number) for number in (0, 1)] == ["goes on", None]


def test_the_time_of_a_trial_that_goes_on_is_counted_once(store: Store) -> None:
    study = create(store)
    with driving(store, study) as lease:
        for number, resource, parent in ((0, 2, None), (1, 3, 0), (2, 1, None)):
            store.begin_trial(lease, spec(number, parent=parent), "epochs")
            last = said(resource)
            store.report(lease, number, last, Decision.STOP, ended(number, seconds=last.seconds))
    [effort] = store.efforts()
    assert (effort.trials, effort.seconds) == (3, 1.5 * 3 + 1.5 * 1)


def test_a_study_is_created_with_the_configs_it_tries_first(store: Store) -> None:
    study = create(store, first=[CONFIG, {"depth": 3}], origin="warm start from second")
    assert [(one.config, one.origin) for one in store.queued(study)] == [
        (CONFIG, "warm start from second"),
        ({"depth": 3}, "warm start from second"),
    ]


def test_a_budget_is_changed_and_the_change_noted(store: Store) -> None:
    study = create(store)
    with driving(store, study) as lease:
        store.begin_trial(lease, spec(0), "epochs")
        store.report(lease, 0, said(1), Decision.STOP, ended())
        assert store.complete(lease, study)
    assert store.study("first").state is StudyState.COMPLETE

    def decide(row: StudyRow, results: Sequence[TrialResult]) -> Amendment:
        assert [(row.name, one.number) for one in results] == [("first", 0)]
        return Amendment({"trials": 9}, [0])

    assert store.amend(study, decide) == [0]
    now = store.study("first")
    assert (now.definition["study"]["trials"], now.state) == (9, StudyState.STOPPED)
    [change] = now.definition["changes"]
    assert (change["key"], change["old"], change["new"]) == ("trials", None, 9)
    assert [one.parent for one in store.queued(study)] == [0]
    assert store.amend(study, lambda row, results: Amendment({}, [0])) == []
    assert store.study("first") == now


def test_what_refuses_a_change_leaves_the_study_as_it_was(store: Store) -> None:
    study = create(store)

    def decide(row: StudyRow, results: Sequence[TrialResult]) -> Amendment:
        raise InputError("Too few.", "Give more.")

    with pytest.raises(InputError, match="Too few"):
        store.amend(study, decide)
    assert store.study("first") == study


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


def test_a_trial_that_is_refused_leaves_its_config_waiting(store: Store) -> None:
    study = create(store)
    store.enqueue(study, [CONFIG], origin="by hand")
    [waiting] = store.queued(study)
    with driving(store, study) as lease:
        store.begin_trial(lease, spec(0), "epochs")
        with pytest.raises(FesearchError, match="the number is taken"):
            store.begin_trial(lease, spec(0), "epochs", queued=waiting.id)
    assert store.queued(study) == [waiting]
