"""One search over many families: its keys, its turns, and what an interruption leaves."""

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import searched
from driven import results
from small import SPACE, Watch, furnished

import fesearch
from fesearch import affordable
from fesearch.cli.afterwards import Afterwards
from fesearch.cli.app import run as command
from fesearch.errors import FesearchError, InputError, StudyNotFoundError
from fesearch.families import krr
from fesearch.portfolio import Portfolio, of_keys
from fesearch.record import TrialState
from fesearch.search import portfolio, start
from fesearch.search.core import Core
from fesearch.search.more import extend_all
from fesearch.search.portfolio import Looks
from fesearch.search.shares import Turn
from fesearch.store.results import Store
from fesearch.studyfile import read

FAMILIES = ["decision_tree", "ridge", "k_neighbors"]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a store that has no studies yet, beside data and features."""
    with furnished(tmp_path_factory.mktemp("house")) as url:
        yield url


def many(name: str, **keys: Any) -> Portfolio:
    """Twelve trials of three quick families."""
    given = {"families": FAMILIES, "data": searched.DATA, "runner": "inline", "trials": 12}
    given |= {"seed": 3, "preset": "full"}
    return of_keys({"name": name, **given, **keys}, name)


class Followed:
    """Looks that remember."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.left_out: dict[str, str] = {}
        self.looks = Looks(turn=self.turns.append, left_out=self.left_out.__setitem__)


def spent(name: str, url: str) -> dict[str, int]:
    """How many trials each family of a search has."""
    found = portfolio.members(name, url)
    return {one.study.definition["study"]["family"]: sum(one.trials.values()) for one in found}


def test_the_best_family_gets_most_and_all_have_a_chance(house: str) -> None:
    followed = Followed()
    ended = portfolio.begin(many("all"), house, followed.looks)
    assert [turn.family for turn in followed.turns][:3] == FAMILIES
    shares = spent("all", house)
    assert sum(shares.values()) == 12
    best = min(portfolio.members("all", house), key=lambda one: one.best or 9.0)
    assert shares[best.study.definition["study"]["family"]] == max(shares.values()) == 8
    assert ended.studies == tuple(f"all-{family}" for family in FAMILIES)
    assert (ended.stopped, dict(ended.left_out)) == ("", {})
    keys = {one.study.key for one in portfolio.members("all", house)}
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
        (family, pytest.approx(60 / 2 / 3)) for family in FAMILIES
    ]
    assert spent("timed", house) == dict.fromkeys(FAMILIES, 2)
    assert ended.stopped == ""


