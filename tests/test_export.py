"""A bundle: exactly the model on record, in a folder that depends on nothing here."""

import json
import math
import os
import stat
import tomllib
from pathlib import Path

import numpy as np
import pytest

from fesearch import export as exporting
from fesearch.bundle import open_bundle
from fesearch.bundlefiles import CARD, FILES, INTERVALS, README, SEALED, STUDY, SUMS, checksums
from fesearch.cli.app import run
from fesearch.errors import InputError, StudyNotFoundError
from fesearch.export import export
from fesearch.family import FAMILIES
from fesearch.holdout import holdout
from fesearch.metrics import MAE_INTERVAL, METRICS
from fesearch.model import FittedModel
from fesearch.predictions import holdout_folder
from fesearch.record import TrialSpec
from fesearch.search.folder import identity, model_folder
from fesearch.search.prepare import prepare_again, study_of
from fesearch.store.results import Store
from fesearch.study import Study, from_keys
from fesearch.studyfile import load, read


@pytest.mark.parametrize("study", ["nets", "forests"])
def test_what_is_exported_predicts_as_what_was_scored(
    studies: str, study: str, tmp_path: Path
) -> None:
    card = export(study, studies, tmp_path / "model")
    with Store.open(studies) as store:
        row = store.study(study)
        best = min(
            (t for t in store.trials(row) if t.value is not None), key=lambda t: t.value or 0.0
        )
    prepared = prepare_again(row)
    scored = FittedModel.load(model_folder(row, best.number))
    bundle = open_bundle(tmp_path / "model")
    formulas = prepared.dataset.formulas
    expected = scored.predict(prepared.features.matrix)
    np.testing.assert_array_equal(bundle.answer(formulas).value, expected)
    assert bundle.card == card
    assert (card.trained.trial, card.validation.value) == (best.number, best.value)


