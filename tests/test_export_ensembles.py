"""Exported ensembles and refits, and the intervals of their predictions."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import searched

from fesearch.bundle import open_bundle
from fesearch.bundlefiles import README, STUDY
from fesearch.cli.app import run
from fesearch.errors import InputError, NoResultError
from fesearch.export import export
from fesearch.family import FAMILIES
from fesearch.metrics import METRICS, scores
from fesearch.model import FittedModel
from fesearch.search.folder import model_folder
from fesearch.search.prepare import prepare_again
from fesearch.split import Development
from fesearch.store.results import Store
from fesearch.studyfile import load


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
    assert card.validation.scores == pytest.approx(scores(data.val_y, answer.value))
    assert card.validation.scores.keys() == card.validation.intervals.keys() == METRICS.keys()
    for name, (low, high) in card.validation.intervals.items():
        assert low < card.validation.scores[name] < high
    readme = (tmp_path / "model" / README).read_text()
    assert (
        f"- validation R², {len(data.val_y)} rows: {card.validation.scores['r2']:.4g} (95" in readme
    )
    assert "study start study-2.toml --name again-2\n" in readme
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
    with pytest.warns(UserWarning, match="sealed test part"):
        found = part.predict(prepared.dataset.formulas)
    np.testing.assert_array_equal(found, alone)


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
    old = open_bundle(tmp_path / "before").answer(prepared.dataset.formulas).value
    assert not np.array_equal(found, old)
    assert (card.refit, card.validation, card.test) == (len(y), before.validation, None)
    assert card.validation.intervals.keys() == METRICS.keys()
    assert card.target_range == (y.min(), y.max())
    readme = (tmp_path / "model" / README).read_text()
    assert f"on all {len(y)} rows, validation and test rows among them" in readme
    assert "from the errors of the same config, before it was trained on them too, on the" in readme
    assert "intervals from its errors on the" in (tmp_path / "before" / README).read_text()
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
