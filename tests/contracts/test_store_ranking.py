"""What every store promises of rankings and of looks at test parts, over SQLite and PostgreSQL."""

import math
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from stored import CONFIG, KEY, add, create, driving, said, spec

from fesearch.record import Decision, TrialState
from fesearch.store.results import Store
from fesearch.store.schema import LOOKS
from fesearch.store.types import Division, StudyRow


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


def test_leaders_are_the_best_of_each_family_and_study(store: Store) -> None:
    first = create(store)
    high = create(store, "high", replace(KEY, metric="r2"), unit="", direction="maximize")
    add(store, first, 0.3, 0.1, 0.1)
    add(store, first, None, state="PRUNED")
    add(store, high, 0.3, 0.9, -0.5)
    add(store, create(store, "second"), 0.2)

    def leaders(**given: str) -> list[tuple[str, int, float]]:
        found = store.ranking(leaders=True, **given)
        return [(row.study, row.number, row.value) for row in found]

    assert leaders() == [("first", 1, 0.1), ("second", 0, 0.2), ("high", 1, 0.9)]
    assert leaders(metric="r2") == [("high", 1, 0.9)]
    assert leaders(split="x") == []


def test_millions_of_trials_are_ranked_without_reading_them(tmp_path: Path) -> None:
    """SQLite has all of it in an index, and looks at the rows of the best alone."""
    with Store.open(f"sqlite:///{tmp_path}/studies.db") as store:
        add(store, create(store), 0.5)
        asked: list[tuple[str, Any]] = []

        def note(_: Any, __: Any, statement: str, values: Any, *___: Any) -> None:
            asked.append((statement, values))

        sa.event.listen(sa.Engine, "before_cursor_execute", note)
        try:
            store.ranking(leaders=True)
            store.ranking(leaders=True, split=KEY.split)
            store.keys()
            store.efforts()
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", note)
    with closing(sqlite3.connect(tmp_path / "studies.db")) as database:
        steps = [
            step[3]
            for statement, values in asked
            if statement.startswith("SELECT")
            for step in database.execute(f"EXPLAIN QUERY PLAN {statement}", values)
        ]
    rows = [step for step in steps if "fesearch_trials" in step]
    whole = [step for step in rows if "COVERING INDEX ix_fesearch_trials_" not in step]
    assert len(rows) > len(whole)
    assert all("value=?" in step or "number=?" in step for step in whole), whole


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


def test_looks_have_no_tie_to_a_study() -> None:
    assert not LOOKS.foreign_keys