def test_any_trial_can_be_exported(studies: str, tmp_path: Path) -> None:
    for number in (0, 1):
        card = export("nets", studies, tmp_path / str(number), trial=number)
        assert card.trained.trial == number
    with pytest.raises(InputError, match="has no trial 9"):
        export("nets", studies, tmp_path / "9", trial=9)
    with pytest.raises(InputError, match="Trial 2 of 'forests' never had a model"):
        export("forests", studies, tmp_path / "2", trial=2)
    with pytest.raises(StudyNotFoundError):
        export("nobody", studies, tmp_path / "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "searched"]


def test_the_folder_has_these_files_and_is_readable(studies: str, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "model"
    export("nets", studies, folder)
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {SUMS, INTERVALS, SEALED, *FILES}
    assert (folder / SUMS).read_text() == checksums(folder)
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o777 & ~mask
    assert list(folder.parent.iterdir()) == [folder]


def test_nothing_in_it_depends_on_this_machine(studies: str, tmp_path: Path) -> None:
    export("nets", studies, tmp_path / "model")
    for path in (tmp_path / "model").rglob("*"):
        if path.is_file():
            assert str(tmp_path).encode() not in path.read_bytes(), path
            assert os.environ["FESEARCH_ARTIFACTS"].encode() not in path.read_bytes(), path


def test_the_study_file_is_the_study(studies: str, tmp_path: Path) -> None:
    export("nets", studies, tmp_path / "model")
    with Store.open(studies) as store:
        study = study_of(store.study("nets"))
    again = load(str(tmp_path / "model" / STUDY), {"name": "again"})
    assert again == study.model_copy(update={"name": "again"})
    assert tomllib.loads((tmp_path / "model" / STUDY).read_text())["max_epochs"] == 4


def test_the_card_says_what_it_was_trained_on(studies: str, tmp_path: Path) -> None:
    card = export("nets", studies, tmp_path / "model")
    with Store.open(studies) as store:
        prepared = prepare_again(store.study("nets"))
    train = prepared.split.train
    assert card.elements["Al"] == sum("Al" in prepared.dataset.reduced[row] for row in train)
    assert sum(card.elements.values()) == 2 * len(train)
    y = prepared.dataset.target("h_form")[train]
    assert card.target_range == (y.min(), y.max())
    assert [(one.name, len(one.columns)) for one in card.features] == [("magpie", 145)]
    assert (card.unit, card.data.licence, card.split.train) == ("eV/atom", "CC0", len(train))
    assert card.test is None


def test_test_scores_are_in_the_card_after_a_look(studies: str, tmp_path: Path) -> None:
    (scored,) = holdout("nets", studies).scored
    card = export("nets", studies, tmp_path / "model")
    assert card.test is not None
    assert card.test.scores == scored.look.scores
    assert card.test.intervals.keys() == METRICS.keys()
    assert card.test.intervals["mae"] == scored.look.how.interval
    for name, (low, high) in card.test.intervals.items():
        assert low <= (card.test.scores[name] or math.nan) <= high
    readme = (tmp_path / "model" / README).read_text()
    assert f"- test MAE, {card.split.test} rows: {scored.look.value:.4g} eV/atom (95 %" in readme
    other = export("nets", studies, tmp_path / "other", trial=1 - scored.trial.number)
    assert other.test is None


def test_without_the_predictions_of_a_look_there_is_the_interval_on_record(
    studies: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (scored,) = holdout("forests", studies).scored
    with Store.open(studies) as store:
        [kept] = holdout_folder(identity(store.study("forests"))).iterdir()
    for name, content in (("damaged", b"damaged"), ("gone", None)):
        kept.unlink() if content is None else kept.write_bytes(content)
        card = export("forests", studies, tmp_path / name)
        assert card.test is not None
        assert card.test.intervals == {"mae": scored.look.how.interval}
    assert caplog.text.count("The card has an interval of the test MAE alone: ") == 1


def test_scores_of_the_trial_are_those_on_record(studies: str, tmp_path: Path) -> None:
    card = export("nets", studies, tmp_path / "model")
    with Store.open(studies) as store:
        trial = store.trial(store.study("nets"), card.trained.trial)
    assert card.validation.scores == {name: trial.scores[name] for name in METRICS}
    assert card.validation.intervals["mae"] == tuple(trial.scores[end] for end in MAE_INTERVAL)
    assert card.validation.scores.keys() == card.validation.intervals.keys() == METRICS.keys()


def test_a_study_file_has_nothing_that_only_this_place_knows(studies: str, tmp_path: Path) -> None:
    study = Study(
        name="mine", family="ridge", warm_start="nets", track=["mlflow"], address="10.0.0.1:6379"
    )
    with Store.open(studies) as store:
        definition = store.study("nets").definition["study"]
    assert exporting._study_text(Study(**definition)).startswith('name = "nets"\n')
    text = exporting._study_text(study)
    assert text.startswith("# Without address, track, warm_start, which only the place knows")
    (tmp_path / STUDY).write_text(text)
    there = {"track": [], "warm_start": None, "address": None}
    assert from_keys(read(str(tmp_path / STUDY)), "") == study.model_copy(update=there)


def test_the_readme_speaks_to_who_finds_it(studies: str, tmp_path: Path) -> None:
    card = export("forests", studies, tmp_path / "model")
    readme = (tmp_path / "model" / README).read_text()
    for words in (
        "# h_form (eV/atom) by random_forest",
        "fesearch predict . Fe2O3 NaCl",
        "fesearch study start study.toml --name again",
        f"- validation MAE, {card.split.val} rows: {card.validation.value:.4g} eV/atom",
        "- test: nobody has looked",
        "| licence of the data | CC0 |",
        "Data: Nobody, 2026.",
        "- max_depth: ",
        f"Al {card.elements['Al']}, ",
        f"Model, random_forest: {FAMILIES.get('random_forest').source}",
    ):
        assert words in readme, words


def test_a_trial_without_a_model_says_why(studies: str, tmp_path: Path) -> None:
    with Store.open(studies) as store:
        lease = store.acquire(store.study("forests"))
        store.begin_trial(lease, TrialSpec(3, "random_forest", {}, 1, (1,)), "trees")
    for number, message, hint in (
        (
            2,
            "Trial 2 of 'forests' never had a model: it failed (MemoryError: no message).",
            "Choose another trial: fesearch trials forests",
        ),
        (
            3,
            "Trial 3 of 'forests' has not ended yet.",
            "Go on with it: fesearch study resume forests",
        ),
        (10**20, f"The study 'forests' has no trial {10**20}.", "Type: fesearch trials forests"),
    ):
        with pytest.raises(InputError) as caught:
            export("forests", studies, tmp_path / "model", trial=number)
        assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize("taken", ["file", "folder"])
def test_a_folder_that_is_taken_is_left_alone(studies: str, taken: str, tmp_path: Path) -> None:
    to = tmp_path / "model"
    held = to if taken == "file" else to / "mine"
    held.parent.mkdir(exist_ok=True)
    held.write_text("mine")
    with pytest.raises(InputError) as caught:
        export("nets", studies, to)
    assert caught.value.message == f"'{to}' exists already and is not an empty folder."
    assert held.read_text() == "mine"


def test_an_empty_folder_is_filled(studies: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    export("nets", studies, tmp_path / "model")
    open_bundle(tmp_path / "model")


def test_a_failure_half_way_leaves_nothing(
    studies: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Path) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting, "checksums", full)
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        export("nets", studies, tmp_path / "new" / "model")
    assert list((tmp_path / "new").iterdir()) == []


def test_the_command_says_where_and_what_next(
    studies: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "model"
    assert run(["export", "nets", "--to", str(to)]) == 0
    out, err = capsys.readouterr()
    assert "sealed\n" in out
    assert f"Next: fesearch predict {to} Fe2O3\n" in err
    card = json.loads((to / CARD).read_text())
    assert run(["export", "nets", "--to", f"{to}2", "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["val_mae"] == card["validation"]["value"]
    assert said["test_mae"] is None
