"""Budgets of many families that are extended while they are spent, or were too short."""

import math
import time
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
import searched
import sqlalchemy as sa
from driven import results
from small import SPACE, Watch, furnished

from fesearch.cli.afterwards import Afterwards
from fesearch.cli.app import run as command
from fesearch.cli.portfolio import _conclude
from fesearch.portfolio import Portfolio, of_keys
from fesearch.record import TrialState
from fesearch.search import heartbeat, portfolio, standings
from fesearch.search.core import LATE, Core
from fesearch.search.halt import Halt
from fesearch.search.more import extend_all
from fesearch.search.portfolio import Looks
from fesearch.store.results import Store
from fesearch.store.schema import STUDIES
from fesearch.store.studies import PORTFOLIO


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a store that has no studies yet, beside data and features."""
    with furnished(tmp_path_factory.mktemp("house")) as url:
        yield url


def many(name: str, **keys: Any) -> Portfolio:
    """Three trials of two quick families."""
    given = {"families": ["ridge", "decision_tree"], "data": searched.DATA, "runner": "inline"}
    given |= {"seed": 3, "preset": "full", "trials": 3}
    return of_keys({"name": name, **given, **keys}, name)


def watched(watch: Watch) -> Looks:
    return Looks(watching=lambda: nullcontext([watch]))


@pytest.mark.parametrize("at", [1, 3])
def test_trials_added_while_it_runs_are_spent_by_that_run(
    at: int, house: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(heartbeat, "SECONDS_BETWEEN_BEATS", 0.01)  # of the study in training
    name = f"added-{at}"

    def more(core: object) -> None:
        assert command(["study", "extend", name, "--trials", "+4", "--format", "csv"]) == 0
        assert "takes it up at its next turn" in capsys.readouterr().err

    ended = portfolio.begin(many(name), house, watched(Watch(at, more)))
    assert (ended.stopped, ended.portfolio.trials) == ("", 7)
    found = standings.members(name, house)
    assert sum(sum(one.trials.values()) for one in found) == 7
    with Store.open(house) as store:
        definitions = [store.study(one.study.name).definition for one in found]
    assert [one[PORTFOLIO]["trials"] for one in definitions] == [7, 7]


def ends(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that are left of the whole at the beginning of each turn."""
    found: list[float] = []
    run = portfolio._run

    def noted(*words: Any) -> Any:
        *_, deadline, _ = words
        found.append(deadline - time.monotonic())
        return run(*words)

    monkeypatch.setattr(portfolio, "_run", noted)
    return found


def test_time_added_while_it_runs_moves_its_end(
    house: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = ends(monkeypatch)
    watch = Watch(1, lambda core: extend_all("timed", house, time_limit="+1h") and None)
    ended = portfolio.begin(many("timed", time_limit="60s", trials=1), house, watched(watch))
    assert left == [pytest.approx(60, abs=5), pytest.approx(3660, abs=30)]
    assert (ended.stopped, ended.portfolio.seconds) == ("", 3660.0)


class Stops(Watch):
    """Stops a search before its first trial."""

    def opened(self, core: Core, results: Any) -> None:
        core.stop("for a while")


def test_time_added_to_all_does_not_lengthen_a_run_that_is_limited(
    house: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    portfolio.begin(many("run", time_limit="60s", trials=1), house, watched(Stops()))
    left = ends(monkeypatch)
    watch = Watch(1, lambda core: extend_all("run", house, time_limit="+1h") and None)
    portfolio.go_on("run", house, watched(watch), seconds=40.0)
    assert left == [pytest.approx(40, abs=5), pytest.approx(40, abs=30)]
    assert standings.recorded("run", house).seconds == 3660.0


def test_a_halted_trial_that_is_ahead_is_not_ranked_but_told_of(
    house: str,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("INFO", "fesearch")  # not quiet
    name = "halted"
    made = many(name, families=["ridge", "irnet"], each={"irnet": {"space": SPACE}})
    portfolio.begin(made, house, watched(Watch(3, lambda core: core.stop("for a while"))))
    (trial,) = results(house, f"{name}-irnet")
    names = (f"{name}-ridge", f"{name}-irnet")
    ended = portfolio.Ended(made, names, {}, "", math.inf)
    _conclude(ended, house, Afterwards(), 0.0, "csv")
    out, err = capsys.readouterr()
    assert {line.split(",")[1] for line in out.splitlines()[1:]} == {f"{name}-ridge"}
    assert f"Trial 0 of {name}-irnet was halted at {trial.value:.4g}, better than all of its" in err


def test_what_each_family_has_reached_is_ranked_when_their_time_is_over(house: str) -> None:
    made = many("over", families=["ridge", "irnet"], each={"irnet": {"space": SPACE}})
    portfolio.begin(made, house, watched(Watch(3, lambda core: core.stop("for a while"))))
    assert [name for name, _ in standings.ahead("over", house)] == ["over-irnet"]
    with Store.open(house) as store, store.write() as connection:  # begun on a larger machine
        row = store.study("over-irnet")
        definition = {**row.definition, "study": {**row.definition["study"], "cpus": 9999}}
        here = sa.update(STUDIES).where(STUDIES.c.id == row.id)
        connection.execute(here.values(definition=definition))
    portfolio._conclude(made, house, math.inf, Looks(), Halt())
    assert standings.ahead("over", house) == []
    (trial,) = results(house, "over-irnet")
    assert (trial.state, trial.reason) == (TrialState.PRUNED, LATE)
