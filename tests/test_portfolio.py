"""One search over many families: its keys, its turns, and what an interruption leaves."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import pytest
import searched
from driven import results
from portfolios import FAMILIES, many, spent
from small import SPACE, Watch, furnished

from fesearch.classical import affordable
from fesearch.cli.app import run as command
from fesearch.errors import FesearchError, InputError, StudyNotFoundError
from fesearch.families import krr
from fesearch.portfolio import Portfolio
from fesearch.record import TrialState
from fesearch.search import portfolio, standings
from fesearch.search.core import Core
from fesearch.search.portfolio import Looks
from fesearch.search.shares import Turn
from fesearch.store.results import Store
from fesearch.studyfile import read


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a store that has no studies yet, beside data and features."""
    with furnished(tmp_path_factory.mktemp("house")) as url:
        yield url


class Followed:
    """Looks that remember."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.left_out: dict[str, str] = {}
        self.looks = Looks(turn=self.turns.append, left_out=self.left_out.__setitem__)


def test_the_best_family_gets_most_and_all_have_a_chance(house: str) -> None:
    followed = Followed()
    ended = portfolio.begin(many("all"), house, followed.looks)
    assert [turn.family for turn in followed.turns][:3] == FAMILIES
    shares = spent("all", house)
    assert sum(shares.values()) == 12
    best = min(standings.members("all", house), key=lambda one: one.best or 9.0)
    assert shares[best.study.definition["study"]["family"]] == max(shares.values()) == 10
    assert ended.studies == tuple(f"all-{family}" for family in FAMILIES)
    assert (ended.stopped, dict(ended.left_out)) == ("", {})
    keys = {one.study.key for one in standings.members("all", house)}
    assert len(keys) == 1  # one division


def test_interrupted_and_resumed_it_takes_the_same_turns(house: str) -> None:
    portfolio.begin(many("whole"), house)
    watch = Watch(5, lambda core: core.stop("interrupted"))
    ended = portfolio.begin(many("halted"), house, Looks(watching=lambda: nullcontext([watch])))
    assert ended.stopped == "interrupted"
    assert sum(spent("halted", house).values()) < 12
    portfolio.go_on("halted", house)
    assert spent("halted", house) == spent("whole", house)
    for family in FAMILIES:
        assert results(house, f"halted-{family}") == results(house, f"whole-{family}")


def test_time_is_shared_until_nobody_can_go_on(house: str) -> None:
    followed = Followed()
    ended = portfolio.begin(many("timed", time_limit="60s", trials=2), house, followed.looks)
    assert [(turn.family, turn.amount) for turn in followed.turns[:3]] == [
        (family, pytest.approx(60 / 4 / 3, rel=0.3)) for family in FAMILIES
    ]
    assert spent("timed", house) == dict.fromkeys(FAMILIES, 2)
    assert ended.stopped == ""


def test_a_trial_may_go_on_beyond_its_familys_turn_for_as_long_as_a_trial_may_take(
    house: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans: list[tuple[float, float]] = []
    begin = portfolio.start

    def start(*words: Any, **keys: Any) -> Any:
        spans.append((keys["seconds"], keys["overrun"]))
        return begin(*words, **keys)

    monkeypatch.setattr(portfolio, "start", start)
    portfolio.begin(many("beyond", time_limit="60s", trials=1), house)
    assert [turn for turn, _ in spans] == [pytest.approx(60 / 4 / 3, rel=0.3)] * 3
    assert [beyond for _, beyond in spans] == [60 / 6] * 3
    del spans[:]
    portfolio.begin(many("slow", time_limit="60s", trials=1, trial_time_limit="1h"), house)
    wholes = [turn + beyond for turn, beyond in spans]
    assert 60 >= wholes[0] > wholes[1] > wholes[2] >= spans[2][0]  # not beyond the whole


def test_a_run_that_is_limited_stops_and_can_go_on(house: str) -> None:
    made = many("limited", trials=6)
    portfolio.begin(replace(made, trials=3), house)
    ended = portfolio.go_on("limited", house, seconds=0.0)
    assert ended.stopped == "the time limit is reached"
    assert sum(spent("limited", house).values()) == 3
    assert portfolio.go_on("limited", house).stopped == ""
    assert sum(spent("limited", house).values()) == 6


def test_a_family_that_the_data_do_not_suit_is_left_out(
    house: str,
) -> None:
    followed = Followed()
    made = many("kernels", families=["ridge", "rnn"], each={"rnn": {"features": "magpie"}})
    ended = portfolio.begin(made, house, followed.looks)
    assert list(followed.left_out) == ["rnn"]
    assert ended.left_out == followed.left_out
    assert spent("kernels", house) == {"ridge": 12}


def test_what_to_type_for_a_family_that_is_left_out_is_of_that_family_alone(house: str) -> None:
    followed = Followed()
    made = many("evolved", families=["ridge", "dnn"], sampler="cmaes", trials=2, max_epochs=1)
    portfolio.begin(made, house, followed.looks)
    assert "--set each.ridge.sampler=tpe" in followed.left_out["ridge"]
    assert "--sampler" not in followed.left_out["ridge"]
    [said] = re.findall(r"--set (each\.ridge\.sampler=\w+)", followed.left_out["ridge"])
    assert read("ridge", None, (said,))["each"] == {"ridge": {"sampler": "tpe"}}


def test_a_family_that_no_trial_has_the_time_for_is_left_out_before_its_first_turn(
    house: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(krr, "KERNEL_SECONDS", 1e-4)  # 33 s for the rows here
    keys: dict[str, Any] = {"families": ["krr", "ridge"], "time_limit": "60s", "trials": 1}
    followed = Followed()
    portfolio.begin(many("costly", **keys), house, followed.looks)
    assert [turn.family for turn in followed.turns[:2]] == ["krr", "ridge"]
    assert spent("costly", house) == {"ridge": 1}
    why = followed.left_out["krr"]
    assert why.startswith("krr on 48 training rows takes about 34s for its first config; ")
    assert "a trial may take 10s" in why
    [rows] = re.findall(r"--set each\.krr\.(space\.rows=\d+);", why)
    assert "--set each.krr.trial_time_limit=34s" in why
    less = read("ridge", None, (f"each.krr.{rows}",))["each"]
    portfolio.begin(many("less", **keys, each=less), house)
    assert spent("less", house) == {"krr": 1, "ridge": 1}


def test_a_family_whose_memory_others_have_taken_is_left_out_for_this_run(
    house: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = many("shrunk", families=["krr", "ridge"], trials=24)
    portfolio.begin(replace(made, trials=2), house)
    assert spent("shrunk", house) == {"krr": 1, "ridge": 1}
    followed = Followed()
    with monkeypatch.context() as patch:
        patch.setattr(affordable, "free_memory", lambda: 1000)
        ended = portfolio.begin(replace(made, trials=16), house, followed.looks, or_resume=True)
    assert followed.left_out["krr"].startswith("krr on 48 training rows takes about ")
    assert ended.studies == ("shrunk-krr", "shrunk-ridge")
    assert spent("shrunk", house) == {"krr": 1, "ridge": 15}
    portfolio.go_on("shrunk", house)
    assert spent("shrunk", house)["krr"] > 1


def test_where_no_family_can_be_trained_the_reason_is_told(house: str) -> None:
    made = many("none", families=["rnn"], each={"rnn": {"features": "magpie"}})
    with pytest.raises(InputError, match="rnn"):
        portfolio.begin(made, house)
    assert standings.members("none", house) == []


def test_a_taken_name_and_an_unknown_one_are_refused(house: str) -> None:
    portfolio.begin(many("taken", trials=3), house)
    with pytest.raises(InputError) as caught:
        portfolio.begin(many("taken"), house)
    assert caught.value.message == "There is a search 'taken' already."
    assert "fesearch study resume taken (or add --or-resume)" in (caught.value.hint or "")
    with pytest.raises(StudyNotFoundError):
        standings.recorded("takes", house)
    with pytest.raises(FesearchError, match="'taken-ridge' is a single study"):
        standings.recorded("taken-ridge", house)


def test_a_stop_before_the_first_trial_stops_all(house: str) -> None:
    class Stops(Watch):
        def opened(self, core: Core, results: Any) -> None:
            core.stop("interrupted")

    ended = portfolio.begin(many("early"), house, Looks(watching=lambda: nullcontext([Stops()])))
    assert (ended.stopped, ended.studies) == ("interrupted", ("early-decision_tree",))
    assert ended.left_out == {}


def test_a_stop_from_elsewhere_counts_though_a_turn_ends_before_its_driver_looks(
    house: str,
) -> None:
    """A driver looks for one each 15 seconds."""

    def ask(core: Core) -> None:
        with Store.open(house) as store:
            store.request_stop(store.study(core.settings.name))

    watch = Watch(1, ask)
    ended = portfolio.begin(many("asked"), house, Looks(watching=lambda: nullcontext([watch])))
    assert (ended.stopped, ended.studies) == ("stopped on request", ("asked-decision_tree",))
    assert portfolio.go_on("asked", house).stopped == ""


def test_what_is_wrong_with_a_family_that_was_trained_is_not_passed_over(
    house: str,
) -> None:
    portfolio.begin(many("driven", trials=3), house)
    with Store.open(house) as store:
        held = store.acquire(store.study("driven-decision_tree"))
        with pytest.raises(InputError, match="is being driven by"):
            portfolio.begin(_more("driven"), house, or_resume=True)
        store.release(held)


def _more(name: str) -> Portfolio:
    """The same portfolio, with more to spend than it was begun with."""
    return replace(many(name, trials=3), trials=24)


def test_halted_trials_count_by_their_value_and_are_not_spent(house: str) -> None:
    nets = many(
        "halted-nets", families=["irnet", "ridge"], trials=4, each={"irnet": {"space": SPACE}}
    )
    watch = Watch(3, lambda core: core.stop("interrupted"))
    portfolio.begin(nets, house, Looks(watching=lambda: nullcontext([watch])))
    [first, _] = standings.standings(nets, house, {})
    with Store.open(house) as store:
        [trial] = store.trials(store.study("halted-nets-irnet"))
    assert trial.state is TrialState.RUNNING
    assert (first.spent, first.loss) == (0.0, trial.value)
    portfolio.go_on("halted-nets", house)
    with Store.open(house) as store:
        assert all(one.state.finished for one in store.trials(store.study("halted-nets-irnet")))


def ends_itself(*said: object) -> None:
    """SIGTERM to this process, as at the end of a batch job."""
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    ("irnet", "ridge", "expected"),
    [
        ({"cpus": 2, "gpus": 1}, {}, (None, 1, None)),
        ({"cpus": 2, "gpus": 1}, {"cpus": 4}, (4, 1, None)),
    ],
)
def test_ray_has_what_the_widest_family_wants(
    irnet: dict[str, Any],
    ridge: dict[str, Any],
    expected: tuple[Any, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from fesearch import raysession

    begun: list[tuple[Any, ...]] = []
    monkeypatch.setattr(raysession, "session", lambda *words: nullcontext(begun.append(words)))
    each = {"irnet": irnet, "ridge": ridge}
    with portfolio._ray_kept(many("wide", families=["irnet", "ridge"], runner="ray", each=each)):
        assert begun == [expected]


def test_sigterm_between_two_turns_stops_all(house: str) -> None:
    @contextmanager
    def until_after() -> Iterator[list[Any]]:
        yield []
        ends_itself()

    before = signal.getsignal(signal.SIGTERM)
    ended = portfolio.begin(many("after"), house, Looks(watching=until_after))
    assert (ended.stopped, ended.studies) == ("interrupted", ("after-decision_tree",))
    ended = portfolio.go_on("after", house, Looks(turn=ends_itself))
    assert ended.stopped == "interrupted"
    assert spent("after", house) == {"decision_tree": 1, "ridge": 0}  # whose turn had begun
    assert signal.getsignal(signal.SIGTERM) is before
    assert portfolio.go_on("after", house).stopped == ""


def test_sigterm_before_the_first_trial_is_an_interruption(
    house: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at_first = portfolio.upcoming

    def upcoming(*words: Any) -> Any:
        ends_itself()
        return at_first(*words)

    monkeypatch.setattr(portfolio, "upcoming", upcoming)
    words = ["study", "start", "all_families", "--families", "ridge", "--data", searched.DATA]
    assert command([*words, "--set", "runner=inline", "--name", "never"]) == 130
    assert capsys.readouterr().err.endswith(
        "Stopped: interrupted.\nNothing of it is on record: type the command again.\nInterrupted.\n"
    )
    assert command(["study", "resume", "never"]) == 4  # there is nothing to go on with


def test_other_keys_are_not_taken_for_the_same_search(house: str) -> None:
    portfolio.begin(many("same", trials=3), house)
    with pytest.raises(InputError) as caught:
        portfolio.begin(many("same", trials=4), house, or_resume=True)
    assert caught.value.message == "The search 'same' was begun with trials = 3, not 4."
    assert portfolio.begin(many("same", trials=3, cpus=1), house, or_resume=True).stopped == ""
