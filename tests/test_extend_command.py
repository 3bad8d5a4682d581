"""Extensions as they are typed, and what leaves nothing to be extended."""

import json
from pathlib import Path

import pytest
from driven import results
from longer import ends, four_epochs
from small import SPACE, small

from fesearch.cli.app import run
from fesearch.errors import InputError
from fesearch.record import TrialState
from fesearch.search import start
from fesearch.search.extend import Extension, extend
from fesearch.search.folder import study_folder


def test_a_space_that_is_all_in_the_budget_is_not_extended(url: str) -> None:
    two = {**SPACE, "activation": "relu", "loss": "mae", "optimizer": "adam"}
    start.start(small(space={**two, "learning_rate": [0.01, 0.001]}, trials=50), url)
    with pytest.raises(InputError, match="The space of 'deep' has 2 configs, and its budget is"):
        extend("deep", url, trials="+5")


def test_families_that_count_trees_have_no_epochs_to_extend(url: str) -> None:
    forest = small(family="random_forest", space={"n_estimators": 20}, max_epochs=None, trials=1)
    start.start(forest, url)
    with pytest.raises(InputError) as caught:
        extend("deep", url, max_epochs=300)
    assert caught.value.message == "max_epochs is 300, but random_forest counts trees."
    assert ends(url) == set()


def test_or_resume_takes_an_extended_study_for_the_one_it_was(url: str) -> None:
    start.start(small(trials=2), url)
    extend("deep", url, trials="3")
    extend("deep", url, trials="4")
    assert len(start.start(small(trials=2), url, or_resume=True).results) == 4
    assert len(start.start(small(trials=4), url, or_resume=True).results) == 4
    with pytest.raises(InputError, match="was started with trials = 2, not 5"):
        start.start(small(trials=5), url, or_resume=True)


def test_the_command_line(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    four_epochs(url)
    assert run(["study", "extend", "deep", "--max-epochs", "9", "--format", "json"]) == 0
    told = capsys.readouterr()
    assert [(one["key"], one["old"], one["new"]) for one in json.loads(told.out)] == [
        ("max_epochs", 4, 9)
    ]
    assert told.err == (
        "\nTrials 0, 1, 2 go on to the new end, each as a new trial.\n"
        "Go on with:  fesearch study resume deep\n"
    )
    assert run(["study", "show", "deep"]) == 0
    shown = capsys.readouterr().out
    assert "max_epochs 4 → 9 at 20" in shown
    assert run(["study", "show", "deep", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["changes"][0]["key"] == "max_epochs"
    assert run(["study", "resume", "deep"]) == 0
    said = capsys.readouterr().err
    assert "trial 3 goes on from trial 0\n" in said
    assert "6 of 6, best MAE" in said
    assert run(["trials", "show", "deep", "3", "--format", "json"]) == 0
    shown_trial = json.loads(capsys.readouterr().out)
    assert (shown_trial["parent"], shown_trial["origin"]) == (0, "goes on from trial 0")
    assert run(["study", "status", "deep", "--format", "json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["trials"], status["budget"]) == (6, 6)


def test_an_extension_says_what_it_has_done(url: str) -> None:
    start.start(small(trials=1, max_epochs=2), url)
    extension = extend("deep", url, time_limit="90m")
    assert isinstance(extension, Extension)
    assert extension.ends is None
    assert extension.row.definition["study"]["time_limit"] == "1h30m"
    assert results(url, "deep")[0].state is TrialState.COMPLETE
    assert Path(study_folder(extension.row)).is_dir()
