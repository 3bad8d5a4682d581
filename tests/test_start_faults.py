"""Studies some of whose trials fail, and those that cannot go on: what is said and what is left."""

import sys
from typing import Any

import pytest
import searched
from driven import check_optuna_agrees, study_row
from small import SPACE, small

from fesearch.cli.app import run
from fesearch.errors import FesearchError
from fesearch.nets.train import NetLearner
from fesearch.record import Fault, TrialState
from fesearch.search import start
from fesearch.search.checkpoint import CHECKPOINT
from fesearch.search.folder import trial_folder
from fesearch.search.worker import LOG, MODEL
from fesearch.store.results import Store
from fesearch.store.types import StudyState


def test_a_family_that_exits_fails_its_trials_and_not_the_search(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance, asked = NetLearner.advance, []

    def exits(learner: NetLearner) -> Any:
        asked.append(learner)
        return advance(learner) if len(asked) > 1 else sys.exit(0)

    monkeypatch.setattr(NetLearner, "advance", exits)
    outcome = start.start(small(trials=2), url)
    assert [result.state for result in outcome.results] == [TrialState.FAIL, TrialState.COMPLETE]
    assert outcome.results[0].reason == "SystemExit: 0"


@pytest.mark.parametrize("method", ["__init__", "advance"])
def test_a_family_that_raises_fails_its_trial_and_the_search_goes_on(
    method: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = getattr(NetLearner, method)
    calls = 0

    def sometimes(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise ValueError
        return original(*arguments, **options)

    monkeypatch.setattr(NetLearner, method, sometimes)
    outcome = start.start(small(), url)
    (failed,) = (r for r in outcome.results if r.state is TrialState.FAIL)
    assert (failed.fault, failed.reason) == (Fault.MACHINE, "ValueError: no message")
    assert len(outcome.results) == 6
    text = (trial_folder(outcome.row, failed.number) / LOG).read_text()
    assert "Traceback (most recent call last):" in text
    assert not (trial_folder(outcome.row, failed.number) / MODEL).exists()
    assert not (trial_folder(outcome.row, failed.number) / CHECKPOINT).exists()
    check_optuna_agrees(url, "deep")


def test_a_config_that_diverges_fails_and_the_search_goes_on(url: str) -> None:
    wild = {**SPACE, "optimizer": "sgd", "loss": "mse", "learning_rate": [1000.0, 0.001]}
    outcome = start.start(small(space=wild, trials=6), url)
    failed = [r for r in outcome.results if r.state is TrialState.FAIL]
    assert failed
    assert len(failed) < len(outcome.results)
    for result in failed:
        assert result.fault is Fault.DIVERGED
        assert result.reason.startswith("diverged: validation MAE is ")
        assert not (trial_folder(outcome.row, result.number) / MODEL).exists()
    check_optuna_agrees(url, "deep")


def test_what_the_database_refuses_ends_the_run_with_its_words(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise FesearchError("The database failed: disk full.", "Make room.")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "report", full)
        with pytest.raises(FesearchError, match="disk full"):
            start.start(small(), url)
    assert study_row(url, "deep").state is StudyState.STOPPED
    assert start.resume("deep", url).stopped == ""


def test_the_command_line_says_that_no_trial_is_usable(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise ValueError("no")

    monkeypatch.setattr(NetLearner, "advance", fail)
    words = ["--data", searched.DATA, "--trials", "2", "--max-epochs", "2"]
    sets = [part for key, value in SPACE.items() for part in ("--set", f"space.{key}={value}")]
    assert run(["study", "start", "irnet", *words, "--set", "runner=inline", *sets]) == 3
    err = capsys.readouterr().err
    assert err.endswith(
        "The study 'irnet' has no usable trial: 2 of 2 failed.\nSee why: fesearch trials irnet\n"
    )


def test_the_command_line_points_on_where_time_ran_out_before_the_first_trial_ended(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--data", searched.DATA, "--trials", "9", "--max-epochs", "9999", "--pruner", "none"]
    sets = [part for key, value in SPACE.items() for part in ("--set", f"space.{key}={value}")]
    started = ["study", "start", "irnet", *words, "--set", "runner=inline", *sets]
    assert run([*started, "--time-limit", "0.001s"]) == 3
    stopped = "Stopped: the time limit is reached; no trial is usable yet."
    again = "Go on with:  fesearch study resume irnet --time-limit"
    assert capsys.readouterr().err.endswith(f"{stopped}\n{again} 0.001s\n")
    assert run(["study", "resume", "irnet", "--time-limit", "0.002s"]) == 3
    assert capsys.readouterr().err.endswith(f"{stopped}\n{again} 0.002s\n")
