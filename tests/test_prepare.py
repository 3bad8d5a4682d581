"""What a study needs before its first trial: enough rows, and a metric that is defined on them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fesearch import dataset, library
from fesearch.errors import InputError
from fesearch.search import prepare as preparing
from fesearch.search.prepare import prepare
from fesearch.split import make
from fesearch.study import Study

FORMULAS = ("Fe2O3", "Al2O3", "NaCl", "MgO", "CaO", "TiO2")
ENERGIES = (-1.5, -3.0, -2.0, -2.0, -3.0, -3.0)


@pytest.fixture(autouse=True)
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data set with divisions of few rows; features would be an error."""
    monkeypatch.setenv("FESEARCH_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.setattr(preparing, "build", lambda *_: pytest.fail("features were built"))
    columns = {
        "one_train": ["train", "val", "val", "test", "test", "test"],
        "one_val": ["train", "val", "train", "train", "test", "test"],
        "flat_val": ["train", "train", "val", "val", "test", "test"],
    }
    made = dataset.make("few", FORMULAS, {"e": ENERGIES}, {"e": "eV"}, columns=columns)
    library.save(made)


@pytest.mark.parametrize(
    ("split", "metric", "message", "hint"),
    [
        (
            "column:one_train",
            "mae",
            "The division column:one_train has 1 row to train on.",
            "Choose a --split with 2 or more, or data of more rows.",
        ),
        (
            "column:one_val",
            "r2",
            "The R² of the validation part is not defined: its target is -3 in its one row.",
            "Give --metric mae, or a --split with more rows to validate on.",
        ),
        (
            "column:flat_val",
            "r2",
            "The R² of the validation part is not defined: its target is -2 in all 2 rows.",
            "Give --metric mae, or a --split with more rows to validate on.",
        ),
    ],
)
def test_a_division_no_trial_could_be_scored_on_is_refused(
    split: str, metric: str, message: str, hint: str
) -> None:
    study = Study(name="x", family="random_forest", data="few", split=split, metric=metric)
    with pytest.raises(InputError) as caught:
        prepare(study)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_inner_folds_are_recommended_where_many_trials_would_fit_few_rows(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(trials: int, **keys: Any) -> str:
        caplog.clear()
        study = Study(name="x", family="random_forest", data="few", **keys)
        split = make(library.load("few"), study.split_spec())
        preparing.log_few_rows(SimpleNamespace(study=study, split=split), trials)
        return caplog.text

    text = said(100, split="column:flat_val")
    assert "100 trials would fit the 2 validation rows more than the data.\n" in text
    assert text.endswith("the 2 training rows type: --split column:flat_val,folds=5\n")
    assert said(99, split="column:flat_val") == ""
    assert said(100, split="column:flat_val,folds=2") == ""
    monkeypatch.setattr(preparing, "FEW_ROWS", 2)
    assert said(100, split="column:flat_val") == ""
