"""Figures that optuna-dashboard shows with a study of ours: its rungs, and its best by the clock.

How they look stands in ``dashboards/optuna/``, a figure of plotly's in each file; the numbers are
put in here. No plotly is needed for that.
"""

import contextlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fesearch.errors import InputError
from fesearch.metrics import title_of
from fesearch.paths import dashboards
from fesearch.search.budget import rungs_of
from fesearch.search.prepare import study_of
from fesearch.store.results import Store
from fesearch.store.types import StudyRow

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

PREFIX, PIECE = "dashboard:plot_data:", 2045
"""Of the attributes that optuna-dashboard reads figures from, and characters of each."""
MOST = 200
"""Points of a figure, which is read with every look at its study."""
HOUR = 3600.0


def panels(store: Store, row: StudyRow) -> dict[str, str]:
    """Name -> figure, as plotly's JSON, of a study as it stands."""
    found = {"fesearch-best": _best(store, row), "fesearch-rungs": _rungs(store, row)}
    return {name: json.dumps(figure) for name, figure in found.items() if figure is not None}


def objective(row: StudyRow) -> str:
    """What the values of a study are, with their unit."""
    return f"validation {title_of(row.key.metric)}{f' ({row.unit})' if row.unit else ''}"


def show(storage: "BaseStorage", study_id: int, figures: Mapping[str, str]) -> None:
    """Write figures where optuna-dashboard looks for them, in place of older ones."""
    there = storage.get_study_system_attrs(study_id)
    for name, text in figures.items():
        prefix = f"{PREFIX}{name}:"
        pieces = [text[at : at + PIECE] for at in range(0, len(text), PIECE)]
        old = sum(key.startswith(prefix) for key in there)
        for place, piece in enumerate(pieces + [""] * (old - len(pieces))):
            key = f"{prefix}{place}"
            if there.get(key) != piece:
                storage.set_study_system_attr(study_id, key, piece)


def show_all(store: Store, storage: "BaseStorage") -> None:
    """Write those of every study that Optuna has."""
    for row in store.study_rows():
        with contextlib.suppress(KeyError):
            show(storage, storage.get_study_id_from_name(row.name), panels(store, row))


def _best(store: Store, row: StudyRow) -> dict[str, Any] | None:
    """The best value so far by the hours since the study was created."""
    steps = store.improvements(row)[-MOST:]
    if not steps:
        return None
    figure = _template("best")
    figure["data"][0] |= {
        "x": [round((at - row.created_at).total_seconds() / HOUR, 4) for at, _, _ in steps],
        "y": [float(f"{value:.6g}") for _, _, value in steps],
        "text": [f"trial {number}" for _, number, _ in steps],
    }
    figure["layout"]["yaxis"]["title"]["text"] = objective(row)
    return figure


def _rungs(store: Store, row: StudyRow) -> dict[str, Any] | None:
    """Who came to each rung, and who was stopped there."""
    try:
        study = study_of(row)
        resource = study.declared_family().resource
    except InputError:  # its family is not installed here
        return None
    rungs = rungs_of(study, resource)
    seen = store.rungs_seen(row, rungs)[:MOST] if rungs else []
    if not seen:
        return None
    figure = _template("rungs")
    names = [str(rung.resource) for rung in seen]
    figure["data"][0] |= {"x": names, "y": [rung.arrived for rung in seen]}
    figure["data"][1] |= {"x": names, "y": [rung.stopped for rung in seen]}
    figure["layout"]["xaxis"]["title"]["text"] = resource.unit
    return figure


def _template(name: str) -> dict[str, Any]:
    text = (dashboards() / "optuna" / f"{name}.json").read_text("utf-8")
    figure: dict[str, Any] = json.loads(text)
    return figure
