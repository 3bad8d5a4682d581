"""Studies interrupted and resumed: they end as if nothing had happened."""

import os
import signal
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from driven import check_optuna_agrees, kept, reports_of_all, story, study_row
from small import Killed, Watch, deadly, interrupt, small

import fesearch
from fesearch.nets.optimizer import Optimizer
from fesearch.record import TrialState
from fesearch.search import driver, start
from fesearch.search.checkpoint import CHECKPOINT
from fesearch.search.core import Core
from fesearch.search.folder import Keeper, trial_folder
from fesearch.search.ledger import StoreLedger
from fesearch.search.mirror import Mirror
from fesearch.search.worker import LOG, MODEL, Worker
from fesearch.store.results import Store
from fesearch.store.types import StudyState

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def heard() -> Iterator[None]:
    """Every signal is, though the tests may run under ``nohup``."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("heard")
def test_a_closed_terminal_that_is_no_matter_stops_nothing(url: str) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    watch = Watch(2, lambda core: os.kill(os.getpid(), signal.SIGHUP))
    assert start.start(small(), url, watchers=[watch]).stopped == ""


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize(
    ("at", "sent"), [(1, signal.SIGINT), (2, signal.SIGHUP), (6, signal.SIGTERM)]
)
def test_interrupted_and_resumed_ends_as_if_nothing_had_happened(
    at: int, sent: signal.Signals, url: str, whole: tuple[Any, Any]
) -> None:
    before = [signal.getsignal(one) for one in SIGNALS]
    watch = Watch(at, lambda core: os.kill(os.getpid(), sent))
    outcome = start.start(small(), url, watchers=[watch])
    assert [signal.getsignal(one) for one in SIGNALS] == before
    assert outcome.stopped == "interrupted"
    assert outcome.row.state is StudyState.STOPPED
    halted = [r.number for r in outcome.results if r.state is TrialState.RUNNING]
    assert set(halted) == kept(outcome.row, CHECKPOINT)
    assert len(halted) <= 1
    finished = [r for r in outcome.results if r.state.finished]
    check_optuna_agrees(url, "deep")
    shown = fesearch.open("deep", storage=url).to_dataframe().set_index("number").state
    assert [number for number in shown.index if shown[number] == "WAITING"] == halted
    assert "RUNNING" not in set(shown)

    watch = Watch()
    resumed = start.resume("deep", url, watchers=[watch])
    assert [number for number, again in watch.begun if again] == halted
    assert story(url, "deep") == whole
    assert list(resumed.results[: len(finished)]) == finished
    for number in halted:
        lines = (trial_folder(resumed.row, number) / LOG).read_text().splitlines()
        assert sum(" goes on after " in line for line in lines) == 1
        resources = [r.resource for r in reports_of(url, number)]
        assert len(lines) == 2 + len(resources)  # no epoch was trained twice
    check_optuna_agrees(url, "deep")


def reports_of(url: str, number: int) -> list[Any]:
    with Store.open(url) as store:
        return store.reports(store.study("deep"), number)


PLACES = [
    (Worker, "step", 2),
    (Worker, "step", 4),
    (StoreLedger, "begin", 1),
    (Store, "begin_trial", 4),
    (Store, "report", 5),
    (Mirror, "begins", 8),
    (Mirror, "report", 9),
    (Mirror, "finish", 6),
    (Keeper, "ended", 3),
]
"""Where a process may die, and at which passage; mirrors are two, in memory and on disk."""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("kind", "name", "passage"), PLACES)
def test_killed_anywhere_and_resumed_ends_as_if_nothing_had_happened(
    kind: type,
    name: str,
    passage: int,
    when: str,
    url: str,
    whole: tuple[Any, Any],
    search_house: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(kind, name, deadly(getattr(kind, name), passage, when))
        with pytest.raises(Killed):
            start.start(small(), url)
    start.resume("deep", url)
    assert story(url, "deep") == whole
    check_optuna_agrees(url, "deep")
    row = study_row(url, "deep")
    assert kept(row, CHECKPOINT) == set()
    assert kept(row, MODEL) == kept(study_row(search_house, "whole"), MODEL)


def test_a_signal_within_an_epoch_stops_there_and_the_study_ends_as_if_nothing_had_happened(
    url: str, whole: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    step, batches = Optimizer.step, count(1)

    def interrupted(self: Optimizer, rate: float) -> None:
        step(self, rate)
        if next(batches) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Optimizer, "step", interrupted)
    outcome = start.start(small(), url)
    assert outcome.stopped == "interrupted"
    assert next(batches) == 3  # the second was the last
    (only,) = outcome.results
    assert (only.state, only.resource) == (TrialState.RUNNING, 0)
    start.resume("deep", url)
    assert story(url, "deep") == whole


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_at_once_and_the_study_can_be_resumed(
    second: signal.Signals, url: str, whole: tuple[Any, Any]
) -> None:
    def twice(core: Core) -> None:
        interrupt(core)
        os.kill(os.getpid(), second)

    with pytest.raises(KeyboardInterrupt):
        start.start(small(), url, watchers=[Watch(5, twice)])
    assert study_row(url, "deep").state is StudyState.STOPPED
    start.resume("deep", url)
    assert story(url, "deep") == whole


def test_an_interrupt_at_the_very_end_has_stopped_nothing(url: str) -> None:
    def late(core: Core) -> None:
        if core.done and not core.running:
            interrupt(core)

    last = Watch()
    last.ended = lambda result: late(last.core)  # type: ignore[method-assign]
    outcome = start.start(small(), url, watchers=[last])
    assert (outcome.stopped, outcome.row.state) == ("", StudyState.COMPLETE)


def test_the_time_limit_stops_and_a_further_one_goes_on(url: str, whole: tuple[Any, Any]) -> None:
    def hours_later(core: Core) -> None:
        core._clock = lambda: float("inf")

    outcome = start.start(small(), url, seconds=3600.0, watchers=[Watch(7, hours_later)])
    assert outcome.stopped == "the time limit is reached"
    assert outcome.row.state is StudyState.STOPPED
    assert sum(r.state is TrialState.RUNNING for r in outcome.results) == 1
    assert sum(1 for _ in reports_of_all(url)) == 7
    assert start.resume("deep", url, seconds=0.0).stopped == "the time limit is reached"
    assert sum(1 for _ in reports_of_all(url)) == 7
    assert start.resume("deep", url, time_limit="1h").stopped == ""
    assert story(url, "deep") == whole
    assert start.resume("deep", url).stopped == ""
    assert study_row(url, "deep").state is StudyState.COMPLETE


def test_versions_that_a_study_goes_on_with_are_on_record(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start.start(small(), url, watchers=[Watch(2, lambda core: core.stop("enough"))])
    before = dict(study_row(url, "deep").versions)
    other = {**before, "torch": "9.9.9"}
    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(driver, "versions", lambda prepared: other)
            start.resume("deep", url, watchers=[Watch(1, lambda core: core.stop("enough"))])
    assert study_row(url, "deep").versions == {**before, "torch": f"{before['torch']} then 9.9.9"}


def test_why_a_study_stopped_is_on_record(url: str) -> None:
    def broken(core: Core) -> None:
        raise ValueError("a watcher\0 that breaks")

    with pytest.raises(ValueError, match="that breaks"):
        start.start(small(), url, watchers=[Watch(2, broken)])
    row = study_row(url, "deep")
    assert (row.state, row.reason) == (StudyState.STOPPED, "ValueError: a watcher? that breaks")
    start.resume("deep", url, watchers=[Watch(2, lambda core: core.stop("enough"))])
    assert study_row(url, "deep").reason == "enough"
    start.resume("deep", url)
    row = study_row(url, "deep")
    assert (row.state, row.reason) == (StudyState.COMPLETE, "")
