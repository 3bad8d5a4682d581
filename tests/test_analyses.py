"""Analyses of studies and exported models: their numbers, computed again, and their pictures."""

import csv
import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import searched

from fesearch import formula
from fesearch.analyses.element_map import CLASSES
from fesearch.analysis import ANALYSES, Column, Finding, Table
from fesearch.bundle import open_bundle
from fesearch.cli.app import run
from fesearch.errors import InputError
from fesearch.export import export
from fesearch.figures.render import panel_svg
from fesearch.holdout import holdout
from fesearch.joint import holdout_ensemble
from fesearch.predictions import holdout_folder
from fesearch.record import Fault, TrialResult, TrialState
from fesearch.search.folder import identity, model_folder
from fesearch.search.importance import importances
from fesearch.search.prepare import prepare_again
from fesearch.store.results import Store
from fesearch.subject import Part, subject

MODELS = ["parity", "errors", "target_bins", "elements", "permutation"]
NET = {**searched.SMALL_NET, "learning_rate": 0.003}


def found(kind: str, names: Sequence[str], url: str, **given: object) -> Finding:
    analysis = ANALYSES.get(kind)
    return analysis.find([subject(name, url) for name in names], analysis.settings(**given))


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


def test_permutation_takes_as_many_rows_as_asked(studies: str) -> None:
    assert "on 3 rows" in found("permutation", ["forests"], studies, repeats=1, rows=3).note
    with pytest.raises(InputError, match="0 repeats on 5000 rows are asked for"):
        found("permutation", ["forests"], studies, repeats=0)
    with pytest.raises(InputError, match="1 bins are asked for"):
        found("target_bins", ["forests"], studies, bins=1)


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


# Several studies


def test_a_learning_curve_takes_the_best_of_each_size(studies: str) -> None:
    for size in (10, 20):
        forest = searched.SMALL_FOREST
        searched.search(
            studies, f"of{size}", "random_forest", [forest], split=f"random:train={size}"
        )
    finding = found("learning_curve", ["forests", "of10", "of20", "nets"], studies)
    lines = list(finding.detail.rows())
    forests = [line for line in lines if line["family"] == "random_forest"]
    sizes = [line["training_rows"] for line in forests]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 3
    with Store.open(studies) as store:
        best = min(t.value for t in store.trials(store.study("of10")) if t.value is not None)
    assert forests[0]["mae"] == best
    (line, net) = sorted(finding.summary.rows(), key=lambda one: -len(one["family"]))
    slope = np.polyfit(np.log(sizes), np.log([one["mae"] for one in forests]), 1)[0]
    assert line["exponent"] == pytest.approx(slope)
    assert net["exponent"] is None
    assert len(ANALYSES.get("learning_curve").panels(finding)) == 2  # the net, relative to it
    with pytest.raises(InputError, match="All of the 2 studies have"):
        found("learning_curve", ["forests", "nets"], studies)
    with pytest.raises(InputError, match="their validation rows differ"):
        found("learning_curve", ["forests", "elsewhere"], studies)


def test_an_element_is_asked_of_rows_that_nobody_was_trained_on(studies: str) -> None:
    for kept in (0, 1):
        split = f"leave_element:element=Fe,kept={kept}"
        searched.search(studies, f"fe{kept}", "random_forest", [searched.SMALL_FOREST], split=split)
    finding = found("leave_element", ["fe1", "fe0"], studies)
    none, all_of_them = finding.detail.rows()
    assert none["training_rows_with"] == 0
    assert all_of_them["training_rows_with"] > 0
    one, other = (subject(name, studies).examined for name in ("fe0", "fe1"))
    asked = other.split.val
    assert not set(one.split.train) & set(asked)
    assert not set(one.split.test) & set(asked)
    having = np.array(["Fe" in formula.symbols(one.data.reduced[row]) for row in asked])
    assert finding.summary["rows_with"][0] == having.sum() > 0
    error = np.abs(one.at(asked).error)
    assert none["mae_with"] == pytest.approx(error[having].mean())
    assert none["mae_without"] == pytest.approx(error[~having].mean())
    (panel,) = ANALYSES.get("leave_element").panels(finding)
    assert "rows with Fe" in panel_svg(panel)
    with pytest.raises(InputError, match="which leaves no element out"):
        found("leave_element", ["fe0", "forests"], studies)
    split = "leave_element:element=Ni,kept=1"
    searched.search(studies, "ni", "random_forest", [searched.SMALL_FOREST], split=split)
    with pytest.raises(InputError, match="or on different data"):
        found("leave_element", ["fe0", "ni"], studies)


# Searches


def test_training_curves_are_the_best_of_each_kind(studies: str) -> None:
    finding = found("training_curves", ["nets", "forests"], studies)
    with Store.open(studies) as store:
        row = store.study("nets")
        best = min(store.trials(row), key=lambda one: one.value or math.inf)
        reports = store.reports(row, best.number)
    lines = {line["curve"]: line for line in finding.summary.rows()}
    assert set(lines) == {"irnet 3 layers", "random_forest"}
    net = lines["irnet 3 layers"]
    assert (net["trial"], net["of_trials"], net["best_mae"]) == (best.number, 2, best.value)
    curve = finding.detail.groups("curve")["irnet 3 layers"]
    assert list(curve["val_mae"]) == [report.raw for report in reports]
    panels = ANALYSES.get("training_curves").panels(finding)
    assert {panel.title for panel in panels} == {"Training by epochs", "Training by trees"}
    with pytest.raises(InputError, match="'nets' and 'elsewhere' cannot be compared"):
        found("training_curves", ["nets", "elsewhere"], studies)


