"""Suggestions asked for one trial ahead: made of what was known then, and again after a kill."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from driven import story
from small import SPACE as NETS
from small import Watch, furnished, small

from fesearch.record import TrialResult, TrialState
from fesearch.search import driver, start
from fesearch.search.ahead import Ahead
from fesearch.search.sampler import sampler_named
from fesearch.search.samplers._optuna import STARTUP
from fesearch.space import Config, Float, Space
from fesearch.study import Study

SPACE = Space({"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)})


class Noting:
    """Suggests the events it has been told of; it may have to wait for leave to."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.leave = threading.Event()
        self.leave.set()

    def suggest(self, number: int) -> Any:
        self.leave.wait(60)
        return {"number": number, "told": list(self.told)}

    def begin(self, number: int, family: str, config: Config) -> None:
        self.told.append(f"begin {number}")

    def report(self, number: int, resource: int, best: float | None) -> None:
        self.told.append(f"report {number}")

    def finish(self, result: TrialResult) -> None:
        self.told.append(f"finish {result.number}")


@pytest.mark.parametrize("threaded", [True, False])
def test_a_suggestion_is_made_of_what_was_known_when_the_trial_before_began(threaded: bool) -> None:
    inner = Noting()
    ahead = Ahead(inner)
    if threaded:
        ahead.go()
    ahead.begin(0, "toy", {})
    inner.leave.clear()
    ahead.begin(1, "toy", {})
    ahead.report(0, 1, 0.5)
    ahead.finish(TrialResult(0, "toy", {}, 1, TrialState.COMPLETE, 0.5))
    inner.leave.set()
    assert ahead.suggest(2) == {"number": 2, "told": ["begin 0", "begin 1"]}
    ahead.begin(2, "toy", {})
    assert inner.told == ["begin 0", "begin 1", "report 0", "finish 0", "begin 2"]
    assert ahead.suggest(3) == {"number": 3, "told": inner.told}
    ahead.close()


def test_a_config_from_elsewhere_takes_the_place_of_a_suggestion() -> None:
    inner = Noting()
    ahead = Ahead(inner)
    ahead.go()
    ahead.begin(0, "toy", {})
    ahead.report(0, 1, 0.5)
    ahead.begin(1, "toy", {})  # enqueued by hand
    assert ahead.suggest(2) == {"number": 2, "told": ["begin 0", "report 0", "begin 1"]}
    ahead.close()


def test_what_a_sampler_raises_is_raised_where_it_is_asked() -> None:
    class Broken(Noting):
        def suggest(self, number: int) -> Any:
            raise ValueError("no config")

    ahead = Ahead(Broken())
    ahead.go()
    ahead.begin(0, "toy", {})
    with pytest.raises(ValueError, match="no config"):
        ahead.suggest(1)
    ahead.close()


@pytest.mark.parametrize("name", ["tpe", "gp", "cmaes"])
def test_the_samplers_can_be_asked_ahead(name: str) -> None:
    """Two trials at a time; the thread makes what no thread would."""

    def play(*, threaded: bool) -> list[Config]:
        ahead = Ahead(sampler_named(name, SPACE, 3, "minimize"))
        if threaded:
            ahead.go()
        configs: list[Config] = []
        for number in range(24):
            config = ahead.suggest(number)
            assert config is not None
            ahead.begin(number, "toy", config)
            configs.append(config)
            if number:
                done = number - 1
                loss = sum(float(value) for value in configs[done].values())  # type: ignore[arg-type]
                ahead.report(done, 1, loss)
                ended = TrialState.COMPLETE
                ahead.finish(TrialResult(done, "toy", configs[done], 1, ended, loss, resource=1))
        ahead.close()
        return configs

    assert play(threaded=True) == play(threaded=False)


RATES = {**NETS, "learning_rate": {"low": 1e-5, "high": 0.1, "log": True}}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A store with a study that asked ahead, from its beginning to its end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "side_by_side", lambda study: True)
        with furnished(tmp_path_factory.mktemp("ahead"), of_rates("whole")) as made:
            yield made


def of_rates(name: str) -> Study:
    """A study with as many trials as its sampler needs to learn, and five more."""
    return small(name, trials=STARTUP + 5, max_epochs=2, pruner="none", space=RATES)


@pytest.mark.parametrize("reports", range(2 * STARTUP - 1, 2 * STARTUP + 8))
def test_a_search_that_is_interrupted_makes_the_same_suggestions(url: str, reports: int) -> None:
    name = f"halted-{reports}"
    stop = Watch(reports, lambda core: core.stop("enough"))
    assert start.start(of_rates(name), url, watchers=[stop]).stopped == "enough"
    start.resume(name, url)
    assert story(url, name) == story(url, "whole")
