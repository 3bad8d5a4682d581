"""From a table of pandas to a model: what ``import fesearch`` gives, in a folder of its own."""

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import searched

import fesearch
from fesearch import handle, library
from fesearch.bundle import open_bundle
from fesearch.cli.app import run as command
from fesearch.errors import InputError, NoDatabaseError, NoResultError, StudyNotFoundError, quoted
from fesearch.handle import PortfolioHandle, StudyHandle
from fesearch.search.core import INTERRUPTED
from fesearch.store.how import Trained

TREE: dict[str, Any] = {"family": "decision_tree", "preset": "full", "runner": "inline", "seed": 1}
EVIL = "<script>alert(1)</script>"


def table() -> pd.DataFrame:
    """60 alloys with an energy that follows from their elements, and a column nobody asks for."""
    energies = [0.01 * sum(map(ord, text)) - 3 for text in searched.FORMULAS]
    return pd.DataFrame({"formula": searched.FORMULAS, "e_form": energies, "note": EVIL})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder in which all of these studies are, as a notebook's would be."""
    folder = tmp_path_factory.mktemp("api")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for variable in ("FESEARCH_STORAGE", "FESEARCH_ARTIFACTS"):
            patch.delenv(variable, raising=False)
        patch.setenv("FESEARCH_CACHE_DIR", str(folder / "cache"))
        yield folder


@pytest.fixture(scope="module")
def study(place: Path) -> StudyHandle:
    """Four trees on the table."""
    found = fesearch.search(table(), target="e_form", trials=4, name="trees", **TREE)
    assert isinstance(found, StudyHandle)
    return found


