"""Analyses of studies and exported models: their numbers, computed again, and their pictures."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from analysed import MODELS, found

from fesearch import formula
from fesearch.analyses import permutation
from fesearch.analysis import ANALYSES, Column, Settings, Table
from fesearch.cli.app import run
from fesearch.errors import InputError
from fesearch.examined import Part
from fesearch.figures.render import panel_svg
from fesearch.search.prepare import prepare_again
from fesearch.store.results import Store
from fesearch.subject import subject


def part_of(name: str, url: str) -> Part:
    return subject(name, url).examined.part("validation")


# Every analysis


@pytest.mark.parametrize("kind", ANALYSES.names())
def test_an_analysis_says_what_it_is_and_what_to_type(kind: str) -> None:
    one = ANALYSES.get(kind)
    assert one.question.endswith("?")
    assert f"fesearch analyse {kind} " in one.example
    assert one.reads in ("models", "searches", "series")
    assert set(one.takes) <= {"part", "repeats", "rows", "bins"}


@pytest.mark.parametrize("kind", MODELS)
def test_models_on_one_division_are_analysed_and_drawn_together(kind: str, studies: str) -> None:
    given = {"repeats": 1} if kind == "permutation" else {}
    finding = found(kind, ["nets", "forests"], studies, **given)
    labels = [row["model"] for row in finding.summary.rows()]
    assert [label.split()[0] for label in labels] == ["nets", "forests"]
    assert set(finding.detail["model"]) == set(labels)
    panels = ANALYSES.get(kind).panels(finding)
    assert panels
    for panel in panels:
        assert panel.alt.startswith(panel.title)
        assert "</svg>" in panel_svg(panel)


@pytest.mark.parametrize("kind", MODELS)
def test_models_of_other_divisions_are_not_compared(kind: str, studies: str) -> None:
    with pytest.raises(InputError) as refused:
        found(kind, ["nets", "elsewhere"], studies)
    assert "cannot be compared: division " in refused.value.message
    assert refused.value.hint == "Analyse one at a time, or search both on one division."


# The numbers of models


def test_parity_has_every_validation_row_and_the_score_on_record(studies: str) -> None:
    finding = found("parity", ["nets"], studies)
    with Store.open(studies) as store:
        row = store.study("nets")
        best = min(one.value for one in store.trials(row) if one.value is not None)
    prepared = prepare_again(row)
    ids = [prepared.dataset.ids[place] for place in prepared.split.val]
    assert list(finding.detail["id"]) == ids
    assert list(finding.detail["true"]) == prepared.development.val_y.tolist()
    (line,) = finding.summary.rows()
    assert line["mae"] == pytest.approx(best, rel=1e-6)
    assert finding.summary.columns[2].heading == "mae (eV/atom)"


def test_errors_are_percentiles(studies: str) -> None:
    finding = found("errors", ["forests"], studies)
    error = np.abs(part_of("forests", studies).error)
    (line,) = finding.summary.rows()
    assert line["p90"] == pytest.approx(np.percentile(error, 90))
    assert line["largest"] == error.max()
    at = dict(zip(finding.detail["share"], finding.detail["error_at_most"], strict=True))
    assert at[90] == line["p90"]
    assert np.mean(error <= at[50]) >= 0.5
    assert list(at.values()) == sorted(at.values())


def test_bins_have_all_rows_and_add_up_to_the_mae(studies: str) -> None:
    finding = found("target_bins", ["forests"], studies, bins=4)
    part = part_of("forests", studies)
    (line,) = finding.summary.rows()
    assert len(finding.detail) == 4
    assert sum(finding.detail["rows"]) == part.truth.size
    assert sum(finding.detail["adds_to_mae"]) == pytest.approx(np.abs(part.error).mean())
    positive = part.truth > 0
    assert line["share_positive"] == positive.mean()
    expected = np.abs(part.error[positive]).sum() / part.truth.size
    assert line["positive_adds_to_mae"] == pytest.approx(expected)
    low, high = finding.detail["from"][1], finding.detail["to"][1]
    inside = (part.truth >= low) & (part.truth < high)
    assert finding.detail["rows"][1] == inside.sum()


def test_a_row_counts_for_each_of_its_elements(studies: str) -> None:
    finding = found("elements", ["forests"], studies)
    one = subject("forests", studies).examined
    part = one.part("validation")
    lines = {line["element"]: line for line in finding.detail.rows()}
    having = [
        place
        for place, row in enumerate(part.rows)
        if "Fe" in formula.symbols(one.data.reduced[row])
    ]
    assert lines["Fe"]["rows"] == len(having)
    assert lines["Fe"]["mae"] == pytest.approx(np.abs(part.error[having]).mean())
    trained = [one.data.reduced[row] for row in one.split.train]
    assert lines["Fe"]["training_rows"] == sum("Fe" in formula.symbols(text) for text in trained)
    assert list(lines) == [symbol for symbol in formula.ELEMENTS if symbol in lines]


def test_a_feature_a_forest_never_splits_on_has_no_importance(studies: str) -> None:
    finding = found("permutation", ["forests"], studies, repeats=3)
    model = subject("forests", studies).examined
    values = dict(zip(finding.detail["feature"], finding.detail["importance"], strict=True))
    part = model.x[model.split.val]
    constant = [name for place, name in enumerate(model.names) if np.ptp(part[:, place]) == 0]
    assert constant
    assert all(values[name] == 0 for name in constant)
    assert list(values.values()) == sorted(values.values(), reverse=True)
    (line,) = finding.summary.rows()
    assert line["of_positive_importance"] == sum(value > 0 for value in values.values())
    assert values[line["most_important"]] > 0
    again = found("permutation", ["forests"], studies, repeats=3)
    assert again.detail == finding.detail  # the same orders each time


def test_permutation_predicts_no_row_again_that_stays_the_same(studies: str) -> None:
    model = subject("forests", studies).examined
    part, told = model.part("validation"), []

    def predictor(x: np.ndarray) -> np.ndarray:
        told.append(len(x))
        return np.asarray(x, dtype=np.float64).sum(axis=1)

    model.__dict__["predictor"] = predictor
    importances, _, rows = permutation._importances(model, Settings(repeats=2, rows=5000))
    x = np.ascontiguousarray(model.x[part.rows], dtype=np.float32)
    draw = np.random.default_rng(0)
    orders = [draw.permutation(rows) for _ in range(2)]
    moved = [(x[order, i] != x[:, i]).sum() for i in range(x.shape[1]) for order in orders]
    assert sum(told) == sum(moved)
    assert 0 < sum(told) < 2 * rows * x.shape[1]
    before = np.abs(part.error)
    after = np.abs(x.sum(axis=1, dtype=np.float64) - x[:, 0] + x[orders[0], 0] - part.truth)
    same = x[orders[0], 0] == x[:, 0]
    assert importances[0, 0] == pytest.approx(np.where(same, 0, after - before).mean(), abs=1e-4)


def test_a_model_without_columns_is_refused_before_the_others_are_worked_on(
    studies: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = [subject(name, studies) for name in ("forests", "nets")]
    odd = replace(every[1].examined, features="element_sequence")
    monkeypatch.setattr(permutation, "models", lambda subjects: [every[0].examined, odd])
    monkeypatch.setattr(permutation, "_importances", lambda *given: pytest.fail("worked on"))
    with pytest.raises(InputError, match="whose columns mean nothing alone"):
        permutation.find(every, Settings())


def test_permutation_takes_as_many_rows_as_asked(studies: str) -> None:
    assert "on 3 rows" in found("permutation", ["forests"], studies, repeats=1, rows=3).note
    with pytest.raises(InputError, match="0 repeats on 5000 rows are asked for"):
        found("permutation", ["forests"], studies, repeats=0)
    with pytest.raises(InputError, match="1 bins are asked for"):
        found("target_bins", ["forests"], studies, bins=1)


# The table and the command


def test_a_table_gives_rows_and_groups() -> None:
    table = Table.of([["a", 1], ["b", 2], ["a", 3]], "name", ("size", "m"))
    assert list(table.rows())[1] == {"name": "b", "size": 2}
    assert list(table.groups("name")["a"]["size"]) == [1, 3]
    assert table.columns[1].heading == "size (m)"
    assert len(Table.of([], "name", "size")) == 0
    assert Column("of_trials", ()).heading == "of trials"


def test_the_command_prints_numbers_and_writes_files(
    studies: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["analyse", "errors", "forests", "--format", "json"]
    assert run([*words, "--to", str(tmp_path / "errors.csv")]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["summary"][0]["model"].startswith("forests")
    assert len(said["detail"]) == 100
    with (tmp_path / "errors.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["error_at_most"]) for row in rows] == [
        one["error_at_most"] for one in said["detail"]
    ]
    assert run(["analyse", "errors", "forests", "--to", str(tmp_path / "errors.json")]) == 0
    assert json.loads((tmp_path / "errors.json").read_text())["units"]["share"] == "%"
    assert "… and 60 rows more; all of them: --format csv" in capsys.readouterr().out
    assert run(["analyse", "errors", "forests", "--to", str(tmp_path / "errors.svg")]) == 0
    assert (tmp_path / "errors.svg").read_text().startswith("<?xml")


def test_the_command_lists_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["analyse", "list", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == ANALYSES.names()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["parity"], "No study is named."),
        (["parti", "nets"], "There is no analysis 'parti'."),
        (["parity", "nets", "--bins", "3"], "The analysis 'parity' takes no --bins."),
        (["rungs", "nets", "--part", "test"], "The analysis 'rungs' takes no --part."),
        (["parity", "nets", "forests", "--trial", "1"], "--trial 1 is of one model"),
        (["rungs", "nets", "--trial", "1"], "--trial 1 is of one model"),
        (["parity", "nets", "--to", "parity.pdf"], "does not end in .png, .svg, .html, .csv"),
        (["list", "nets"], "'list' takes no study"),
    ],
)
def test_wrong_usage_is_refused(
    words: list[str], said: str, studies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["analyse", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_study_that_is_not_there_is_4(studies: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["analyse", "parity", "nest"]) == 4
    assert "Did you mean 'nets'?" in capsys.readouterr().err


def test_another_trial_is_analysed_when_asked(studies: str) -> None:
    first, second = (subject("nets", studies, trial=n).examined for n in (0, 1))
    assert (first.label, second.label) == ("nets 0 (irnet)", "nets 1 (irnet)")
    assert first.model.config != second.model.config
    assert replace(first.part("validation"), predicted=np.zeros(1)).truth.size == len(
        first.split.val
    )
