"""Analyses of test parts that were looked at, and of exported models."""

import shutil
from pathlib import Path

import pytest
import searched
from analysed import MODELS, found

from fesearch.bundle import open_bundle
from fesearch.cli.app import run
from fesearch.errors import InputError
from fesearch.export import export
from fesearch.holdout import holdout
from fesearch.joint import holdout_ensemble
from fesearch.predictions import holdout_folder
from fesearch.search.folder import identity, model_folder
from fesearch.store.results import Store
from fesearch.subject import subject

# The test part


def test_the_test_part_is_sealed_until_a_look_is_on_record(studies: str) -> None:
    with pytest.raises(InputError) as refused:
        found("errors", ["forests"], studies, part="test")
    assert "nobody has scored trial" in refused.value.message
    assert refused.value.hint == "Put a look on record: fesearch holdout forests"
    (scored,) = holdout("forests", studies).scored
    (line,) = found("errors", ["forests"], studies, part="test").summary.rows()
    assert line["mae"] == pytest.approx(scored.look.value, rel=1e-6)
    other = 1 - scored.trial.number
    with pytest.raises(InputError, match=f"nobody has scored trial {other}"):
        subject("forests", studies, trial=other).examined.part("test")


def test_what_a_look_has_left_is_analysed_without_weights(
    studies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    trial = holdout("forests", studies).scored[0].trial
    kinds = [kind for kind in MODELS if kind != "permutation"]
    before = {kind: found(kind, ["forests"], studies, part="test") for kind in kinds}
    at = subject("forests", studies).examined
    assert at.part("test").predicted.tolist() == at.at(at.split.test).predicted.tolist()
    with Store.open(studies) as store:
        row = store.study("forests")
    shutil.rmtree(model_folder(row, trial.number))
    for kind, finding in before.items():
        assert found(kind, ["forests"], studies, part="test") == finding
    assert run(["analyse", "parity", "forests", "--part", "test"]) == 0
    capsys.readouterr()
    for kind in ("parity", "permutation", "element_map"):
        with pytest.raises(InputError, match=r"The weights of trial \d of 'forests' are not kept"):
            found(kind, ["forests"], studies)
    for file in holdout_folder(identity(row)).iterdir():
        file.write_bytes(b"damaged")
    with pytest.raises(InputError, match="are not kept"):
        found("parity", ["forests"], studies, part="test")


# Exported models


def test_an_exported_model_says_the_same_as_its_study(studies: str, tmp_path: Path) -> None:
    export("forests", studies, tmp_path / "model")
    ours = found("parity", [str(tmp_path / "model")], studies)
    theirs = found("parity", ["forests"], studies)
    assert ours.detail["predicted"] == theirs.detail["predicted"]
    assert ours.detail["id"] == theirs.detail["id"]
    with pytest.raises(InputError, match="exported before a look at it"):
        found("parity", [str(tmp_path / "model")], studies, part="test")
    with pytest.raises(InputError, match="reads the trials of a study"):
        found("rungs", [str(tmp_path / "model")], studies)
    with pytest.raises(InputError, match="is an exported model, which is of one trial"):
        subject(str(tmp_path / "model"), studies, trial=0)


def test_a_look_at_the_config_trained_on_more_rows_is_none_at_the_exported_model(
    studies: str, tmp_path: Path
) -> None:
    look = holdout("forests", studies, retrain=True).scored[0].look
    searched, joined = str(tmp_path / "searched model"), str(tmp_path / "joined model")
    assert export("forests", studies, Path(searched)).test is not None
    with pytest.raises(InputError, match="exported before a look at it"):
        found("parity", [searched], studies, part="test")
    export("forests", studies, Path(joined), joined=True)
    (line,) = found("parity", [joined], studies, part="test").summary.rows()
    assert line["mae"] == pytest.approx(look.value, rel=1e-6)


def test_an_exported_ensemble_is_analysed_by_its_mean(studies: str, tmp_path: Path) -> None:
    searched.search(
        studies, "fractions", "random_forest", [searched.SMALL_FOREST], preset="full",
        features="element_fractions+magpie",
    )  # fmt: skip
    to = str(tmp_path / "both")
    card = export("nets", studies, Path(to), ensemble=8, others=["fractions"])
    assert len(card.members) > 1
    (line,) = found("errors", [to], studies).summary.rows()
    assert line["mae"] == pytest.approx(card.validation.value, rel=1e-6)
    examined = subject(to, studies).examined
    assert examined.family == "+".join(card.families)
    assert examined.x.shape[1] == len(open_bundle(Path(to)).sets.names)
    with pytest.raises(InputError, match="is the mean of several, whose weights do not go"):
        found("element_map", [to], studies)
    with pytest.raises(InputError) as refused:
        found("errors", [to], studies, part="test")
    names = " ".join(dict.fromkeys(one.trained.study for one in card.members))
    assert refused.value.hint.endswith(f"fesearch holdout {names} --ensemble {card.picks}")
    look = holdout_ensemble(names.split(), studies, card.picks).scored[0].look
    again = str(tmp_path / "again")
    export(names.split()[0], studies, Path(again), ensemble=8, others=names.split()[1:])
    (line,) = found("errors", [again], studies, part="test").summary.rows()
    assert line["mae"] == pytest.approx(look.value, rel=1e-6)


def test_a_refit_has_no_rows_left_to_be_analysed_by(studies: str, tmp_path: Path) -> None:
    export("forests", studies, tmp_path / "all", refit=True)
    with pytest.raises(InputError) as refused:
        found("parity", [str(tmp_path / "all")], studies)
    assert str(refused.value) == (
        f"'{tmp_path}/all' was trained on the rows of all parts (--refit all), and none are left "
        "that say how good it is.\nAnalyse its study, or export it without --refit."
    )


def test_an_exported_model_wants_its_data(studies: str, tmp_path: Path) -> None:
    export("forests", studies, tmp_path / "model")
    shutil.rmtree(tmp_path / "searched" / "artifacts" / "datasets")
    with pytest.raises(InputError, match=r"was trained on the data alloys .* not here"):
        found("parity", [str(tmp_path / "model")], studies)
