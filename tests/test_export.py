"""A bundle: exactly the model on record, in a folder that depends on nothing here."""

import json
import os
import shutil
import stat
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import searched

from fesearch import export as exporting
from fesearch.bundle import (
    CARD,
    FILES,
    INTERVALS,
    README,
    SEALED,
    STUDY,
    SUMS,
    checksums,
    open_bundle,
)
from fesearch.cli.app import run
from fesearch.errors import InputError, NoResultError, StudyNotFoundError
from fesearch.export import export
from fesearch.family import FAMILIES
from fesearch.holdout import holdout
from fesearch.model import FittedModel
from fesearch.record import TrialSpec
from fesearch.search.folder import model_folder
from fesearch.search.prepare import prepare_again, study_of
from fesearch.split import Development
from fesearch.store.results import Store
from fesearch.studyfile import load


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
    np.testing.assert_array_equal(bundle.predict(formulas), expected)
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
    readme = (tmp_path / "model" / README).read_text()
    assert f"- test MAE, {card.split.test} rows: {scored.look.value:.4g} eV/atom\n" in readme
    other = export("nets", studies, tmp_path / "other", trial=1 - scored.trial.number)
    assert other.test is None


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


# Programs, which run without fesearch


@pytest.mark.parametrize(("kind", "name"), [("torch", "program.pt2"), ("onnx", "program.onnx")])
def test_a_network_goes_along_as_a_program(
    studies: str, tmp_path: Path, kind: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if kind == "onnx":
        pytest.importorskip("onnxscript")
    to = tmp_path / "model"
    words = ["export", "nets", "--to", str(to), "--program", kind, "--format", "json"]
    assert run(words) == 0, capsys.readouterr().err
    out, err = capsys.readouterr()
    bundle = open_bundle(to)
    (member,) = bundle.card.members
    assert member.program is not None
    assert (member.program.kind, member.program.rows) == (kind, bundle.card.split.val)
    said = json.loads(out)
    assert (said["program"], said["program_difference"]) == (kind, member.program.difference)
    assert err == f"\nNext: fesearch predict {to} Fe2O3\n"
    assert (to / "model" / name).stat().st_size > 1000
    assert f"{name}\n" in (to / SUMS).read_text()
    readme = (to / README).read_text()
    assert f"- `model/{name}`, d = 145: within {member.program.difference:.2g} eV/atom" in readme
    assert ("may hold pickles" in readme) == (kind == "torch")


def test_each_network_of_an_ensemble_has_a_program(studies: str, tmp_path: Path) -> None:
    nets = [{**searched.SMALL_NET, "learning_rate": rate} for rate in (0.02, 0.005)]
    searched.search(studies, "more", "irnet", nets, max_epochs=4, preset="full", keep=2)
    card = export("nets", studies, tmp_path / "model", ensemble=8, others=["more"], program="torch")
    assert len(card.members) > 1
    assert open_bundle(tmp_path / "model").card == card
    for place in range(2, len(card.members) + 1):
        assert (tmp_path / "model" / f"model-{place}" / "program.pt2").is_file()
    readme = (tmp_path / "model" / README).read_text()
    assert "- `model-2/program.pt2`, d = 145: within" in readme
    assert "The ensemble is their mean by the weights below." in readme


@pytest.mark.parametrize("ensemble", [None, 4])
def test_a_forest_is_no_program(studies: str, tmp_path: Path, ensemble: int | None) -> None:
    with pytest.raises(InputError) as caught:
        export("forests", studies, tmp_path / "model", ensemble=ensemble, program="onnx")
    assert "is of the family 'random_forest', which is no network and" in caught.value.message
    assert caught.value.hint.startswith("Leave --program out, or export one of attention, cnn,")
    assert not (tmp_path / "model").exists()


def test_a_program_that_predicts_something_else_is_not_exported(
    studies: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fesearch.nets.program.difference", lambda *_: 0.1)
    with pytest.raises(InputError, match=r"The program \(torch\) differs from the model by 0\.1"):
        export("nets", studies, tmp_path / "model", program="torch")
    assert not (tmp_path / "model").exists()


# Ensembles, and models trained on all rows


def test_an_ensemble_is_the_weighted_mean_of_what_was_scored(studies: str, tmp_path: Path) -> None:
    card = export("nets", studies, tmp_path / "model", ensemble=4, others=["forests"])
    assert {one.trained.study for one in card.members} == {"nets", "forests"}
    assert 1 < card.picks <= 4
    bundle = open_bundle(tmp_path / "model")
    with Store.open(studies) as store:
        prepared = prepare_again(store.study("nets"))
        rows = {name: store.study(name) for name in ("nets", "forests")}
    data = prepared.development
    folders = [model_folder(rows[one.trained.study], one.trained.trial) for one in card.members]
    each = np.array([FittedModel.load(folder).predict(data.val_x) for folder in folders])
    weights = [one.picks for one in card.members]
    formulas = [prepared.dataset.formulas[row] for row in prepared.split.val]
    answer = bundle.answer(formulas)
    np.testing.assert_allclose(answer.value, np.average(each, axis=0, weights=weights), rtol=1e-12)
    assert answer.spread is not None
    assert card.validation.value == pytest.approx(prepared.metric(data.val_y, answer.value))
    assert card.validation.value <= min(one.validation for one in card.members)
    assert card.validation.interval is not None
    low, high = card.validation.interval
    assert low < card.validation.value < high
    readme = (tmp_path / "model" / README).read_text()
    assert "- test: nobody has looked at it with this ensemble; `fesearch holdout --ens" in readme
    assert f"- weight: {card.members[0].picks} of {card.picks}\n" in readme
    for name in (STUDY, "study-2.toml"):
        assert load(str(tmp_path / "model" / name), {"name": "again"}).family


def test_members_that_read_other_features_go_together(studies: str, tmp_path: Path) -> None:
    searched.search(
        studies, "fractions", "random_forest", [searched.SMALL_FOREST], preset="full",
        features="element_fractions+magpie",
    )  # fmt: skip
    card = export("nets", studies, tmp_path / "model", ensemble=8, others=["fractions"])
    both = {one.name for one in card.features}
    assert both == {"magpie", "element_fractions"}
    bundle = open_bundle(tmp_path / "model")
    with Store.open(studies) as store:
        row = store.study("fractions")
    prepared = prepare_again(row)
    alone = FittedModel.load(model_folder(row, 0)).predict(prepared.features.matrix)
    place = [one.trained.study for one in card.members].index("fractions")
    part = replace(
        bundle,
        card=card.model_copy(update={"members": (card.members[place],)}),
        columns=(bundle.columns[place],),
        predictors=(bundle.predictors[place],),
    )
    np.testing.assert_array_equal(part.predict(prepared.dataset.formulas), alone)


def test_intervals_cover_their_share_of_the_validation_rows(studies: str, tmp_path: Path) -> None:
    card = export("forests", studies, tmp_path / "model")
    bundle = open_bundle(tmp_path / "model")
    with Store.open(studies) as store:
        prepared = prepare_again(store.study("forests"))
    rows = prepared.split.val
    assert bundle.calibration is not None
    assert card.intervals is not None
    assert card.intervals.rows == len(rows)
    said = bundle.calibration.coverage(
        0.5,
        prepared.development.val_y,
        bundle.predict([prepared.dataset.formulas[row] for row in rows]),
    )
    assert said.covered == np.ceil((len(rows) + 1) / 2) / len(rows)
    assert said.width == pytest.approx(2 * card.intervals.half_widths["0.5"])
    assert "cover a little less than they say" in (tmp_path / "model" / README).read_text()


@pytest.mark.parametrize("study", ["nets", "forests"])
def test_a_refit_is_the_config_trained_on_every_row(
    studies: str, study: str, tmp_path: Path
) -> None:
    before = export(study, studies, tmp_path / "before")
    card = export(study, studies, tmp_path / "model", refit=True)
    with Store.open(studies) as store:
        assert store.looks() == []
        trial = store.trial(store.study(study), card.trained.trial)
        prepared = prepare_again(store.study(study))
    assert trial.best_resource is not None
    family = FAMILIES.get(trial.family)
    x, y = prepared.features.matrix, prepared.dataset.target("h_form")
    data = Development(x, y, prepared.development.val_x, prepared.development.val_y)
    learner = family.build(trial.config, data, seed=trial.seed, threads=1, device="cpu")
    for _ in range(trial.best_resource // family.resource.step):
        learner.advance()
    direct = FittedModel(trial.family, trial.config, x.shape[1], learner.model())
    found = open_bundle(tmp_path / "model").predict(prepared.dataset.formulas)
    np.testing.assert_array_equal(found, direct.predict(x))
    old = open_bundle(tmp_path / "before").predict(prepared.dataset.formulas)
    assert not np.array_equal(found, old)
    assert (card.refit, card.validation, card.test) == (len(y), before.validation, None)
    assert card.target_range == (y.min(), y.max())
    readme = (tmp_path / "model" / README).read_text()
    assert f"on all {len(y)} rows, validation and test rows among them" in readme
    assert "- test: nobody has looked" in readme


def test_a_refit_that_diverges_is_no_model(
    studies: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverging(*given: object) -> list[object]:
        return [type("Report", (), {"diverged": "validation MAE is nan", "best": None})]

    monkeypatch.setattr("fesearch.refit.run", diverging)
    with pytest.raises(NoResultError) as caught:
        export("forests", studies, tmp_path / "model", refit=True)
    assert "trained on all 60 rows diverges." in caught.value.message
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"ensemble": 2, "others": ["elsewhere"]},
            "The studies 'nets' and 'elsewhere' do not share data, target, metric and division, "
            "and so no validation rows to select by.",
        ),
        ({"ensemble": 2, "others": ["nets"]}, "The study 'nets' is named twice."),
        ({"others": ["forests"]}, "Several studies make an ensemble, and a model is of one study."),
        ({"ensemble": 2, "trial": 0}, "--trial and --ensemble are both given."),
        ({"ensemble": 65}, "An ensemble of 65 is too large."),
    ],
)
def test_what_makes_no_ensemble(
    studies: str, tmp_path: Path, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        export("nets", studies, tmp_path / "model", **given)
    assert caught.value.message == message
    assert not (tmp_path / "model").exists()


def test_the_command_exports_ensembles_and_refits(
    studies: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", "nets", "forests", "--to", f"{tmp_path}/a", "--ensemble", "4"]
    assert run([*words, "--refit", "all"]) == 0
    out = capsys.readouterr().out
    assert "nets, forests\n" in out or "forests, nets\n" in out
    assert "trained on  all 60 rows\n" in out
    assert run(["export", "nets", "--to", f"{tmp_path}/b", "--gpus", "1"]) == 2
    assert capsys.readouterr().err == (
        "--gpus is for training, and nothing is trained.\nGive --refit all too.\n"
    )


def test_an_ensemble_takes_only_trials_whose_weights_are_kept(studies: str, tmp_path: Path) -> None:
    with Store.open(studies) as store:
        row = store.study("nets")
    for number in (0, 1):
        shutil.rmtree(model_folder(row, number))
        if number == 0:
            card = export("nets", studies, tmp_path / "one", ensemble=8)
            assert [one.trained.trial for one in card.members] == [1]
    with pytest.raises(NoResultError) as caught:
        export("nets", studies, tmp_path / "none", ensemble=8)
    assert caught.value.message == "The study 'nets' has kept the weights of no trial."


def test_a_forest_is_not_trained_on_a_gpu(studies: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        export("forests", studies, tmp_path / "model", refit=True, device="cuda")
    assert str(caught.value) == (
        "The family random_forest computes on CPUs, and a GPU is asked for.\nLeave --gpus out."
    )
