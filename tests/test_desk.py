"""Configs trained anew, their looks and predictions; rows from elsewhere."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import searched

from fesearch.cli.app import run
from fesearch.errors import InputError
from fesearch.external import score_file
from fesearch.holdout import holdout
from fesearch.intake import Wanted
from fesearch.metrics import MAE_INTERVAL, METRICS
from fesearch.predictions import Predictions, holdout_folder, kept
from fesearch.search.folder import identity
from fesearch.search.prepare import prepare_again
from fesearch.statistics import bootstrap_interval
from fesearch.store.how import How, Searched, Trained
from fesearch.store.results import Store

FOREST = [searched.SMALL_FOREST]


def test_predictions_are_kept_with_their_interval(studies: str) -> None:
    (one,) = holdout("forests", studies).scored
    with Store.open(studies) as store:
        row = store.study("forests")
        assert store.looks() == [one.look]
    found = kept(identity(row), one.look.how.predictions)
    assert found is not None
    prepared = prepare_again(row)
    np.testing.assert_array_equal(found.rows, prepared.split.test)
    np.testing.assert_array_equal(found.truth, prepared.dataset.target("h_form")[found.rows])
    assert METRICS["mae"](found.truth, found.predicted) == one.look.scores["mae"]
    assert len(set(found.groups.tolist())) == len(found.rows)  # each formula is there once
    how = one.look.how
    assert how.interval == bootstrap_interval(found.errors, found.groups)
    assert how.interval[0] < (one.look.value or math.nan) < how.interval[1]
    assert how.trained is Trained.SEARCHED
    assert how.searched is Searched.EACH
    assert how.validation["mae"] == pytest.approx(one.trial.value)
    assert set(how.validation) == {*METRICS, *MAE_INTERVAL}
    assert how.n_train == len(prepared.split.train)
    assert 0.0 < (how.latency or math.nan) < 1.0


def test_damaged_predictions_are_refused_and_lost_ones_are_none(studies: str) -> None:
    (one,) = holdout("forests", studies).scored
    with Store.open(studies) as store:
        row = store.study("forests")
    (file,) = holdout_folder(identity(row)).iterdir()
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match="are not those that were kept"):
        kept(identity(row), one.look.how.predictions)
    file.write_bytes(b"short")
    with pytest.raises(InputError, match="cannot be read"):
        kept(identity(row), one.look.how.predictions)
    file.unlink()
    assert kept(identity(row), one.look.how.predictions) is None
    file.write_bytes(b"short")
    assert kept(identity(row), f"../holdout/{file.name}") is None
    assert kept(identity(row), None) is None


def test_predictions_of_other_rows_are_not_compared(tmp_path: Path) -> None:
    rows = np.arange(3)
    one = Predictions(rows, np.zeros(3), np.ones(3), rows)
    assert one.same_rows(Predictions.load(tmp_path / one.save(tmp_path)))
    assert not one.same_rows(replace(one, rows=rows + 1))
    assert not one.same_rows(replace(one, truth=np.ones(3)))
    odd = replace(one, groups=np.arange(2)).save(tmp_path)
    with pytest.raises(InputError, match="The array 'groups' of the predictions is"):
        Predictions.load(tmp_path / odd)
    endless = replace(one, predicted=np.array([1.0, np.inf, 0.0])).save(tmp_path)
    with pytest.raises(InputError, match="not finite"):
        Predictions.load(tmp_path / endless)


def test_the_seed_of_the_trial_makes_the_model_of_the_trial(studies: str) -> None:
    as_searched = holdout("forests", studies).scored[0].look
    found = holdout("forests", studies, seeds=2)
    own, other = (one.look for one in found.scored)
    assert own.scores == as_searched.scores
    assert own.how.seed == as_searched.how.seed != other.how.seed
    assert own.scores != other.scores
    assert (own.how.trained, other.how.trained) == (Trained.AGAIN, Trained.AGAIN)
    assert (found.earlier, found.new) == (1, 2)
    with Store.open(studies) as store:
        row = store.study("forests")
        number = found.scored[0].trial.number
        assert store.looks_at(row) == {number: as_searched}  # what is exported was scored
        assert store.looks_of(row) == [as_searched, own, other]


def test_a_training_on_record_is_not_looked_at_again(studies: str) -> None:
    first = holdout("forests", studies, seeds=2)
    again = holdout("forests", studies, seeds=3)
    assert again.scored[:2] == first.scored
    assert (again.earlier, again.new) == (2, 1)


def test_more_rows_are_trained_on_when_asked(studies: str) -> None:
    (one,) = holdout("nets", studies, retrain=True).scored
    with Store.open(studies) as store:
        split = prepare_again(store.study("nets")).split
    assert one.look.how.trained is Trained.JOINED
    assert one.look.how.n_train == len(split.train) + len(split.val)
    assert one.look.how.validation == {}
    as_searched = holdout("nets", studies).scored[0].look
    assert as_searched.scores != one.look.scores


def test_every_member_is_scored_and_says_where_the_search_was(studies: str) -> None:
    split = "kfold:k=3,member=1"
    searched.search(studies, "fold", "random_forest", FOREST, split=split, preset="full")
    found = holdout("fold", studies, over="members")
    looks = [one.look for one in found.scored]
    assert len({look.split for look in looks}) == len(found.tests) == 3
    assert [look.how.searched for look in looks] == ["elsewhere", "each", "elsewhere"]
    assert [look.how.known for look in looks] == [look.rows for look in looks[:1]] + [
        0, looks[2].rows
    ]  # fmt: skip
    assert len({look.how.over for look in looks}) == 1
    assert [look.sequence for look in looks] == [1, 1, 1]
    assert looks[1].scores == holdout("fold", studies).scored[0].look.scores


def test_a_search_outside_every_test_part_is_labelled_once(
    studies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    split = "repeated:divisions=2,member=outside"
    searched.search(studies, "outside", "random_forest", FOREST, split=split, preset="full")
    with pytest.raises(InputError) as caught:
        holdout("outside", studies)
    assert caught.value.hint == "Type: fesearch holdout outside --over members"
    found = holdout("outside", studies, over="members")
    assert [one.look.how.searched for one in found.scored] == [Searched.ONCE, Searched.ONCE]
    assert [one.look.how.known for one in found.scored] == [0, 0]
    assert run(["rank", "--format", "json"]) == 0
    (over,) = [row for row in json.loads(capsys.readouterr().out) if row["repeated"]]
    assert (over["study"], over["searched"], over["divisions"]) == ("outside", "once", 2)
    assert over["flattered"] == 0


def test_over_names_a_repeated_division(studies: str) -> None:
    with pytest.raises(InputError) as caught:
        holdout("forests", studies, over="members")
    assert "is no member of a repeated one.\nName one, such as --over repeated" in str(caught.value)
    with pytest.raises(InputError, match="is a single division"):
        holdout("forests", studies, over="random")
    found = holdout("forests", studies, over="repeated:divisions=2")
    assert [one.look.how.searched for one in found.scored] == ["each", "elsewhere"]


def test_what_is_known_of_a_look_survives_hostile_values() -> None:
    how = How(Trained.JOINED, Searched.ONCE, "p", 3, 4, 5, (0.1, 0.2), 1e-6, {"mae": 0.1}, "f")
    assert How.of(json.loads(json.dumps(how.plain()))) == how
    assert How().plain() == {}
    assert How(validation={"r2": math.nan}).plain() == {"validation": {"r2": None}}
    endless = {"0.5": (0.5, 0.2), "0.9": (1.0, math.inf), "0.95": (1.0, math.nan)}
    assert How(coverage=endless).plain() == {"coverage": {"0.5": (0.5, 0.2)}}
    assert How(interval=(0.1, math.inf)).plain() == {}
    wrong = {name: ["x"] for name in how.plain()}
    assert How.of({**wrong, "more": 1}) == How(Trained.PREDICTED, Searched.ELSEWHERE)
    assert How.of({"interval": [0.1, "x"], "known": True, "latency": True}) == How()
    assert How.of(How(asked="0f").plain()) == How(asked="0f")
    assert How.of({"asked": "-0x1"}) == How.of({"asked": ""}) == How()


def write_rows(path: Path, formulas: list[str]) -> Path:
    lines = [f"{text},{-0.1 * place}" for place, text in enumerate(formulas)]
    path.write_text("\n".join(["compound,measured", *lines]) + "\n")
    return path


def test_rows_from_elsewhere_are_a_look_only_where_the_test_part_has_their_formula(
    studies: str, tmp_path: Path
) -> None:
    with Store.open(studies) as store:
        prepared = prepare_again(store.study("forests"))
    names, split = prepared.dataset.reduced, prepared.split
    known = [names[split.train[0]], names[split.val[0]], names[split.test[0]]]
    file = write_rows(tmp_path / "rows.csv", [*known, "Mg2Si", "Na3P"])
    wanted = Wanted({"measured": ""}, formula="compound")
    only = write_rows(tmp_path / "only.csv", known[:2])
    assert score_file("forests", studies, only, wanted).scored[0].new == {}
    with Store.open(studies) as store:
        assert store.looks() == []
    found = score_file("forests", studies, file, wanted)
    assert (found.rows, found.told, found.sealed) == (5, 2, 1)
    (one,) = found.scored
    with Store.open(studies) as store:
        row = store.study("forests")
        assert store.looks(row.key) == [one.look]
        assert store.looks_at(row) == {}, "a ranking has no test score of it"
    assert one.look is not None
    assert (one.look.how.trained, one.look.rows) == (Trained.FILE, 1)
    assert one.look.scores["mae"] not in (one.scores["mae"], one.new["mae"])
    searched.search(studies, "later", "random_forest", [searched.SMALL_FOREST])
    with Store.open(studies) as store:
        assert [trial.after_look for trial in store.trials(store.study("later"))] == [True]
    assert one.interval[0] <= one.scores["mae"] <= one.interval[1]
    assert one.new["mae"] != one.scores["mae"]
    with pytest.raises(InputError) as caught:
        score_file("forests", studies, file, replace(wanted, targets={"measured": "kJ/mol"}))
    assert str(caught.value) == (
        f"'measured' of {file} is in kJ/mol, but 'h_form' of 'forests' is in eV/atom.\n"
        "Convert it in the file."
    )


def test_the_command_for_rows_from_elsewhere(
    studies: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_rows(tmp_path / "rows.csv", ["Mg2Si", "Na3P", "AlTi"])
    command = ["holdout", "nets", "--file", str(file), "--formula", "compound"]
    command += ["--target", "measured"]
    assert run([*command, "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert {"file_mae", "file_p90", "new_mae", "rows_told", "rows_sealed"} <= set(row)
    assert run(command) == 0
    out, err = capsys.readouterr()
    assert "MAE there (eV/atom)" in out
    assert f"3 rows of {file}, in eV/atom. 0 rows have a formula that" in err
    assert "1 row has a formula of the sealed test part, which is on record as look 2 at it" in err
    new = write_rows(tmp_path / "new.csv", ["Na3P"])
    assert run(["holdout", "nets", "--file", str(new), *command[4:]]) == 0
    assert "No look at the test part." in capsys.readouterr().err
    assert run([*command, "--seeds", "2"]) == 2
    assert "--file scores models as they were searched" in capsys.readouterr().err
    assert run(["holdout", "nets", "--formula", "compound"]) == 2
    assert capsys.readouterr().err == (
        "--formula is about a file, but there is no --file.\nGive --file, or leave --formula out.\n"
    )


def test_the_command_shows_where_each_score_comes_from(
    studies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["holdout", "forests", "--over", "repeated:divisions=2", "--seeds", "2"]) == 0
    out, err = capsys.readouterr()
    assert out.count("trained again") == 4
    assert out.count("elsewhere") == 2
    assert "On record as 4 looks at 2 test parts" in err
    assert run(["holdout", "forests", "--over", "repeated:divisions=2", "--format", "json"]) == 0
    own, other = json.loads(capsys.readouterr().out)
    assert own["val_mae"] != other["val_mae"]  # each of its own training
    assert "searched on rows that are test rows here" in err
