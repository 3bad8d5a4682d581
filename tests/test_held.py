"""The one driver of a search over many families: stopped, refused, taken over between turns."""

import threading
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from portfolios import many, spent
from small import Watch, furnished, wait_for

from fesearch.api import open as opened
from fesearch.cli.app import run as command
from fesearch.errors import InputError, NoDatabaseError
from fesearch.search import held, portfolio
from fesearch.search.core import Core
from fesearch.search.halt import Halt
from fesearch.search.held import Held
from fesearch.search.portfolio import Looks
from fesearch.search.remaining import remaining
from fesearch.search.shares import Turn
from fesearch.store.outage import LostError, UnreachableError
from fesearch.store.results import Store


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a store that has no studies yet, beside data and features."""
    with furnished(tmp_path_factory.mktemp("house")) as url:
        yield url


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drivers look every moment for who wants them to stop."""
    monkeypatch.setattr(held, "SECONDS_BETWEEN_BEATS", 0.02)


def second(do: Any) -> Looks:
    """Looks that do something before the second turn, when no study is driven."""
    turns: list[Turn] = []

    def turn(turn: Turn) -> None:
        turns.append(turn)
        if len(turns) == 2:
            do()

    return Looks(turn=turn)


def test_it_is_stopped_between_two_turns(
    house: str, hasty: None, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop() -> None:
        assert command(["study", "stop", "halfway"]) == 0
        wait_for(lambda: bool(halts[0].reason))

    halts: list[Halt] = []
    with pytest.MonkeyPatch.context() as patch:
        made = Halt
        patch.setattr(portfolio, "Halt", lambda: halts.append(made()) or halts[0])
        ended = portfolio.begin(many("halfway"), house, second(stop))
    assert (ended.stopped, len(ended.studies)) == ("stopped on request", 2)
    assert remaining("halfway", house) == "stopped", "a further SLURM job has nothing to do"
    assert spent("halfway", house)["ridge"] == 0, "whose turn had begun"
    capsys.readouterr()
    assert command(["study", "stop", "halfway"]) == 2
    assert capsys.readouterr().err.startswith("The study 'halfway' is not running.\n")
    assert portfolio.go_on("halfway", house).stopped == ""


def test_a_stop_of_the_whole_reaches_the_turn_that_runs(house: str, hasty: None) -> None:
    def ask(core: Any) -> None:
        with Store.open(house) as store:
            assert store.request_stop_of_search("during")
        wait_for(lambda: core.stopping)

    portfolio.begin(many("during", trials=3), house)
    opened("during").extend(trials="+9")  # type: ignore[union-attr]
    watch = Watch(1, ask)
    ended = portfolio.go_on("during", house, Looks(watching=lambda: nullcontext([watch])))
    assert ended.stopped == "stopped on request"


def test_a_second_driver_is_refused_and_nothing_is_deleted_between_two_turns(
    house: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def intrude() -> None:
        with pytest.raises(InputError, match="The search 'single' is being driven by process"):
            portfolio.go_on("single", house)
        assert command(["study", "delete", "single", "--yes"]) == 2
        assert "The search 'single' is being driven by" in capsys.readouterr().err
        assert command(["study", "delete", "single-decision_tree", "--yes"]) == 2
        assert "The search 'single' is being driven by" in capsys.readouterr().err
        with pytest.raises(InputError, match="The search 'single' is being driven by"):
            opened("single").delete()
        assert command(["study", "extend", "single", "--trials", "+1"]) == 0
        assert "takes it up at its next turn" in capsys.readouterr().err

    assert portfolio.begin(many("single"), house, second(intrude)).stopped == ""


def test_who_was_taken_over_from_stops(house: str, hasty: None) -> None:
    def oust(core: Core) -> None:
        with Store.open(house) as store:
            store.begin_search("ousted", force=True)
        wait_for(lambda: core.stopping)

    portfolio.begin(many("ousted", trials=3), house)
    opened("ousted").extend(trials="+9")  # type: ignore[union-attr]
    watch = Watch(1, oust)
    ended = portfolio.go_on("ousted", house, Looks(watching=lambda: nullcontext([watch])))
    assert ended.stopped == "Another process has taken over the search 'ousted'."
    with pytest.raises(InputError, match="The search 'ousted' is being driven by"):
        portfolio.go_on("ousted", house)
    with Store.open(house) as store:
        store.acquire(store.study("ousted-decision_tree"))
    assert command(["study", "resume", "ousted", "--take-over"]) == 0
    with Store.open(house) as store:
        assert not store.searched("ousted")
        assert not store.driven(store.study("ousted-decision_tree"))


@pytest.mark.parametrize("kind", [LostError, UnreachableError])
def test_a_server_that_is_away_between_two_turns_is_waited_for(
    kind: type[Any], house: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    notes: list[str] = []
    at_first = portfolio.upcoming

    def upcoming(*words: Any) -> Any:
        asked.append(1)
        if len(asked) == 2:
            raise kind("The database is away.", "Wait.")
        return at_first(*words)

    monkeypatch.setattr(portfolio, "upcoming", upcoming)
    name = f"away-{kind.__name__}"
    ended = portfolio.begin(many(name), house, Looks(noted=notes.append))
    assert (ended.stopped, len(ended.studies)) == ("", 3)
    assert notes[0] == "The database is away. Waiting for it, up to 10 min."
    assert notes[1].startswith("The database is back after ")


def test_a_server_that_goes_away_as_a_turn_begins_leaves_no_family_out(
    house: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    at_first = portfolio.start

    def start(*words: Any, **keys: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise UnreachableError("The database is away.", "Wait.")
        return at_first(*words, **keys)

    monkeypatch.setattr(portfolio, "start", start)
    ended = portfolio.begin(many("away-then"), house)
    assert (ended.left_out, len(ended.studies)) == ({}, 3)


def test_there_is_nothing_to_hold_where_there_is_no_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/none.db"
    with Held("all", url, lambda: 7.0, Halt()) as search:
        search.begin()
    with pytest.raises(NoDatabaseError):
        Store.open(url, create=False)


@pytest.mark.slow
def test_a_postgresql_that_restarts_between_two_turns_is_waited_for(
    house: str, postgresql_server: Any, postgresql_url: str
) -> None:
    notes: list[str] = []

    def noted(note: str) -> None:
        """The server comes back once it was missed, however late that is on a busy machine."""
        notes.append(note)
        if len(notes) == 1:
            threading.Timer(3.0, postgresql_server.ensure_postgres_running).start()

    def stop() -> None:
        postgresql_server.ensure_postgres_running()  # it may know a process of before a restart
        postgresql_server.stop()

    looks = replace(second(stop), noted=noted)
    ended = portfolio.begin(many("restarted"), postgresql_url, looks)
    assert (ended.stopped, ended.left_out, len(ended.studies)) == ("", {}, 3)
    assert [note.startswith("The database ") for note in notes] == [True, True]
    assert notes[1].startswith("The database is back after ")
    with Store.open(postgresql_url) as store:
        assert not store.searched("restarted")
