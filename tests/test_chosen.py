"""What an export is of: the best of a search over families, or an ensemble of what it has."""

import json
from pathlib import Path

import pytest
import searched

from fesearch.cli.app import run
from fesearch.errors import InputError, NoResultError
from fesearch.export import export
from fesearch.handle import PortfolioHandle
from fesearch.joint import holdout_ensemble
from fesearch.ranking.rank import tables


@pytest.fixture
def families(studies: str) -> str:
    """The URL of a store with the search ``all``, one family of which has no usable trial."""
    searched.search(studies, "empty", "ridge", [])
    searched.join(studies, "all", ["empty", "nets", "forests"])
    return studies


def test_a_family_without_a_usable_trial_is_left_out_and_that_is_said(
    families: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "model"
    assert run(["export", "all", "--ensemble", "4", "--to", str(to), "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert "Left out: 'empty' has no usable trial." in err
    picked = {name.rpartition(":")[0] for name in json.loads(out)["picks"]}
    assert picked <= {"nets", "forests"}
    same = export("nets", families, tmp_path / "same", ensemble=4, others=["forests"])
    assert {f"{one.trained.study}:{one.trained.trial}": one.picks for one in same.members} == (
        json.loads(out)["picks"]
    )
    assert PortfolioHandle("all", families).export(tmp_path / "python", ensemble=4).members
    assert holdout_ensemble(["all"], families, 4).new == 1


def test_an_ensemble_of_one_model_is_said_to_be_one(
    studies: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    searched.search(studies, "alone", "random_forest", [searched.SMALL_FOREST])
    assert run(["export", "alone", "--ensemble", "4", "--to", str(tmp_path / "model")]) == 0
    said = "The ensemble is one model: no mean is better than trial 0 of 'alone' alone on"
    assert said in capsys.readouterr().err
    assert run(["export", "alone", "--ensemble", "1", "--to", str(tmp_path / "one")]) == 0
    assert "The ensemble is one model" not in capsys.readouterr().err


def test_a_study_that_is_named_is_not_left_out(families: str, tmp_path: Path) -> None:
    with pytest.raises(NoResultError, match="'empty' has no usable trial yet"):
        export("nets", families, tmp_path / "model", ensemble=4, others=["empty"])
    searched.join(families, "none", ["empty"])
    with pytest.raises(NoResultError, match="'empty' has no usable trial yet"):
        export("none", families, tmp_path / "model", ensemble=4)


def test_the_best_model_of_all_families_is_exported_by_the_name_of_their_search(
    families: str, tmp_path: Path
) -> None:
    best = tables(families, studies=["all"])[0].entries[0].trial
    card = export("all", families, tmp_path / "model")
    assert (card.trained.study, card.trained.trial) == (best.study, best.number)
    assert PortfolioHandle("all", families).export(tmp_path / "python").trained == card.trained
    with pytest.raises(InputError) as caught:
        export("all", families, tmp_path / "other", trial=1)
    assert str(caught.value) == (
        "'all' is a search over many families, and each numbers its trials: --trial 1 is one of "
        "any.\nName the study too: nets, forests, empty"
    )
