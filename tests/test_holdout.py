"""The test part: scored by the models on record, and only with a look on record."""

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import searched

from fesearch.cli.app import run
from fesearch.errors import FesearchError, InputError, NoResultError, StudyNotFoundError
from fesearch.holdout import holdout
from fesearch.metrics import METRICS
from fesearch.model import WEIGHTS, FittedModel
from fesearch.ranking.rank import tables
from fesearch.search.folder import model_folder
from fesearch.search.prepare import prepare_again
from fesearch.store.results import Store


def test_the_best_is_scored_on_the_test_rows_and_nothing_else(studies: str) -> None:
    found = holdout("nets", studies)
    (scored,) = found.scored
    with Store.open(studies) as store:
        row = store.study("nets")
        best = min(store.trials(row), key=lambda trial: trial.value or np.inf)
        assert store.looks() == [scored.look]
    assert scored.trial == best
    prepared = prepare_again(row)
    rows = prepared.split.test
    x, y = prepared.features.matrix[rows], prepared.dataset.target("h_form")[rows]
    predictions = FittedModel.load(model_folder(row, best.number)).predict(x)
    expected = {name: metric(y, predictions) for name, metric in METRICS.items()}
    assert dict(scored.look.scores) == expected
    assert scored.look.value == expected["mae"]
    assert scored.look.rows == len(rows)
    assert found.earlier == 0


def test_every_look_is_counted(studies: str) -> None:
    assert [s.look.sequence for s in holdout("nets", studies, top=2).scored] == [1, 2]
    again = holdout("forests", studies, best_per_family=True)  # the same division
    assert [s.look.sequence for s in again.scored] == [3]
    assert again.earlier == 2
    assert holdout("elsewhere", studies).earlier == 0
    first, second = holdout("nets", studies, top=2).scored
    assert (first.look.sequence, second.look.sequence) == (4, 5)


def test_looks_at_the_same_rows_by_another_division_count(studies: str) -> None:
    (scored,) = holdout("nets", studies).scored
    split = "random:seed=0,fractions=71:19:10"
    searched.search(studies, "wider", "random_forest", [searched.SMALL_FOREST], split=split)
    with Store.open(studies) as store:
        nets, wider = store.study("nets"), store.study("wider")
        assert nets.key.split != wider.key.split
        assert store.looks(wider.key) == [scored.look]
        assert [trial.after_look for trial in store.trials(wider)] == [True]
        assert store.looks(store.study("elsewhere").key) == []
    found = holdout("wider", studies)
    assert (found.scored[0].look.sequence, found.earlier) == (2, 1)


def test_more_finalists_than_trials_are_all_of_them(studies: str) -> None:
    scored = holdout("nets", studies, top=9).scored
    assert [one.trial.value for one in scored] == sorted(one.trial.value for one in scored)  # type: ignore[type-var]
    assert len(scored) == 2