def test_a_trial_may_go_on_beyond_its_familys_turn_but_not_beyond_the_whole(
    house: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans: list[tuple[float, float]] = []
    begin = portfolio.start

    def start(*words: Any, **keys: Any) -> Any:
        spans.append((keys["seconds"], keys["overrun"]))
        return begin(*words, **keys)

    monkeypatch.setattr(portfolio, "start", start)
    portfolio.begin(many("beyond", time_limit="60s", trials=1), house)
    assert [turn for turn, _ in spans] == [pytest.approx(60 / 2 / 3)] * 3
    wholes = [turn + beyond for turn, beyond in spans]
    assert 60 >= wholes[0] > wholes[1] > wholes[2] >= spans[2][0]


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
    assert "a trial may take 8s" in why
    [rows] = re.findall(r"--set each\.krr\.(space\.rows=\d+);", why)
    assert "--set each.krr.trial_time_limit=34s" in why
    less = read("ridge", None, (f"each.krr.{rows}",))["each"]
    portfolio.begin(many("less", **keys, each=less), house)
    assert spent("less", house) == {"krr": 1, "ridge": 1}


def test_a_family_whose_memory_others_have_taken_is_left_out_for_this_run(
    house: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = many("shrunk", families=["krr", "ridge"])
    portfolio.begin(replace(made, trials=2), house)
    assert spent("shrunk", house) == {"krr": 1, "ridge": 1}
    followed = Followed()
    with monkeypatch.context() as patch:
        patch.setattr(affordable, "free_memory", lambda: 1000)
        ended = portfolio.begin(replace(made, trials=8), house, followed.looks, or_resume=True)
    assert followed.left_out["krr"].startswith("krr on 48 training rows takes about ")
    assert ended.studies == ("shrunk-krr", "shrunk-ridge")
    assert spent("shrunk", house) == {"krr": 1, "ridge": 7}
    portfolio.go_on("shrunk", house)
    assert spent("shrunk", house)["krr"] > 1


def test_where_no_family_can_be_trained_the_reason_is_told(house: str) -> None:
    made = many("none", families=["rnn"], each={"rnn": {"features": "magpie"}})
    with pytest.raises(InputError, match="rnn"):
        portfolio.begin(made, house)
    assert portfolio.members("none", house) == []


def test_a_taken_name_and_an_unknown_one_are_refused(house: str) -> None:
    portfolio.begin(many("taken", trials=3), house)
    with pytest.raises(InputError) as caught:
        portfolio.begin(many("taken"), house)
    assert caught.value.message == "There is a search 'taken' already."
    assert "fesearch study resume taken (or add --or-resume)" in (caught.value.hint or "")
    with pytest.raises(StudyNotFoundError):
        portfolio.recorded("takes", house)
    with pytest.raises(FesearchError, match="'taken-ridge' is a single study"):
        portfolio.recorded("taken-ridge", house)


def test_a_stop_before_the_first_trial_stops_all(house: str) -> None:
    class Stops(Watch):
        def opened(self, core: Core, results: Any) -> None:
            core.stop("interrupted")

    ended = portfolio.begin(many("early"), house, Looks(watching=lambda: nullcontext([Stops()])))
    assert (ended.stopped, ended.studies) == ("interrupted", ("early-decision_tree",))
    assert ended.left_out == {}


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
    return replace(many(name, trials=3), trials=12)


def test_halted_trials_count_by_their_value_and_are_not_spent(house: str) -> None:
    nets = many(
        "halted-nets", families=["irnet", "ridge"], trials=4, each={"irnet": {"space": SPACE}}
    )
    watch = Watch(3, lambda core: core.stop("interrupted"))
    portfolio.begin(nets, house, Looks(watching=lambda: nullcontext([watch])))
    [first, _] = portfolio._standings(nets, house, {})
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
    assert spent("after", house) == {"decision_tree": 2, "ridge": 0}  # whose turn had begun
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
    assert "Go on with:  fesearch study resume never" in capsys.readouterr().err


def test_other_keys_are_not_taken_for_the_same_search(house: str) -> None:
    portfolio.begin(many("same", trials=3), house)
    with pytest.raises(InputError) as caught:
        portfolio.begin(many("same", trials=4), house, or_resume=True)
    assert caught.value.message == "The search 'same' was begun with trials = 3, not 4."
    assert portfolio.begin(many("same", trials=3, cpus=1), house, or_resume=True).stopped == ""


def test_its_time_is_extended_and_goes_on(house: str, capsys: pytest.CaptureFixture[str]) -> None:
    begun = many("longer", trials=1, time_limit="60s")
    portfolio.begin(begun, house)
    assert command(["study", "extend", "longer", "--time-limit", "+1h", "--format", "csv"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == ["key,old,new", "time_limit,60s,1h1m"]
    assert "Go on with:  fesearch study resume longer" in err
    assert portfolio.recorded("longer", house).seconds == 3660.0
    assert portfolio.begin(begun, house, or_resume=True).portfolio.seconds == 3660.0
    with pytest.raises(InputError, match="was begun with time_limit = 1h1m, not 50s"):
        portfolio.begin(many("longer", trials=1, time_limit="50s"), house, or_resume=True)


def test_its_trials_are_extended_and_spent(house: str) -> None:
    portfolio.begin(many("more", trials=3), house)
    change = fesearch.open("more").extend(trials="+4")
    assert change == {"key": "trials", "old": 3, "new": 7}
    portfolio.go_on("more", house)
    assert sum(spent("more", house).values()) == 7
    portfolio.begin(many("more", trials=3), house, or_resume=True)
    assert sum(spent("more", house).values()) == 7


@pytest.mark.parametrize(
    ("asked", "message", "hint"),
    [
        ({}, "The families of 'fixed' share trials.", "Give --trials +50."),
        ({"time_limit": "+1h"}, "The families of 'fixed' share trials.", "Give --trials +50."),
        (
            {"max_epochs": 9},
            "'fixed' is a search over many families, each with an end of its own trials.",
            "Extend one of them: fesearch study extend fixed-… --max-epochs 9",
        ),
        (
            {"trials": "2"},
            "The study 'fixed' has begun 3 trials, so its budget cannot be 2.",
            "Give --trials 3 or more, or --trials +2.",
        ),
        (
            {"trials": "3"},
            "The budget of 'fixed' is that already: trials = 3.",
            "Give more, as in --trials +50.",
        ),
    ],
)
def test_an_extension_that_makes_no_sense_is_refused(
    asked: dict[str, Any], message: str, hint: str, house: str
) -> None:
    if not portfolio.members("fixed", house):
        portfolio.begin(many("fixed", trials=3), house)
    with pytest.raises(InputError) as caught:
        extend_all("fixed", house, **asked)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_sampler_and_rungs_suit_the_whole_budget(house: str) -> None:
    made = many("suited", trials=12, sampler="auto", families=["decision_tree", "k_neighbors"])
    assert made.settled_for == 12
    portfolio.begin(made, house)
    with Store.open(house) as store:
        found = {one.study.definition["study"]["sampler"] for one in store.portfolio("suited")}
    assert "qmc" not in found  # that is for ten trials or less
    assert many("timed", trials=None, time_limit="8m").settled_for == 100


def test_a_trial_of_a_timed_search_ends_in_time_to_be_ranked() -> None:
    timed = many("timed", trials=None, time_limit="8m")
    assert {study.trial_time_limit for study in timed.studies.values()} == {"60s"}
    asked = many("timed", trials=None, time_limit="8m", trial_time_limit="5m")
    assert {study.trial_time_limit for study in asked.studies.values()} == {"5m"}


def test_its_name_is_known_wherever_that_of_a_study_is(
    house: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    portfolio.begin(many("named", trials=3), house)
    assert command(["study", "status", "named", "--format", "csv"]) == 0
    out = capsys.readouterr().out
    assert [line.split(",")[0] for line in out.splitlines()[1:]] == [
        f"named-{family}" for family in FAMILIES
    ]
    assert command(["rank", "--study", "named", "--format", "json"]) == 0
    ranked = json.loads(capsys.readouterr().out)
    assert {row["study"] for row in ranked} == {f"named-{family}" for family in FAMILIES}
    assert command(["holdout", "named", "--format", "json"]) == 0
    [best] = json.loads(capsys.readouterr().out)
    assert (best["study"], best["trial"]) == (ranked[0]["study"], ranked[0]["trial"])
    assert command(["holdout", "named", "--best-per-family", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert [row["study"] for row in json.loads(out)] == [row["study"] for row in ranked]
    assert "On record as looks 2 to 4 at this test part" in err
    assert command(["holdout", "named", "--ensemble", "2", "--format", "json"]) == 0
    [joint] = json.loads(capsys.readouterr().out)
    assert set(joint["picks"]) <= {f"{row['study']}:{row['trial']}" for row in ranked}
    assert command(["report", "named", "--to", str(tmp_path / "report.html")]) == 0
    page = (tmp_path / "report.html").read_text()
    assert all(row["study"] in page for row in ranked)
    capsys.readouterr()
    assert command(["study", "stop", "named"]) == 2
    assert capsys.readouterr().err.startswith("The study 'named' is not running.\n")
    assert command(["study", "delete", "named", "--yes"]) == 0
    assert portfolio.members("named", house) == []


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"each": {"ridge": {"split": "kfold"}}}, "has each.ridge.split, but all families share"),
        ({"family": "irnet"}, "has both family = 'irnet' and families"),
        ({"families": "ridge,,lasso"}, "There is no family ''"),
        ({"families": ["ridge", "ridge"]}, "has the family 'ridge' twice"),
        ({"families": []}, "has families = []"),
        ({"families": 3}, "has families = 3"),
        ({"each": {"ridge": 3}}, "has each = {'ridge': 3}"),
        ({"each": {"rigde": {}}}, "There is no family 'rigde'"),
        ({"trials": None}, "has no budget for its 3 families to share"),
        ({"each": {"ridge": {"trails": 3}}}, "has an unknown key 'trails'"),
    ],
)
def test_wrong_keys_are_refused(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        many("wrong", **keys)
    assert said in caught.value.message


def test_keys_that_some_families_do_not_know_reach_the_others() -> None:
    made = many("mixed", families="irnet, ridge", max_epochs=7, time_limit="1m", trials=4)
    assert made.studies["irnet"].max_epochs == 7
    assert made.studies["ridge"].max_epochs is None
    assert {study.trials for study in made.studies.values()} == {4}
    assert {study.time_limit for study in made.studies.values()} == {None}
    assert (made.seconds, made.trials) == (60.0, None)
    assert of_keys(made.keys, "again") == made


def test_the_command_line(house: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["study", "start", "all_families", "--families", "ridge,decision_tree", "--trials", "4"]
    words += ["--data", searched.DATA, "--set", "runner=inline", "--name", "typed"]
    words += ["--set", "time_limit=1h"]
    assert command([*words, "--format", "csv"]) == 0
    out, err = capsys.readouterr()
    assert [line.split(",")[1] for line in out.splitlines()[1:]]
    assert "round 1 of 2: ridge, " in err
    assert "  fesearch export typed-" in err
    assert command(words) == 2
    assert capsys.readouterr().err.startswith("There is a search 'typed' already.\n")
    assert command([*words, "--or-resume"]) == 0
    capsys.readouterr()
    assert command(["study", "resume", "typed", "--take-over"]) == 2
    assert "each has a driver of its own" in capsys.readouterr().err


def test_the_best_are_scored_and_exported_within_the_limit(
    house: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["study", "start", "all_families", "--families", "ridge,decision_tree", "--trials", "2"]
    words += ["--data", searched.DATA, "--set", "runner=inline", "--name", "whole-way"]
    words += ["--time-limit", "2h", "--holdout", "--export", str(tmp_path / "model")]
    assert command(words) == 0
    out, err = capsys.readouterr()
    assert "round 1 of 2: ridge, 28m30s" in err
    assert "whole-way-ridge: test MAE " in err
    assert "sealed" not in out
    assert (tmp_path / "model" / "fesearch.json").is_file()
    assert command(words) == 2
    assert capsys.readouterr().err == (
        f"'{tmp_path}/model' exists already and is not an empty folder.\n"
        "Choose another --export, or remove it.\n"
    )


def test_one_study_is_scored_and_exported_too(
    house: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["study", "start", "ridge", "--data", searched.DATA, "--set", "runner=inline"]
    words += ["--trials", "1", "--name", "alone", "--holdout", "--export", str(tmp_path / "one")]
    assert command(words) == 0
    assert "alone: test MAE " in capsys.readouterr().err
    assert (tmp_path / "one" / "fesearch.json").is_file()


def test_the_winner_is_scored_whatever_the_time_and_the_others_while_there_is_some(
    house: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    portfolio.begin(many("short", trials=6), house)
    words = ["study", "resume", "short", "--time-limit", "0.001s", "--holdout"]
    assert command([*words, "--export", str(tmp_path / "best")]) == 0
    err = capsys.readouterr().err
    best = min(portfolio.members("short", house), key=lambda one: one.best or 9.0).study.name
    others = [name for name in (f"short-{family}" for family in FAMILIES) if name != best]
    assert err.count(": test MAE ") == 1
    assert f"{best}: test MAE " in err
    assert f"Not scored, since the time is over: {', '.join(others)}.\n" in err
    assert f"fesearch holdout {others[0]}" in err
    assert (tmp_path / "best" / "fesearch.json").is_file()


def test_a_search_that_goes_on_keeps_time_back_too(
    house: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    portfolio.begin(many("further", trials=3), house)
    words = ["study", "start", "ridge", "--data", searched.DATA, "--set", "runner=inline"]
    words += ["--trials", "1", "--name", "further-alone"]
    assert command(words) == 0
    given: list[float | None] = []

    def noted(*words: Any, seconds: float | None = None, **keys: Any) -> Any:
        given.append(seconds)
        raise InputError("That will do.", "")

    monkeypatch.setattr(portfolio, "go_on", noted)
    monkeypatch.setattr(start, "resume", noted)
    for name in ("further", "further-alone"):
        for options in (["--holdout"], ["--export", str(tmp_path / "kept")], []):
            assert command(["study", "resume", name, "--time-limit", "2h", *options]) == 2
    assert given == [6840.0, 6840.0, 7200.0] * 2


@pytest.mark.parametrize(("limit", "left"), [(10.0, 5.0), (100.0, 70.0), (7200.0, 6840.0)])
def test_what_is_kept_back_of_a_limit(limit: float, left: float) -> None:
    assert Afterwards(holdout=True).left(limit) == left
    assert Afterwards().left(limit) == limit
    assert Afterwards(holdout=True).left(1e6) == 1e6 - 600