def test_is_silent_and_keeps_the_study_in_the_store(
    place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = fesearch.search(table(), "e_form", trials=1, **TREE)
    assert capfd.readouterr() == ("", "")
    data = found.summaries()[0].study.definition["study"]["data"]
    assert found.name == f"decision_tree-{data}"
    assert data.startswith("frame-")
    assert (place / "fesearch.db").is_file()
    assert command(["data", "show", data]) == 0
    assert "e_form" in capfd.readouterr().out


def test_shows_the_live_lines_when_asked(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = fesearch.search(table(), "e_form", trials=1, name="seen", progress=True, **TREE)
    out, err = capfd.readouterr()
    assert out == ""
    assert "study seen: 1 trial\ntrial 0 COMPLETE" in err
    found.delete()
    with pytest.raises(StudyNotFoundError):
        fesearch.open("seen")


def test_has_trials_ranking_and_best(study: StudyHandle) -> None:
    trials = study.trials
    assert [trial.number for trial in trials] == [0, 1, 2, 3]
    values = [trial.value for trial in trials if trial.value is not None]
    assert study.best.value == min(values)
    [ranked] = study.rank().rows()
    assert (ranked["trial"], ranked["val_mae"]) == (study.best.number, study.best.value)
    assert ranked["test_mae"] is None
    assert len(study.rank(every=True)[0].entries) == 4
    frame = study.to_dataframe()
    assert frame["value"].tolist() == values
    assert (
        frame.loc[study.best.number, "config.min_samples_leaf"]
        == (study.best.config["min_samples_leaf"])
    )
    assert study.rank().to_dataframe().loc[0, "family"] == "decision_tree"


def test_predicts_what_its_export_predicts(study: StudyHandle, tmp_path: Path) -> None:
    card = study.export(tmp_path / "model")
    assert card.members[0].trained.trial == study.best.number
    predicted = study.predict(["TiNi", "AlCu"])
    again = open_bundle(tmp_path / "model")
    assert predicted.tolist() == again.predict(["TiNi", "AlCu"]).tolist()
    assert study.predict("TiNi").tolist() == predicted[:1].tolist()
    assert study.model() is study.model()
    several = study.model(ensemble=2)
    assert sum(member.picks for member in several.card.members) == 2
    with pytest.raises(InputError, match="'decision_tree', which is no network"):
        study.export(tmp_path / "program", program="onnx")


def test_looks_at_the_test_part_on_record(study: StudyHandle) -> None:
    found = study.holdout(top=1)
    assert found.new == 1
    assert study.rank()[0].entries[0].test == found.scored[0].look.value
    assert study.holdout().earlier == 1


def test_the_mean_that_is_exported_can_be_scored(study: StudyHandle, tmp_path: Path) -> None:
    (scored,) = study.holdout(ensemble=3).scored
    look = scored.look
    card = study.export(tmp_path / "mean", ensemble=3)
    assert look.how.trained is Trained.ENSEMBLE
    assert look.how.picks == {
        f"{one.trained.study}:{one.trained.trial}": one.picks for one in card.members
    }
    assert len(study.holdout(ensemble=3, over="kfold:k=2").scored) == 2
    with pytest.raises(TypeError, match="unexpected keyword argument 'top'"):
        study.holdout(ensemble=3, top=2)


def test_goes_on_with_more(study: StudyHandle) -> None:
    before = len(study.trials)
    assert study.extend(trials="+1").changes[0]["new"] == before + 1
    study.enqueue({"min_samples_leaf": 7})
    assert study.resume() is study
    assert study.trials[-1].config["min_samples_leaf"] == 7
    assert len(study.trials) == before + 1
    with pytest.raises(InputError, match="so its budget cannot be 2"):
        study.extend(trials=2)


@pytest.mark.slow
def test_writes_report_archive_and_analyses(study: StudyHandle, tmp_path: Path) -> None:
    assert "trees" in study.report(tmp_path / "report.html").read_text()
    assert len(study.analyse("parity").detail) > 0
    assert study.archive(tmp_path / "trees.zip").is_file()
    assert all(one.same for one in study.replay(best=1))


def test_a_notebook_shows_it_escaped(place: Path, study: StudyHandle) -> None:
    assert repr(study).startswith("<study 'trees': ")
    assert f"best validation MAE {study.best.value:.4g} eV/atom>" in repr(study)
    shown = study._repr_html_()
    assert "Study trees" in shown
    assert "min_samples_leaf=" in shown
    frame = table().rename(columns={"e_form": EVIL})
    found = fesearch.search(frame, EVIL, trials=1, name="evil", **TREE)
    (entry,) = found.rank()[0].entries
    assert repr(found.rank()) == (
        f"<ranking {quoted(found.rank()[0].data + ', ' + EVIL, 80)}: 1 entry on "
        f"{found.rank()[0].division.spec}, best {entry.trial.family} (trial 0 of 'evil'), "
        f"validation MAE {entry.trial.value:.4g} eV/atom>"
    )
    for one in (found, found.rank(), fesearch.studies()):
        assert "<script" not in one._repr_html_()
    assert "&lt;script&gt;" in found._repr_html_()


def test_opens_and_lists_what_is_in_the_store(place: Path, study: StudyHandle) -> None:
    assert "trees" in fesearch.studies().names
    assert "<study 'trees': " in repr(fesearch.studies())
    assert set(fesearch.studies().to_dataframe()["name"]) == set(fesearch.studies().names)
    again = fesearch.open("trees")
    assert again.best == study.best
    assert pickle.loads(pickle.dumps(again)).best == study.best
    with pytest.raises(StudyNotFoundError, match="trees"):
        fesearch.open("treees")
    with pytest.raises(NoDatabaseError):
        fesearch.studies(storage=f"sqlite:///{place}/none.db")


def test_refuses_what_the_command_line_refuses(study: StudyHandle) -> None:
    with pytest.raises(InputError, match="unknown key 'trails'") as refused:
        fesearch.search(table(), "e_form", trails=3)
    assert "Did you mean 'trials'?" in refused.value.hint
    with pytest.raises(InputError, match="There is a study 'trees' already"):
        fesearch.search(table(), "e_form", name="trees", **TREE)
    with pytest.raises(InputError, match="No target column was given"):
        fesearch.search(table())
    with pytest.raises(InputError, match=r"no .*data set .*'nothing'"):
        fesearch.search("nothing", name="new", **TREE)
    again = fesearch.search(
        table(), "e_form", name="trees", or_resume=True, trials=len(study.trials), **TREE
    )
    assert again.trials == study.trials


def test_takes_a_study_file(place: Path) -> None:
    Path("mine.toml").write_text('family = "ridge"\ntrials = 3\nrunner = "inline"\n')
    data = library.listing()[0].name
    found = fesearch.search(data, study="mine.toml", trials=1)
    assert (found.name, len(found.trials), found.best.family) == ("mine", 1, "ridge")


def test_searches_families_under_one_budget(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    families = ["decision_tree", "ridge"]
    found = fesearch.search(table(), "e_form", families=families, trials=2, runner="inline")
    assert isinstance(found, PortfolioHandle)
    assert [one.family for one in found.trials] == families
    assert found.names == tuple(one.name for one in found.studies)
    assert {row["family"] for row in found.rank().rows()} == set(families)
    assert found.best.value == min(trial.value or 0.0 for trial in found.trials)
    assert found.export(tmp_path / "model", ensemble=2).members
    assert {one.look.study for one in found.holdout(best_per_family=True).scored} == set(
        found.names
    )
    rows = found.rank().rows()
    assert all(row["ties"] and row["test_interval"] and row["test_rmse"] for row in rows)
    capsys.readouterr()
    studies = [word for name in found.names for word in ("--study", name)]
    assert command(["rank", *studies, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == rows
    assert "<th>ties</th>" in found.rank()._repr_html_()
    with monkeypatch.context() as patch:
        patch.chdir(tmp_path)  # its predictions are no longer in a folder beside it
        far = PortfolioHandle(
            found.name, f"sqlite:///{place}/fesearch.db", place / "fesearch-artifacts"
        )
        assert far.rank().rows() == rows
    assert isinstance(fesearch.open(found.name), PortfolioHandle)
    assert found.resume().names == found.names
    assert "ridge" in found._repr_html_()
    assert "ridge" in repr(found)
    found.delete()
    with pytest.raises(StudyNotFoundError, match="no study is left"):
        found.rank()


def test_an_interruption_goes_through() -> None:
    with pytest.raises(KeyboardInterrupt, match=r"fesearch\.open\('mine'\)\.resume\(\)"):
        handle.ended("mine", INTERRUPTED)
    handle.ended("mine", "stopped on request")


def test_says_why_nothing_is_usable(place: Path) -> None:
    frame = table().assign(e_form=lambda rows: rows["e_form"] * 1e300)
    given: dict[str, Any] = {"trials": 1, "family": "ridge", "runner": "inline"}
    with np.errstate(all="ignore"), pytest.raises(NoResultError, match="no usable trial"):
        fesearch.search(frame, "e_form", **given)


def test_the_package_of_that_name_is_called() -> None:
    import inspect

    import fesearch.search.start

    assert callable(fesearch.search)
    assert fesearch.search.start.start  # type: ignore[attr-defined]
    assert list(inspect.signature(fesearch.search).parameters)[:2] == ["data", "target"]
    assert {"search", "open", "studies", "FesearchRegressor"} <= set(dir(fesearch))
    with pytest.raises(AttributeError, match="no attribute 'searhc'"):
        fesearch.searhc  # type: ignore[attr-defined]  # noqa: B018
