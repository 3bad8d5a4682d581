"""Configs trained anew: side by side on Ray or here, with the same numbers."""

import sys
from typing import Any

import pytest
import searched

from fesearch import desk, retrain, tasks
from fesearch.cli.app import run
from fesearch.errors import FesearchError, InputError
from fesearch.hardware import cores
from fesearch.holdout import Holdout, holdout
from fesearch.search import resources
from fesearch.store.results import Store
from fesearch.tasks import Cause, Failure, Needs


@pytest.fixture
def worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings of any length are worth a start of Ray."""
    monkeypatch.setattr(retrain, "SECONDS_TO_START", 0.0)


def both(url: str, **place: Any) -> Holdout:
    """The best network and the best forest, on two folds."""
    found = holdout(["nets", "forests"], url, best_per_family=True, over="kfold:k=2", place=place)
    assert len(found.scored) == 4
    return found


def numbers(found: Holdout) -> list[Any]:
    return [
        (one.trial.number, one.look.split, one.look.scores, one.look.how.validation)
        for one in found.scored
    ]


@pytest.mark.skipif(cores() < 2, reason="needs two cores")
def test_side_by_side_they_are_what_they_are_one_after_the_other(
    studies: str, worth_it: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    on_ray = tasks.run

    def counted(*words: Any, **keys: Any) -> None:
        asked.append(keys["workers"])
        on_ray(*words, **keys)

    monkeypatch.setattr(tasks, "run", counted)
    beside = both(studies, cpus=2)
    assert asked == [2]
    with Store.open(studies) as store:
        assert len(store.looks()) == beside.new == 4
    again = both(studies, cpus=2)
    assert (asked, again.new) == ([2], 0)  # all of them are on record
    monkeypatch.setattr(desk.Desk, "recorded", lambda *_: None)
    alone = both(studies, cpus=1)
    assert asked == [2]
    assert numbers(alone) == numbers(beside)


def test_ray_is_not_started_for_what_is_done_sooner(
    studies: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "run", lambda *_, **__: pytest.fail("Ray was asked"))
    monkeypatch.setattr(resources, "cores", lambda _: 16)
    assert both(studies).new == 4


def test_studies_without_ray_are_trained_without_it(
    studies: str, worth_it: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "run", lambda *_, **__: pytest.fail("Ray was asked"))
    monkeypatch.setattr(resources, "cores", lambda _: 16)
    monkeypatch.setitem(sys.modules, "mlflow", None)  # nobody has to have it
    keys = {"preset": "full", "runner": "inline", "track": ["mlflow"]}
    searched.search(studies, "inline", "random_forest", [searched.SMALL_FOREST], **keys)
    assert holdout("inline", studies, seeds=2).new == 2


def test_studies_of_two_clusters_are_not_mixed(
    studies: str, worth_it: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "run", lambda *_, **__: pytest.fail("Ray was asked"))
    monkeypatch.setattr(resources, "check", lambda _: None)
    monkeypatch.setattr(resources, "cores", lambda _: 16)
    keys = {"preset": "full", "address": "elsewhere:6379"}
    searched.search(studies, "far", "random_forest", [searched.SMALL_FOREST], **keys)
    with pytest.raises(InputError, match="at different addresses: elsewhere:6379, local"):
        holdout(["nets", "far"], studies, best_per_family=True, seeds=2)
    with Store.open(studies) as store:
        assert store.looks() == []


def test_one_that_fails_on_a_worker_costs_none_of_the_others(
    studies: str, worth_it: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Needs] = []

    def broken(make: Any, pieces: Any, report: Any, *, needs: Needs, given: Any, **_: Any) -> None:
        seen.append(needs)
        work = make(*given)
        for place, piece in enumerate(pieces):
            lost = Failure(Cause.LOST, "its worker was lost: ActorDiedError")
            report(place, lost if place == 1 else work(piece))

    monkeypatch.setattr(tasks, "run", broken)
    monkeypatch.setattr(resources, "cores", lambda _: 4)
    with pytest.raises(
        FesearchError, match=r"could not be trained again on kfold:k=2,.*member=1"
    ) as e:
        both(studies)
    assert "its worker was lost" in e.value.message
    assert e.value.hint.startswith("The others are on record.")
    assert seen == [Needs(cpus=1, gpus=0.0, address=None)]
    with Store.open(studies) as store:
        assert len(store.looks()) == 3


def test_where_to_train_is_refused_before_anybody_looks(
    studies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match="was started with gpus = 0, not 1"):
        both(studies, gpus=1)
    with pytest.raises(InputError, match=f"but there are {cores()}"):
        both(studies, cpus=10_000)
    assert run(["holdout", "nets", "--cpus", "1"]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("--address, --gpus and --cpus say where models are trained anew")
    assert out == ""
    with Store.open(studies) as store:
        assert store.looks() == []
    assert run(["holdout", "nets", "--seeds", "2", "--cpus", "1", "--address", "local"]) == 0