def test_rungs_and_time_are_told_by_how_trials_ended(studies: str) -> None:
    finding = found("rungs", ["nets", "forests"], studies)
    lines = {line["study"]: line for line in finding.summary.rows()}
    assert (lines["forests"]["trials"], lines["forests"]["fail"]) == (3, 1)
    assert lines["nets"]["share_of_training"] == 1.0
    rungs = finding.detail.groups("study")["nets"]
    assert list(rungs["rung"]) == [1, 3]
    assert list(rungs["arrived"]) == [2, 2]
    assert list(rungs["stopped"]) == [0, 0]
    assert list(rungs["went_on"]) == [2, 2]
    titles = [panel.title for panel in ANALYSES.get("rungs").panels(finding)]
    assert "Rungs: nets" in titles
    assert "Time by end: forests" in titles


def trial(number: int, value: float | None, **config: object) -> TrialResult:
    state = TrialState.COMPLETE if value is not None else TrialState.FAIL
    fault = None if value is not None else Fault.DIVERGED
    return TrialResult(number, "irnet", config, 0, state, value, fault=fault)  # type: ignore[arg-type]


def test_what_decides_is_important_and_what_does_not_is_not() -> None:
    trials = [
        trial(place, 0.1 + rate, learning_rate=rate, seedling=place % 3, fixed=1, layers=None)
        for place, rate in enumerate(np.linspace(0.001, 0.9, 24).tolist())
    ]
    shares = importances(trials)
    assert set(shares) == {"learning_rate", "seedling"}
    assert shares["learning_rate"] > 0.8
    assert sum(shares.values()) == pytest.approx(1)
    assert importances([trial(0, 0.1, depth=3), trial(1, 0.2, depth=3)]) == {}
    only_some = [trial(0, 0.1, depth=3, width=1), trial(1, 0.2, depth=4)]
    assert set(importances(only_some)) == {"depth"}


def test_configs_that_diverge_tell_what_not_to_do() -> None:
    trials = [
        *(trial(n, 0.1 + 0.001 * n, optimizer="adam", depth=n % 2) for n in range(8)),
        *(trial(8 + n, None, optimizer="sgd", depth=n % 2) for n in range(8)),
    ]
    shares = importances(trials)
    assert shares["optimizer"] > 0.9


def test_few_trials_say_nothing_of_parameters(studies: str) -> None:
    with pytest.raises(InputError) as refused:
        found("hyperparameters", ["nets"], studies)
    assert str(refused.value) == (
        "The study 'nets' has 2 trials to compare, and 4 are needed.\n"
        "Type: fesearch study extend nets --trials +20"
    )
    nets = [{**NET, "learning_rate": rate} for rate in (0.01, 0.003, 0.001, 1e-5)]
    searched.search(studies, "rates", "irnet", nets, max_epochs=1, preset="full")
    finding = found("hyperparameters", ["rates"], studies)
    assert list(finding.detail["parameter"]) == ["learning_rate"]
    assert finding.detail["importance"][0] == pytest.approx(1)
    same = [NET] * 4
    searched.search(studies, "same", "irnet", same, max_epochs=1, preset="full")
    with pytest.raises(InputError, match="do not differ in any parameter"):
        found("hyperparameters", ["same"], studies)


def test_elements_lie_where_the_first_layer_puts_them(
    studies: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fesearch.analyses.element_map.FEWEST", 1)
    searched.search(
        studies,
        "fractions",
        "irnet",
        [NET],
        max_epochs=1,
        preset="full",
        features="element_fractions",
    )
    finding = found("element_map", ["fractions"], studies)
    one = subject("fractions", studies).examined
    assert list(finding.detail["element"]) == [s for s in formula.ELEMENTS if s in one.seen]
    weights = one.model.arrays["net.hidden.0.layers.0.0.weight"]
    places = [one.names.index(symbol) for symbol in finding.detail["element"]]
    vectors = weights[:, places].T.astype(float)
    values = np.linalg.eigvalsh(np.cov(vectors.T))[::-1]
    (line,) = finding.summary.rows()
    assert line["variance_of_pc1"] == pytest.approx(values[0] / values.sum())
    assert np.var(finding.detail["pc1"], ddof=1) == pytest.approx(values[0])
    assert np.corrcoef(finding.detail["pc1"], finding.detail["pc2"])[0, 1] == pytest.approx(
        0, abs=1e-6
    )
    (panel,) = ANALYSES.get("element_map").panels(finding)
    assert "transition" in panel_svg(panel)
    with pytest.raises(InputError, match="has no weights that belong to elements"):
        found("element_map", ["forests"], studies)
    with pytest.raises(InputError, match="has no weights that belong to elements"):
        found("element_map", ["nets"], studies)  # magpie has no column for an element


def test_every_element_is_of_one_class() -> None:
    every = [symbol for symbols in CLASSES.values() for symbol in symbols.split()]
    assert sorted(every) == sorted(formula.ELEMENTS)


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
