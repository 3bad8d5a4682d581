"""Finalists scored on labelled rows from elsewhere.

The test part stays sealed: rows whose formula is in it are a look, and are put on record as one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fesearch import intake, predictions
from fesearch.dataset import Dataset
from fesearch.errors import InputError
from fesearch.features import build
from fesearch.featureset import Inputs
from fesearch.finalists import finalists, kept_model, refuse_driven
from fesearch.intake import Wanted
from fesearch.metrics import METRICS
from fesearch.record import TrialResult
from fesearch.search.prepare import Prepared, Progress, prepare_again
from fesearch.statistics import bootstrap_interval
from fesearch.store.how import How, Trained
from fesearch.store.results import Store
from fesearch.store.types import Look, StudyRow

_SHOWN = 3  # rows named in an error


@dataclass(frozen=True)
class ScoredElsewhere:
    """A finalist with every metric on all rows of a file, and on those whose formula is new to it.

    Attributes:
        study: that the trial is of.
        interval: of the MAE on all rows, 95 %, from formulas drawn with replacement.
        new: metric -> score where neither training nor validation part has the formula; empty
            where there is no such row.
        look: on record, at rows whose formula is in the test part; None where there is no such row.
    """

    study: str
    trial: TrialResult
    scores: dict[str, float]
    interval: tuple[float, float]
    new: dict[str, float]
    look: Look | None = None


@dataclass(frozen=True)
class Elsewhere:
    """What a labelled file says about studies.

    Attributes:
        row: of the study with the best finalist.
        rows: in the file.
        told: of these, rows whose reduced formula is in the training or the validation part.
        sealed: rows whose reduced formula is in the test part: a look by another door, on record.
    """

    row: StudyRow
    target_unit: str
    rows: int
    told: int
    sealed: int
    scored: tuple[ScoredElsewhere, ...]


def score_file(
    names: str | Sequence[str],
    url: str,
    path: Path,
    wanted: Wanted,
    *,
    top: int = 1,
    best_per_family: bool = False,
    progress: Progress | None = None,
) -> Elsewhere:
    """Score the models that the finalists of studies left on the rows of a file.

    Args:
        names: a study, several on one division, or a search over many families.
        url: of the store; written there is a look at each model where rows are of the test part.
        path: as ``intake.read`` takes it.
        wanted: its columns, with one target, whose unit is taken to be that of the studies' where
            it is empty. Columns of numbers that the models read are added.
        top, best_per_family: see ``holdout``.

    Raises:
        StudyNotFoundError: there is none of a name.
        NoResultError: there is no usable trial.
        InputError: a row of the file cannot be used, its unit is another, the studies do not go
            together, the weights of a finalist are not kept, or rows are of the test part while a
            study is being driven. Nobody has looked then.
    """
    with Store.look(url) as store:
        studies = store.named([names] if isinstance(names, str) else names)
        chosen = finalists(store, studies, top, best_per_family)
    theirs = {row.name: row for row, _ in chosen}
    prepared = {name: prepare_again(row, progress) for name, row in theirs.items()}
    models = [kept_model(row, prepared[row.name], trial) for row, trial in chosen]
    best = chosen[0][0]
    first = prepared[best.name]  # of one key with all others: their data and parts are its own
    rows = intake.read(path, "file", _in_full(wanted, path, prepared))
    matrices = {name: _matrix(path, rows, one, progress) for name, one in prepared.items()}
    told = _shared(first, rows.reduced, (first.split.train, first.split.val))
    sealed = _shared(first, rows.reduced, (first.split.test,))
    if sealed.any():
        with Store.look(url) as store:
            for row in studies:
                refuse_driven(store, row)
    [target] = wanted.targets
    truth, everything = rows.target(target), np.arange(len(rows))
    metrics = {**METRICS, first.metric.name: first.metric}.values()
    scored = []
    for (row, trial), model in zip(chosen, models, strict=True):
        said = model.predict(matrices[row.name])
        found = predictions.of_formulas(everything, rows.reduced, truth, said)
        new = {m.name: m(truth[~told], said[~told]) for m in metrics} if not told.all() else {}
        interval = bootstrap_interval(found.errors, found.groups)
        scores = {m.name: m(truth, said) for m in metrics}
        there = {m.name: m(truth[sealed], said[sealed]) for m in metrics} if sealed.any() else {}
        look = _recorded(url, row, trial, there, int(sealed.sum())) if there else None
        scored.append(ScoredElsewhere(row.name, trial, scores, interval, new, look))
    unit = first.dataset.units[first.target]
    return Elsewhere(best, unit, len(rows), int(told.sum()), int(sealed.sum()), tuple(scored))


def _in_full(wanted: Wanted, path: Path, prepared: Mapping[str, Prepared]) -> Wanted:
    """What is to be read for all models: the target in their unit, and their own numbers.

    Raises:
        InputError: the target is in another unit.
    """
    name, first = next(iter(prepared.items()))
    [(target, unit)] = wanted.targets.items()
    ours = first.dataset.units[first.target]
    if unit not in ("", ours):
        raise InputError(
            f"'{target}' of {path} is in {unit}, but '{first.target}' of '{name}' is in {ours}.",
            "Convert it in the file.",
        )
    numbers = dict.fromkeys(
        column
        for one in prepared.values()
        for term in one.features.combination.terms
        if term.needs == "columns"
        for column in term.names()
    )
    return replace(wanted, targets={target: ours}, numbers=(*wanted.numbers, *numbers))


def _matrix(path: Path, rows: Dataset, prepared: Prepared, progress: Progress | None) -> np.ndarray:
    """What the models of a study read of all rows.

    Raises:
        InputError: a row lacks it.
    """
    features = build(prepared.features.name, Inputs.of(rows), progress)
    if features.lacking:
        first = [f"{rows.ids[at]} ({why})" for at, why in list(features.lacking.items())[:_SHOWN]]
        raise InputError(
            f"{len(features.lacking)} of {len(rows)} rows of {path} lack the features "
            f"'{features.name}': {'; '.join(first)}.",
            "Leave them out.",
        )
    return features.matrix


def _recorded(
    url: str, row: StudyRow, trial: TrialResult, scores: Mapping[str, float], count: int
) -> Look:
    """Put a look at the test part by another door on record."""
    with Store.open(url, create=False) as store:
        return store.add_look(
            row, trial.number, row.key.split, scores, count, How(trained=Trained.FILE)
        )


def _shared(prepared: Prepared, reduced: Sequence[str], parts: Sequence[np.ndarray]) -> np.ndarray:
    """Which of n reduced formulas are in these parts of the division, (n,) bool."""
    ours = prepared.dataset.reduced
    known = {ours[row] for part in parts for row in part.tolist()}
    return np.array([text in known for text in reduced], dtype=bool)
