"""A model trained on training and validation part: what was scored is what is exported."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from fesearch import chosen
from fesearch.analysis import ANALYSES
from fesearch.bundle import open_bundle
from fesearch.bundlefiles import MODEL, README
from fesearch.cli.app import run
from fesearch.errors import InputError
from fesearch.export import export
from fesearch.handle import StudyHandle
from fesearch.holdout import holdout
from fesearch.joint import holdout_ensemble
from fesearch.predictions import kept
from fesearch.search.folder import identity, joined_folder
from fesearch.search.prepare import prepare_again
from fesearch.store.results import Store
from fesearch.subject import subject


def arrays(folder: Path) -> dict[str, np.ndarray]:
    """The weights of an exported model."""
    return load_file(next((folder / MODEL).glob("*.safetensors")))


@pytest.mark.parametrize("study", ["nets", "forests"])
def test_the_model_that_was_scored_is_the_one_that_is_exported(
    studies: str, study: str, tmp_path: Path
) -> None:
    look = holdout(study, studies, retrain=True, seeds=2).scored[0].look
    with Store.open(studies) as store:
        row = store.study(study)
        prepared = prepare_again(row)
        looks = store.looks()
    card = export(study, studies, tmp_path / "model", joined=True)
    bundle = open_bundle(tmp_path / "model")
    test = prepared.split.test
    stored = kept(identity(row), look.how.predictions)
    assert stored is not None
    said = bundle.answer([prepared.dataset.formulas[place] for place in test]).value
    np.testing.assert_array_equal(said, stored.predicted)
    assert card.test is not None
    assert card.test.scores == dict(look.scores)
    assert card.joined == look.how.n_train == len(prepared.split.train) + len(prepared.split.val)
    assert sum(card.elements.values()) == 2 * card.joined  # of binary alloys
    assert card.split.sealed == len(test)
    readme = (tmp_path / "model" / README).read_text()
    assert f"was trained on the {card.joined} rows of training and validation part" in readme
    assert "not of the model in this folder" not in readme
    assert "before it was trained on them too, on the" in readme
    plain = export(study, studies, tmp_path / "plain")
    assert plain.joined is None
    assert "not of the model in this folder" in (tmp_path / "plain" / README).read_text()
    with Store.open(studies) as store:
        assert store.looks() == looks, "an export is no look"


@pytest.mark.parametrize("study", ["nets", "forests"])
def test_trained_again_it_is_the_same_to_the_last_bit(
    studies: str, study: str, tmp_path: Path
) -> None:
    trial = holdout(study, studies, retrain=True).scored[0].trial
    export(study, studies, tmp_path / "kept", joined=True)
    with Store.open(studies) as store:
        shutil.rmtree(joined_folder(store.study(study), trial.number, trial.seed))
    export(study, studies, tmp_path / "again", joined=True)
    before, after = arrays(tmp_path / "kept"), arrays(tmp_path / "again")
    assert before.keys() == after.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name])


def test_other_weights_than_those_that_were_scored_are_refused(
    studies: str, tmp_path: Path
) -> None:
    scored = [holdout("forests", studies, retrain=True, top=2).scored[place] for place in (0, 1)]
    with Store.open(studies) as store:
        row = store.study("forests")
    folders = [joined_folder(row, one.trial.number, one.trial.seed) for one in scored]
    shutil.rmtree(folders[0])
    shutil.copytree(folders[1], folders[0])
    with pytest.raises(InputError, match="but look 1 is on record with"):
        export("forests", studies, tmp_path / "model", joined=True)


def test_what_was_not_scored_is_not_exported(
    studies: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = str(tmp_path / "model")
    assert run(["export", "nets", "--refit", "val", "--to", to]) == 2
    said = "has not been scored as trained on training and validation part.\n"
    assert capsys.readouterr().err.endswith(
        f"{said}Score it first: fesearch holdout nets --retrain\n"
    )
    holdout("nets", studies, retrain=True, top=9)
    assert run(["export", "nets", "forests", "--refit", "val", "--ensemble", "8", "--to", to]) == 2
    said = capsys.readouterr().err
    assert "has not been scored as trained on training and validation part.\n" in said
    assert "fesearch holdout forests" in said or "fesearch holdout nets" in said
    assert run(["export", "nets", "--refit", "val", "--to", to]) == 0
    out, err = capsys.readouterr()
    assert "54 rows" in out
    assert "not of this model" not in err
    assert run(["export", "nets", "--to", str(tmp_path / "plain")]) == 0
    assert "which --refit val exports, and not of this model.\n" in capsys.readouterr().err


def test_the_ensemble_that_was_scored_is_the_one_that_is_exported(
    studies: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["nets", "forests"]
    look = holdout_ensemble(names, studies, 8, retrain=True).scored[0].look
    holdout_ensemble(names, studies, 8)  # of other models
    with Store.open(studies) as store:
        row = store.study(look.study)
        prepared = prepare_again(row)
    folder = tmp_path / "model"
    card = export(names[0], studies, folder, others=names[1:], ensemble=8, joined=True)
    assert len(card.members) > 1
    assert card.test is not None
    assert card.test.trained == look.how.trained == "ensemble, train + validation"
    assert card.test.scores == dict(look.scores)
    assert card.joined == len(prepared.split.train) + len(prepared.split.val)
    stored = kept(identity(row), look.how.predictions)
    assert stored is not None
    formulas = [prepared.dataset.formulas[place] for place in prepared.split.test]
    said = open_bundle(folder).answer(formulas).value
    np.testing.assert_allclose(said, stored.predicted, rtol=1e-12)
    readme = (folder / README).read_text()
    assert f"was trained on the {card.joined} rows of training and validation part" in readme
    plain = export(names[0], studies, tmp_path / "plain", others=names[1:], ensemble=8)
    assert plain.test is not None
    assert (plain.test.trained, plain.joined) == ("ensemble", None)
    monkeypatch.setattr(chosen.ensemble, "mean_and_spread", lambda each, picks: (each[0] + 1, None))
    with pytest.raises(InputError, match=r"both parts the ensemble has .* is on record with"):
        export(names[0], studies, tmp_path / "other", others=names[1:], ensemble=8, joined=True)


def test_it_is_analysed_on_the_rows_that_it_has_not_learned(studies: str, tmp_path: Path) -> None:
    holdout("forests", studies, retrain=True)
    StudyHandle("forests", studies).export(tmp_path / "model", joined=True)
    exported = subject(str(tmp_path / "model"), studies)
    analysis = ANALYSES.get("parity")
    with pytest.raises(InputError, match="was trained on the validation rows too"):
        analysis.find([exported], analysis.settings())
    assert len(analysis.find([exported], analysis.settings(part="test")).detail) == 6
