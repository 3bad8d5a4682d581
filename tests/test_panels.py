"""What optuna-dashboard shows of ours: small figures in its own attributes, never in the way."""

import json
from typing import Any

import optuna_dashboard._custom_plot_data as theirs
import pytest
import searched
from optuna.storages import InMemoryStorage, RDBStorage
from optuna.study import StudyDirection

from fesearch.dashboard.suggestions import Suggestions
from fesearch.record import TrialState
from fesearch.search import panels as own
from fesearch.search import projection, start
from fesearch.search.mirror import in_database
from fesearch.search.panels import panels, show
from fesearch.store.results import Store
from fesearch.study import Study


@pytest.fixture
def ended(studies: str) -> str:
    """The URL of a store with a study that a search has made."""
    space = {**searched.SMALL_FOREST, "max_depth": [2, 4, 6, 8, 10]}
    study = Study(
        name="ended",
        family="random_forest",
        data=searched.DATA,
        trials=5,
        preset="full",
        space=space,
        runner="inline",
    )
    start.start(study, studies)
    return studies


def shown(storage: RDBStorage | InMemoryStorage, study_id: int) -> dict[str, Any]:
    """The figures as optuna-dashboard reads them."""
    found = theirs.get_plotly_graph_objects(storage.get_study_system_attrs(study_id))
    return {name: json.loads(text) for name, text in found.items() if text}


def test_a_study_that_ends_has_them(ended: str) -> None:
    storage = in_database(ended)
    number = storage.get_study_id_from_name("ended")
    figures = shown(storage, number)
    attributes = storage.get_study_system_attrs(number)
    storage.engine.dispose()
    assert set(figures) == {"fesearch-best", "fesearch-rungs"}
    assert all(map(theirs.is_valid_graph_object_id, figures))
    assert all(len(text) <= own.PIECE for text in attributes.values() if isinstance(text, str))
    with Store.open(ended) as store:
        row = store.study("ended")
        reports = sorted(store.reports(row), key=lambda report: report.sequence)
        best = [trial for trial in store.trials(row) if trial.state.usable]
    [line] = figures["fesearch-best"]["data"]
    values: list[float] = []
    for report in reports:
        if report.best is not None and (not values or report.best < values[-1]):
            values.append(report.best)
    assert line["y"] == pytest.approx(values, rel=1e-5)
    assert line["x"] == sorted(line["x"])
    assert len(line["text"]) == len(values)
    assert line["y"][-1] == pytest.approx(min(one.value for one in best if one.value), rel=1e-5)
    axis = figures["fesearch-best"]["layout"]["yaxis"]["title"]["text"]
    assert axis == "validation MAE (eV/atom)"
    arrived, stopped = figures["fesearch-rungs"]["data"]
    assert arrived["x"] == stopped["x"]
    for rung, there, gone in zip(arrived["x"], arrived["y"], stopped["y"], strict=True):
        assert there == sum(report.resource == int(rung) for report in reports)
        pruned = [one for one in best if one.state is TrialState.PRUNED]
        assert gone == sum(one.resource == int(rung) for one in pruned)
    assert figures["fesearch-rungs"]["layout"]["xaxis"]["title"]["text"] == "trees"


def test_they_are_figures_for_plotly(ended: str) -> None:
    import plotly.graph_objects as go

    with Store.open(ended) as store:
        for text in panels(store, store.study("ended")).values():
            assert go.Figure(json.loads(text)).data


def test_a_shorter_figure_leaves_nothing_of_a_longer_one() -> None:
    storage = InMemoryStorage()
    number = storage.create_new_study([StudyDirection.MINIMIZE], "toy")
    show(storage, number, {"long": json.dumps("x" * 3 * own.PIECE)})
    assert shown(storage, number) == {"long": "x" * 3 * own.PIECE}
    show(storage, number, {"long": json.dumps("y")})
    assert shown(storage, number) == {"long": "y"}


def test_a_search_ends_well_without_them(ended: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*given: object) -> None:
        raise OSError("disk I/O error")

    monkeypatch.setattr(projection, "show", failing)
    with Store.open(ended) as store:
        asked = store.study("ended").definition["study"]
    again = {**asked, "name": "again"}
    outcome = start.start(Study(**again), ended)
    assert len(outcome.results) == 5
    assert outcome.stopped == ""


def test_the_dashboard_writes_them_where_it_may(studies: str) -> None:
    storage = in_database(studies)
    number = storage.create_new_study([StudyDirection.MINIMIZE], "nets")
    storage.create_new_study([StudyDirection.MINIMIZE], "somebody's")

    def refused(error: Exception, respond: object) -> list[bytes]:
        raise error

    assert Suggestions(studies, False, refused).number_of("nets") == number
    assert shown(storage, number) == {}
    assert Suggestions(studies, True, refused).number_of("nets") == number
    later = in_database(studies)  # Optuna keeps what it has read
    assert "fesearch-best" in shown(later, number)
    for one in (storage, later):
        one.engine.dispose()


def test_the_best_of_a_score_is_the_highest(studies: str) -> None:
    config = [searched.SMALL_FOREST, {**searched.SMALL_FOREST, "max_depth": 2}]
    searched.search(studies, "scores", "random_forest", config, metric="r2")
    with Store.open(studies) as store:
        row = store.study("scores")
        values = [value for _, _, value in store.improvements(row)]
        top = max(report.best for report in store.reports(row) if report.best is not None)
    assert values == sorted(values)
    assert values[-1] == top
