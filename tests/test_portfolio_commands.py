"""A search over many families as it is typed: its keys, its name, what is scored and exported."""

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import searched
from portfolios import FAMILIES, many
from small import furnished

from fesearch.cli import afterwards
from fesearch.cli import portfolio as many_families
from fesearch.cli.afterwards import Afterwards
from fesearch.cli.app import run as command
from fesearch.errors import InputError, NoResultError
from fesearch.portfolio import of_keys
from fesearch.search import portfolio, standings, start
from fesearch.store.studies import PORTFOLIO


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a store that has no studies yet, beside data and features."""
    with furnished(tmp_path_factory.mktemp("house")) as url:
        yield url


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
    assert standings.members("named", house) == []


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"each": {"ridge": {"split": "kfold"}}}, "has each.ridge.split, but all families share"),
        ({"each": {"ridge": {"address": "h:1"}}}, "has each.ridge.address, but all families share"),
        ({"family": "irnet"}, "has both family = 'irnet' and families"),
        ({"families": "ridge,,lasso"}, "There is no family ''"),
        ({"families": ["ridge", "ridge"]}, "has the family 'ridge' twice"),
        ({"families": []}, "has families = []"),
        ({"families": 3}, "has families = 3"),
        ({"each": {"ridge": 3}}, "has each = {'ridge': 3}"),
        ({"each": {"rigde": {}}}, "There is no family 'rigde'"),
        ({"trials": None}, "has no budget for its 3 families to share"),
        ({"warm_start": "old"}, "has warm_start = old, which is of one family, and 3 families."),
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


def test_the_best_are_scored_and_exported_within_the_limit(
    house: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["study", "start", "all_families", "--families", "ridge,decision_tree", "--trials", "2"]
    words += ["--data", searched.DATA, "--set", "runner=inline", "--name", "whole-way"]
    words += ["--time-limit", "2h", "--holdout", "--export", str(tmp_path / "model")]
    assert command(words) == 0
    out, err = capsys.readouterr()
    assert "round 1 of 2: ridge, 14m15s\n" in err
    assert "whole-way-ridge: test MAE " in err
    assert "sealed" not in out
    assert (tmp_path / "model" / "fesearch.json").is_file()
    assert command(words) == 2
    assert capsys.readouterr().err == (
        f"'{tmp_path}/model' exists already and is not an empty folder.\n"
        "Choose another --export, or remove it.\n"
    )
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "model").iterdir()}
    assert command([*words, "--or-resume"]) == 0, "a job script may be repeated"
    again = capsys.readouterr().err
    scores = re.compile(r"whole-way-\w+: test MAE .*")
    assert scores.findall(again) == scores.findall(err), "no further look"
    assert f"The best model is in {tmp_path}/model\n" in again
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "model").iterdir()} == before


def test_one_study_is_scored_and_exported_too(
    house: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["study", "start", "ridge", "--data", searched.DATA, "--set", "runner=inline"]
    words += ["--trials", "1", "--name", "alone", "--holdout", "--export", str(tmp_path / "one")]
    assert command(words) == 0
    assert "alone: test MAE " in capsys.readouterr().err
    assert (tmp_path / "one" / "fesearch.json").is_file()
    other = ["study", "start", "decision_tree", *words[3:9], "--name", "other", "--or-resume"]
    assert command([*other, "--export", str(tmp_path / "one")]) == 2
    assert capsys.readouterr().err == (
        f"'{tmp_path}/one' has a model of alone.\nChoose another --export, or remove it.\n"
    ), "before the search"
    assert command(["study", "delete", "alone", "--yes"]) == 0
    again = [*words[:9], "--set", "space.alpha=0.5", *words[9:], "--or-resume"]
    assert command(again) == 2, "what was deleted has left the model"
    assert capsys.readouterr().err.endswith(
        f"'{tmp_path}/one' has another model than the best of 'alone', which an earlier run has "
        "left.\nType: fesearch export alone --to ANOTHER-FOLDER\n"
    )


def test_a_score_that_is_not_finite_is_said_and_the_model_exported(
    house: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["study", "start", "ridge", "--data", searched.DATA, "--set", "runner=inline"]
    words += ["--trials", "1", "--name", "odd", "--holdout", "--export", str(tmp_path / "odd")]
    best = afterwards._best

    def without(names: Sequence[str], url: str) -> Any:
        row, trial, look = best(names, url)
        return row, trial, look and replace(look, scores={**look.scores, "mae": None})

    monkeypatch.setattr(afterwards, "_best", without)
    assert command(words) == 0
    capsys.readouterr()
    assert command([*words, "--or-resume"]) == 0
    assert "odd: test MAE not finite (trial 0, look " in capsys.readouterr().err


def test_the_winner_is_scored_whatever_the_time_and_the_others_while_there_is_some(
    house: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    portfolio.begin(many("short", trials=6), house)
    words = ["study", "resume", "short", "--time-limit", "0.001s", "--holdout"]
    assert command([*words, "--export", str(tmp_path / "best")]) == 0
    err = capsys.readouterr().err
    best = min(standings.members("short", house), key=lambda one: one.best or 9.0).study.name
    others = [name for name in (f"short-{family}" for family in FAMILIES) if name != best]
    assert err.count(": test MAE ") == 1
    assert f"{best}: test MAE " in err
    assert f"Not scored, since the time is over: {', '.join(others)}.\n" in err
    assert f"fesearch holdout {others[0]}" in err
    assert (tmp_path / "best" / "fesearch.json").is_file()


def test_what_a_family_without_a_usable_trial_got_is_said_and_it_is_not_to_be_scored(
    house: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = many("bare")
    noted = {PORTFOLIO: dict(made.keys)}
    start.start(made.studies["ridge"], house, seconds=1e-9, noted=noted)
    tree = made.studies["decision_tree"].model_copy(update={"trials": 1})
    start.start(tree, house, noted=noted)
    assert command(["study", "resume", "bare", "--time-limit", "0.001s", "--holdout"]) == 0
    err = capsys.readouterr().err
    assert "bare-decision_tree: test MAE " in err
    assert "Not scored" not in err
    assert re.search(r"\nbare-ridge is not ranked: 0 trials in \d+s, none of use yet.\n", err)
    assert "\nbare-k_neighbors is not ranked: it has had no turn yet.\n" in err
    assert "bare-decision_tree is not" not in err


def test_time_that_is_over_before_the_first_turn_leaves_nothing_to_go_on_with(
    house: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = portfolio.Ended(many("too-short", time_limit="1s"), (), {}, "", math.inf)
    with pytest.raises(NoResultError) as caught:
        many_families._conclude(ended, house, Afterwards(), 0.0, "table")
    assert (caught.value.message, caught.value.hint) == (
        "No family of 'too-short' has been trained yet.",
        "Nothing of it is on record: type the command again, with a longer --time-limit.",
    )


def test_a_budget_that_is_spent_without_a_usable_trial_wants_more(house: str) -> None:
    made = many("none-yet", families=["ridge"], time_limit="60s")
    noted = {PORTFOLIO: dict(made.keys)}
    start.start(made.studies["ridge"], house, seconds=1e-9, noted=noted)
    ended = portfolio.Ended(made, ("none-yet-ridge",), {}, "", math.inf)
    with pytest.raises(NoResultError) as caught:
        many_families._conclude(ended, house, Afterwards(), 0.0, "table")
    said = "The budget of 'none-yet' is spent, and no trial is usable yet."
    assert caught.value.message == said
    assert (caught.value.hint or "").splitlines() == [
        "Give it more:  fesearch study extend none-yet --time-limit +1h",
        "Go on with:  fesearch study resume none-yet",
    ]


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
