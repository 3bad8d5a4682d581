"""What every store promises of studies, over SQLite and PostgreSQL."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from stored import CONFIG, KEY, add, create, driving, ended, said, spec

from fesearch.errors import InputError, StudyNotFoundError
from fesearch.record import Decision, Fault, TrialResult, TrialState
from fesearch.store.results import Store
from fesearch.store.schema import REPORTS
from fesearch.store.types import Amendment, StudyRow, StudyState


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


def test_a_search_over_families_is_told_its_studies(store: Store) -> None:
    for name in ("night-irnet", "night-dnn"):
        create(store, name, definition={"study": {}, "portfolio": {"name": "night"}})
    with pytest.raises(StudyNotFoundError) as caught:
        store.study("night")
    assert str(caught.value) == (
        "'night' is a search over many families, and each has a study of its own.\n"
        "Name one: night-irnet, night-dnn"
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
