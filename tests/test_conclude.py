"""Searches whose time is over: the best of what was in training is of use, and can go on."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driven import check_optuna_agrees, kept, results, story
from small import Watch, small

from fesearch.model import FittedModel
from fesearch.record import TrialResult, TrialState
from fesearch.search import start
from fesearch.search.checkpoint import CHECKPOINT, END
from fesearch.search.core import Core
from fesearch.search.driver import Outcome
from fesearch.search.folder import model_folder
from fesearch.search.prepare import prepare
from fesearch.search.worker import MODEL
from fesearch.store.results import Store

LATE = "the time limit is reached"


def late(core: Core) -> None:
    core._clock = lambda: math.inf


def timed_out(url: str, at: int, **how: Any) -> Outcome:
    return start.start(small(time_limit="1h"), url, watchers=[Watch(at, late)], **how)


def test_the_best_in_training_ends_with_the_model_of_its_value(url: str) -> None:
    outcome = timed_out(url, 2)
    assert (outcome.stopped, outcome.usable) == (LATE, True)
    (trial,) = outcome.results
    assert (trial.state, trial.reason, trial.resource) == (TrialState.PRUNED, LATE, 2)
    assert kept(outcome.row, MODEL) == kept(outcome.row, END) == {0}
    assert not kept(outcome.row, CHECKPOINT)
    data = prepare(small()).development
    found = FittedModel.load(model_folder(outcome.row, 0)).predict(data.val_x)
    assert np.abs(found - data.val_y).mean() == pytest.approx(trial.value, rel=1e-12)
    assert trial.value is not None
    assert trial.scores["mae_low"] < trial.value < trial.scores["mae_high"]
    check_optuna_agrees(url, "deep")


def test_it_goes_on_as_another_trial_once_there_is_time(
    url: str, whole: tuple[list[TrialResult], Any]
) -> None:
    timed_out(url, 2)
    with Store.open(url) as store, store.write() as connection:
        connection.exec_driver_sql("UPDATE fesearch_studies SET seconds = 3600")
    assert start.resume("deep", url).stopped == LATE
    assert len(results(url, "deep")) == 1
    with Store.open(url) as store:
        assert store.queued(store.study("deep"), continuing=True) == []
    assert start.resume("deep", url, time_limit="1h").stopped == ""
    _, child, *others = results(url, "deep")
    first = whole[0][0]
    assert child.parent == 0
    assert (child.config, child.seed, child.state) == (first.config, first.seed, first.state)
    assert (child.value, child.resource) == (first.value, first.resource)
    assert [line for line in story(url, "deep")[1] if line[0] == 1] == [
        (1, *rest) for number, *rest in whole[1] if number == 0 and rest[0] > 2
    ]
    assert len(others) == 5
    check_optuna_agrees(url, "deep")


def test_one_that_is_behind_waits_for_more_time(url: str, whole: tuple[Any, Any]) -> None:
    def behind(core: Core) -> None:
        core._least = 0.0  # as if another one had been as good as can be
        late(core)

    outcome = start.start(small(time_limit="1h"), url, watchers=[Watch(2, behind)])
    assert [trial.state for trial in outcome.results] == [TrialState.RUNNING]
    assert start.resume("deep", url).stopped == ""
    assert story(url, "deep") == whole


def test_a_run_that_is_to_be_gone_on_with_ends_none(url: str, whole: tuple[Any, Any]) -> None:
    outcome = timed_out(url, 2, seconds=3600.0)
    assert outcome.stopped == LATE
    assert [trial.state for trial in outcome.results] == [TrialState.RUNNING]
    assert start.resume("deep", url).stopped == ""
    assert story(url, "deep") == whole


def test_a_run_beyond_the_time_of_its_study_is_the_last_until_there_is_another(url: str) -> None:
    timed_out(url, 2)
    with Store.open(url) as store, store.write() as connection:
        connection.exec_driver_sql("UPDATE fesearch_studies SET seconds = 3600")
    outcome = start.resume("deep", url, time_limit="1h", watchers=[Watch(1, late)])
    first, child = outcome.results
    assert (child.parent, child.state, child.reason) == (0, TrialState.PRUNED, LATE)
    assert child.resource == first.resource + 1
    assert kept(outcome.row, MODEL) == {0, 1}


@pytest.mark.parametrize("damage", ["lost", "of another value"])
def test_one_whose_checkpoint_is_of_no_use_waits(
    damage: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if damage == "lost":
        monkeypatch.setattr("fesearch.search.worker.read_checkpoints", lambda spec: iter([None]))
    else:
        monkeypatch.setattr(Core, "value", lambda core, number: 0.0)
    outcome = timed_out(url, 2)
    assert [trial.state for trial in outcome.results] == [TrialState.RUNNING]
    assert not kept(outcome.row, END)


def test_a_disk_that_is_full_then_is_told_of(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(model: FittedModel, folder: Path) -> None:
        raise OSError(28, "No space left on device")

    def end(core: Core) -> None:
        monkeypatch.setattr(FittedModel, "save", full)
        late(core)

    watch = Watch(2, end)
    outcome = start.start(small(time_limit="1h"), url, watchers=[watch])
    assert [trial.state for trial in outcome.results] == [TrialState.RUNNING]
    assert any(line.startswith("trial 0: its weights cannot be written") for line in watch.notes)
