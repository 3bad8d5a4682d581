"""Analyses of searches, of series of studies, and of what a network learned of elements."""

import math

import numpy as np
import pytest
import searched
from analysed import found

from fesearch import formula
from fesearch.analyses.element_map import CLASSES
from fesearch.analysis import ANALYSES
from fesearch.errors import InputError
from fesearch.figures.render import panel_svg
from fesearch.record import Fault, TrialResult, TrialState
from fesearch.search.importance import importances
from fesearch.store.results import Store
from fesearch.subject import subject

NET = {**searched.SMALL_NET, "learning_rate": 0.003}


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
    searched.search(studies, "inner", "random_forest", [forest], split="random:train=20,folds=2")
    with pytest.raises(InputError, match="scored on inner folds"):
        found("learning_curve", ["forests", "inner"], studies)


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
