"""Who drives a study: heartbeats, requests from elsewhere, drivers that were taken over."""

import os
from typing import Any

import pytest
from driven import check_optuna_agrees, reports_of_all, story, study_row
from small import Watch, small, wait_for

from fesearch.errors import FesearchError, InputError, OustedError
from fesearch.search import driver, heartbeat, start
from fesearch.search.core import Core
from fesearch.search.projection import Projection
from fesearch.store.results import Store
from fesearch.store.types import Lease, StudyState


def test_a_request_from_elsewhere_stops(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "SECONDS_BETWEEN_BEATS", 0.01)

    def ask(core: Core) -> None:
        with Store.open(url) as store:
            store.request_stop(store.study("deep"))
        wait_for(lambda: bool(core.stopped))

    outcome = start.start(small(), url, watchers=[Watch(4, ask)])
    assert outcome.stopped == "stopped on request"
    assert start.resume("deep", url).stopped == ""


def test_a_driver_that_was_taken_over_stops(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "SECONDS_BETWEEN_BEATS", 0.01)

    def take_over(core: Core) -> None:
        with Store.open(url) as store, store.write() as connection:
            connection.exec_driver_sql("UPDATE fesearch_leases SET token = 'another'")
        wait_for(lambda: bool(core.stopped))

    settled: list[Projection] = []
    monkeypatch.setattr(Projection, "settle", lambda self, halted: settled.append(self))
    with pytest.raises(OustedError, match="Another process has taken over this study"):
        start.start(small(), url, watchers=[Watch(4, take_over)])
    assert not settled, "Optuna's tables are the other process's, too"


def test_a_driver_that_is_slow_to_begin_has_a_heartbeat(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "SECONDS_BETWEEN_BEATS", 0.01)
    beats: list[object] = []
    beat, reconcile = Store.beat, driver.reconcile

    def counted(store: Store, lease: Lease) -> None:
        beats.append(lease)
        beat(store, lease)

    def slow(*given: Any) -> None:
        before = len(beats)
        wait_for(lambda: len(beats) > before + 1)
        reconcile(*given)

    monkeypatch.setattr(Store, "beat", counted)
    monkeypatch.setattr(driver, "reconcile", slow)
    assert start.start(small(), url).stopped == ""


def test_a_driver_that_was_taken_over_while_halted_writes_nothing_more(
    url: str, whole: tuple[Any, Any]
) -> None:
    def take_over(core: Core) -> None:
        with Store.open(url) as store, store.write() as connection:
            connection.exec_driver_sql("UPDATE fesearch_leases SET token = 'another'")

    with pytest.raises(FesearchError, match="Another process has taken over this study"):
        start.start(small(), url, watchers=[Watch(4, take_over)])
    assert len(reports_of_all(url)) == 4
    assert study_row(url, "deep").state is StudyState.RUNNING
    with Store.open(url) as store, store.write() as connection:
        connection.exec_driver_sql("DELETE FROM fesearch_leases")
    start.resume("deep", url)
    assert story(url, "deep") == whole
    check_optuna_agrees(url, "deep")


def test_a_heartbeat_that_fails_stops_the_search_and_says_why(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "SECONDS_BETWEEN_BEATS", 0.01)

    def wait(core: Core) -> None:
        wait_for(lambda: bool(core.stopped))

    with monkeypatch.context() as patch:
        patch.setattr(Store, "stop_requested", lambda *_: {}["no"])
        outcome = start.start(small(), url, watchers=[Watch(4, wait)])
    assert outcome.stopped == "the heartbeat failed: KeyError: 'no'"
    assert start.resume("deep", url).stopped == ""


def test_a_search_that_is_stopping_is_published_before_its_trials_have_stopped(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch system that has sent SIGTERM may kill before they do."""
    monkeypatch.setattr(heartbeat, "SECONDS_BETWEEN_LOOKS", 0.01)
    monkeypatch.setattr(heartbeat, "SECONDS_BETWEEN_BEATS", 600.0)
    published: list[bool] = []
    monkeypatch.setattr(Store, "publish", lambda self, due=False: published.append(due))

    def stop(core: Core) -> None:
        assert published == [False], "as soon as it is driven"
        core.stop("interrupted")
        wait_for(lambda: published.count(False) == 2)

    start.start(small(), url, watchers=[Watch(2, stop)])
    assert published.count(False) == 3, "and at its end"


def test_two_drivers_are_one_too_many(url: str) -> None:
    refusals: list[InputError] = []

    def second(core: Core) -> None:
        with pytest.raises(InputError) as caught:
            start.resume("deep", url)
        refusals.append(caught.value)
        with pytest.raises(InputError, match="is being driven"):
            start.delete("deep", url)

    outcome = start.start(small(), url, watchers=[Watch(4, second)])
    assert refusals[0].message.startswith(
        f"The study 'deep' is being driven by process {os.getpid()} on "
    )
    assert refusals[0].hint == "Wait for it, or type: fesearch study stop deep"
    assert outcome.row.state is StudyState.COMPLETE
