"""Studies in this process that meet with a mishap, and what is left to go on with."""

import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import searched
import sqlalchemy as sa
from driven import check_optuna_agrees, results, story
from small import SPACE, Watch, furnished, small

from fesearch.cli.app import run
from fesearch.errors import FesearchError
from fesearch.export import export
from fesearch.model import FittedModel
from fesearch.nets.train import NetLearner
from fesearch.record import Fault, TrialState
from fesearch.search import start
from fesearch.search.checkpoint import CHECKPOINT
from fesearch.search.folder import study_folder
from fesearch.store.types import StudyState


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a store with the study ``whole``, which meets with none, beside its data."""
    with furnished(tmp_path_factory.mktemp("house"), small("whole")) as url:
        yield url


@pytest.fixture
def url(house: str, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a store that does not exist yet, beside the data and features of ``house``."""
    monkeypatch.setenv("FESEARCH_STORAGE", sqlite_url)
    return sqlite_url


def failing(monkeypatch: pytest.MonkeyPatch, calls: set[int], error: Exception) -> None:
    """Let networks raise at these epochs, counted over all trials from 0."""
    original, count = NetLearner.advance, iter(range(10**9))

    def advance(self: NetLearner) -> Any:
        if next(count) in calls:
            raise error
        return original(self)

    monkeypatch.setattr(NetLearner, "advance", advance)


def full(*arguments: Any, **options: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_trial_without_memory_is_tried_once_more(
    url: str, house: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, {2}, MemoryError())
    watch = Watch()
    start.start(small(), url, watchers=[watch])
    line = "trial 0 goes on after too little memory, alone now: MemoryError: no message"
    assert line in watch.notes
    assert watch.begun[:3] == [(0, False), (0, True), (1, False)]
    (trials, reports), (expected, all_reports) = story(url, "deep"), story(house, "whole")
    assert reports == all_reports
    assert [one.retries for one in trials] == [1, 0, 0, 0, 0, 0]
    assert trials[1:] == expected[1:]
    check_optuna_agrees(url, "deep")


def test_a_trial_without_memory_twice_fails_and_the_search_goes_on(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, {2, 3}, MemoryError())
    outcome = start.start(small(), url)
    failed = outcome.results[0]
    assert (failed.state, failed.fault, failed.retries) == (TrialState.FAIL, Fault.MACHINE, 1)
    assert failed.reason == "too little memory, alone too: MemoryError: no message"
    assert [one.state.finished for one in outcome.results] == [True] * 6


def test_weights_that_cannot_be_written_stop_a_study_that_ends_as_if_nothing_had_happened(
    url: str, house: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(FittedModel, "save", full)
        outcome = start.start(small(), url)
    assert outcome.stopped == ("its weights cannot be written: No space left on device (trial 0)")
    assert outcome.row.state is StudyState.STOPPED
    assert [one.state for one in outcome.results] == [TrialState.RUNNING]
    assert not list(study_folder(outcome.row).rglob(".*")), "nothing is half written"
    start.resume("deep", url)
    assert story(url, "deep") == story(house, "whole")


def test_checkpoints_that_cannot_be_written_are_said_and_done_without(
    url: str, house: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch()
    monkeypatch.setattr("fesearch.search.worker.write_checkpoint", full)
    start.start(small(), url, watchers=[watch])
    assert "trial 0: its checkpoint cannot be written: No space left on device" in watch.notes
    assert story(url, "deep") == story(house, "whole")


def test_a_full_disk_under_the_database_stops_a_study_that_ends_as_if_nothing_had_happened(
    url: str,
) -> None:
    """SQLite says so, too, where its file may grow no further."""
    long: dict[str, Any] = {"max_epochs": 60, "trials": 3, "pruner": "none", "sampler": "random"}
    start.start(small("whole", **long), url)
    pages = Path(url.removeprefix("sqlite:///")).stat().st_size // 4096

    def leave_no_room(connection: sqlite3.Connection, record: Any) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    sa.event.listen(sa.Engine, "connect", leave_no_room)
    try:
        with pytest.raises(FesearchError) as caught:
            start.start(small(**long), url)
    finally:
        sa.event.remove(sa.Engine, "connect", leave_no_room)
    assert caught.value.message == "The database failed: database or disk is full."
    assert any(one.resource for one in results(url, "deep")), "it was on its way"
    start.resume("deep", url)
    assert story(url, "deep") == story(url, "whole")


def test_over_its_time_limit_a_trial_is_pruned_and_can_be_exported(
    url: str, tmp_path: Path
) -> None:
    outcome = start.start(small(trials=2, max_epochs=4000, trial_time_limit="0.1s"), url)
    states = [one.state for one in outcome.results]
    assert states == [TrialState.PRUNED] * 2
    assert outcome.results[0].reason == "over its time limit of 0.1s"
    assert not list(study_folder(outcome.row).rglob(f"*{CHECKPOINT}"))
    check_optuna_agrees(url, "deep")
    export("deep", url, tmp_path / "model")
    assert list((tmp_path / "model").rglob("*.safetensors"))


def test_a_study_in_which_everything_fails_stops_and_says_why(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(monkeypatch, set(range(10)), ValueError("no such kernel"))
    words = ["--data", searched.DATA, "--trials", "14", "--max-epochs", "2", "--set"]
    sets = [part for key, value in SPACE.items() for part in ("--set", f"space.{key}={value}")]
    assert run(["study", "start", "irnet", *words, "runner=inline", *sets, "--sampler=random"]) == 3
    err = capsys.readouterr().err
    assert "Stopped: the first 10 trials all failed: ValueError: no such kernel (10)." in err
    assert err.endswith(
        "The study 'irnet' has no usable trial: 10 of 10 failed.\nSee why: fesearch trials irnet\n"
    )
    assert run(["study", "resume", "irnet"]) == 0
    assert len(results(url, "irnet")) == 14
