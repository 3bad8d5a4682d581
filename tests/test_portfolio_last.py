"""The last round of a search over many families: what the others have reached by then is ended."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from driven import results
from portfolios import many, spent
from small import SPACE, Watch, furnished

from fesearch.errors import InputError
from fesearch.portfolio import Portfolio
from fesearch.ranking.rank import tables
from fesearch.record import TrialState
from fesearch.search import portfolio, standings, start
from fesearch.search.core import Core
from fesearch.search.driver import Outcome
from fesearch.search.halt import Halt
from fesearch.search.portfolio import Looks
from fesearch.search.shares import Turn
from fesearch.store.studies import PORTFOLIO


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a store that has no studies yet, beside data and features."""
    with furnished(tmp_path_factory.mktemp("house")) as url:
        yield url


@pytest.fixture
def nets(house: str, request: pytest.FixtureRequest) -> Portfolio:
    """A search over two networks and a ridge; trials of the networks were halted, with a value."""
    name = "nets-" + request.node.name.rpartition("_")[2]
    each = {family: {"space": SPACE} for family in ("irnet", "srnet")}
    families = ["irnet", "srnet", "ridge"]
    made = many(name, families=families, time_limit="1h", trials=2, max_epochs=9, each=each)

    def late(core: Core) -> None:
        core._clock = lambda: math.inf

    for family in ("irnet", "srnet"):
        study = made.studies[family]
        watch = Watch(3, late)
        noted = {PORTFOLIO: dict(made.keys)}
        outcome = start.start(study, house, seconds=3600.0, watchers=[watch], noted=noted)
        assert [(one.state, one.resource) for one in outcome.results] == [(TrialState.RUNNING, 3)]
    return made


def states(nets: Portfolio, url: str) -> dict[str, list[TrialState]]:
    there = standings.members(nets.name, url)
    return {
        one.study.definition["study"]["family"]: [
            state for state, count in one.trials.items() for _ in range(count)
        ]
        for one in there
    }


HALTED = {"irnet": [TrialState.RUNNING], "srnet": [TrialState.RUNNING]}
ENDED = {"irnet": [TrialState.PRUNED], "srnet": [TrialState.PRUNED]}


def test_before_the_last_round_what_the_others_have_reached_is_ended_and_ranked(
    house: str, nets: Portfolio, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = iter([Turn("irnet", 1, 0.0), Turn("ridge", 2, 60.0), None])
    monkeypatch.setattr(portfolio, "upcoming", lambda *words: next(turns))
    seen: list[Any] = []
    with monkeypatch.context() as patch:
        patch.setattr(portfolio, "_run", lambda *words: Outcome(None, (), ""))  # type: ignore[arg-type]
        portfolio.go_on(nets.name, house, Looks(turn=lambda turn: seen.append(states(nets, house))))
    assert seen == [HALTED, ENDED]  # when a turn of the first round began, and that of the last
    [table] = tables(house, studies=[f"{nets.name}-irnet", f"{nets.name}-srnet"])
    assert len(table.entries) == 2
    assert standings.ahead(nets.name, house) == []


def test_whose_turn_is_the_last_goes_on(
    house: str, nets: Portfolio, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = iter([Turn("srnet", 2, 60.0), None])
    monkeypatch.setattr(portfolio, "upcoming", lambda *words: next(turns))
    portfolio.go_on(nets.name, house)
    [first, *_] = results(house, f"{nets.name}-srnet")
    assert (first.resource, first.parent) == (9, None)
    assert states(nets, house)["irnet"] == [TrialState.PRUNED]


def test_what_cannot_be_ended_is_told_and_the_last_turn_follows(
    house: str, nets: Portfolio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(name: str, *words: Any, **keys: Any) -> None:
        raise InputError(f"There is no memory for {name}.", "Wait.")

    lines: list[str] = []
    turns = iter([Turn("ridge", 2, 60.0), None])
    monkeypatch.setattr(portfolio, "upcoming", lambda *words: next(turns))
    monkeypatch.setattr(portfolio, "resume", refuses)
    ended = portfolio.go_on(nets.name, house, Looks(noted=lines.append))
    name = f"{nets.name}-irnet"
    assert f"What {name} has reached is not ranked: There is no memory for {name}." in lines
    assert (ended.stopped, spent(nets.name, house)["ridge"]) == ("", 2)


def test_an_interruption_while_what_was_reached_is_ended_stops_all(
    house: str, nets: Portfolio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(name: str, *words: Any, **keys: Any) -> Any:
        return replace(resume(name, *words, **keys), stopped="interrupted")

    resume = portfolio.resume
    monkeypatch.setattr(portfolio, "resume", interrupted)
    monkeypatch.setattr(portfolio, "upcoming", lambda *words: Turn("ridge", 2, 60.0))
    assert portfolio.go_on(nets.name, house).stopped == "interrupted"
    assert len(standings.ahead(nets.name, house)) == 1


def test_time_that_is_over_is_for_the_best_alone(house: str, nets: Portfolio) -> None:
    portfolio._conclude(nets, house, 0.0, Looks(), Halt(), but="ridge")
    assert states(nets, house) == HALTED
    portfolio._conclude(nets, house, 0.0, Looks(), Halt())
    assert len(standings.ahead(nets.name, house)) == 1
    portfolio._conclude(nets, house, 0.0, Looks(), Halt())
    assert states(nets, house) == ENDED