def test_nothing_is_shown_that_could_not_be_put_on_record(
    studies: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise FesearchError("The database failed: disk full.", "Make room.")

    monkeypatch.setattr(Store, "add_look", broken)
    assert run(["holdout", "nets"]) == 1
    assert capsys.readouterr().out == ""


def refused(url: str, study: str = "nets", top: int = 1) -> InputError:
    """The error of a holdout, and no look on record."""
    with pytest.raises(InputError) as caught:
        holdout(study, url, top=top)
    with Store.open(url) as store:
        assert store.looks() == []
    return caught.value


def test_a_study_that_is_driven_is_left_alone(studies: str) -> None:
    with Store.open(studies) as store:
        store.acquire(store.study("nets"))
    assert str(refused(studies)) == (
        "The study 'nets' is still being searched; a look now would guide its trials.\n"
        "Wait for its end, or type: fesearch study stop nets"
    )


def test_weights_that_are_not_kept_are_no_finalist(studies: str) -> None:
    with Store.open(studies) as store:
        row = store.study("nets")
        worst = max(store.trials(row), key=lambda trial: trial.value or 0.0)
    shutil.rmtree(model_folder(row, worst.number))
    error = refused(studies, top=2)
    assert error.message.startswith(f"The weights of trial {worst.number} of 'nets' are not kept")
    assert error.hint.startswith("Only those of the best 2 trials are (keep = 2)")
    assert len(holdout("nets", studies, top=1).scored) == 1


def test_weights_of_another_trial_are_refused(studies: str) -> None:
    with Store.open(studies) as store:
        row = store.study("nets")
        best, other = (t.number for t in sorted(store.trials(row), key=lambda t: t.value or 0.0))
    target, source = model_folder(row, best), model_folder(row, other)
    shutil.rmtree(target)
    shutil.copytree(source, target)
    error = refused(studies)
    assert f"but trial {best} is on record with" in error.message


def test_weights_of_another_score_are_refused(studies: str) -> None:
    with Store.open(studies) as store:
        row = store.study("nets")
        best = min(store.trials(row), key=lambda trial: trial.value or np.inf)
    kept = model_folder(row, best.number)
    model = FittedModel.load(kept)
    arrays = {**model.arrays, "scaling.y_offset": model.arrays["scaling.y_offset"] + 1.0}
    replace(model, arrays=arrays).save(kept)
    assert f"but trial {best.number} is on record with {best.value}." in refused(studies).message


def test_damaged_weights_are_refused(studies: str) -> None:
    with Store.open(studies) as store:
        row = store.study("nets")
        best = min(store.trials(row), key=lambda trial: trial.value or np.inf)
    weights = model_folder(row, best.number) / WEIGHTS
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert "is not the one model.json was written with" in refused(studies).message


def test_changed_data_are_refused(studies: str) -> None:
    artifacts = Path(os.environ["FESEARCH_ARTIFACTS"])
    (artifacts / "datasets" / "alloys.parquet").unlink()
    searched.FORMULAS.reverse()
    try:
        searched.save_data()
    finally:
        searched.FORMULAS.reverse()
    assert "The data of 'nets' is" in refused(studies).message


def test_a_division_without_test_rows_has_no_holdout(studies: str) -> None:
    config = searched.SMALL_FOREST
    searched.search(studies, "all", "random_forest", [config], split="random:fractions=9:1:0")
    assert "has no test rows" in refused(studies, "all").message


def test_a_study_without_a_usable_trial_is_3(
    studies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    searched.search(studies, "none", "random_forest", [])
    with pytest.raises(NoResultError):
        holdout("none", studies)
    for command in (["holdout", "none"], ["best", "none"]):
        assert run(command) == 3
        assert capsys.readouterr().err == (
            "The study 'none' has no usable trial yet: 0 failed, 0 unfinished.\n"
            "Go on with: fesearch study resume none\n"
        )
    with pytest.raises(StudyNotFoundError):
        holdout("nobody", studies)


def test_the_command_prints_scores_and_what_is_on_record(
    studies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["holdout", "nets", "--top", "2", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    rows = json.loads(out)
    assert [row["look"] for row in rows] == [1, 2]
    assert {"val_mae", "test_mae", "test_rmse", "test_p90", "test_r2"} <= set(rows[0])
    assert re.search(
        r"On record as looks 1 to 2 at this test part \([0-9a-f]{12}\); 0 had been before\.", err
    )
    assert run(["rank", "--study", "nets", "--format", "json"]) == 0
    (ranked,) = json.loads(capsys.readouterr().out)
    assert ranked["test_mae"] == rows[0]["test_mae"]
    assert run(["holdout", "nets"]) == 0
    out, err = capsys.readouterr()
    assert "test MAE (eV/atom)" in out
    assert re.search(r"On record as look 3 at this test part \(\w+\); 2 had been before\.", err)


def test_the_best_of_several_studies_is_chosen_by_validation(
    studies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    best = [entry.trial for entry in tables(studies, studies=["nets", "forests"])[0].entries]
    (one,) = holdout(["nets", "forests"], studies).scored
    assert (one.look.study, one.look.trial) == (best[0].study, best[0].number)
    found = holdout(["nets", "forests"], studies, best_per_family=True)
    assert [(one.look.study, one.look.trial) for one in found.scored] == [
        (trial.study, trial.number) for trial in best
    ]
    assert (found.row.name, found.earlier, found.new) == (best[0].study, 1, 2)
    three = holdout(["nets", "forests"], studies, top=3, seeds=1, retrain=True).scored
    assert [one.look.how.trained for one in three] == ["train + validation"] * 3
    assert run(["holdout", "nets", "forests", "--top", "3", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["study"] for row in rows} == {"nets", "forests"}
    assert run(["holdout", "nets", "elsewhere"]) == 2
    assert "do not share data, target, metric and division" in capsys.readouterr().err


def test_two_ways_to_choose_are_one_too_many(
    studies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["holdout", "nets", "--top", "1", "--best-per-family"]) == 2
    assert capsys.readouterr().err.startswith("--top and --best-per-family are both given.\n")
