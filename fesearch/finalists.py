"""The best trials of a study, and the models they left, proven to be those on record."""

import math
from collections.abc import Sequence
from dataclasses import asdict

from fesearch.errors import InputError
from fesearch.model import FittedModel
from fesearch.record import TrialResult, TrialState, nothing_usable
from fesearch.search.folder import model_folder
from fesearch.search.prepare import Prepared
from fesearch.store.results import Store
from fesearch.store.types import RankedTrial, StudyRow

SAME = 1e-3
"""Relative difference of two scores of one model: a GPU and a CPU do not sum in one order."""


def ranked(store: Store, row: StudyRow) -> list[TrialResult]:
    """The usable trials of a study under its own key, the best first.

    Raises:
        NoResultError: there is none.
    """
    return [trial for _, trial in ranked_together(store, [row])]


def ranked_together(store: Store, rows: Sequence[StudyRow]) -> list[tuple[StudyRow, TrialResult]]:
    """The usable trials of studies, such as those of a search over many families, the best first.

    Raises:
        NoResultError: there is none.
        InputError: the studies have different keys.
    """
    refuse_mixed(rows)
    names = {row.name: row for row in rows}
    trials = {(row.name, trial.number): trial for row in rows for trial in store.trials(row)}
    order = [one for one in store.ranking(**asdict(rows[0].key)) if one.study in names]
    if not order:
        raise nothing_usable(rows[0].name, trials.values())
    return [(names[one.study], trials[one.study, one.number]) for one in order]


def finalists(
    store: Store, rows: Sequence[StudyRow], top: int = 1, best_per_family: bool = False
) -> list[tuple[StudyRow, TrialResult]]:
    """The ``top`` best trials of all these studies, or the best of each family, the best first.

    Raises:
        NoResultError: no trial is usable.
        InputError: the studies have different keys.
    """
    refuse_mixed(rows)
    names = {row.name: row for row in rows}
    best = [one for one in store.ranking(**asdict(rows[0].key)) if one.study in names]
    if not best:
        raise nothing_usable(rows[0].name, store.trials(rows[0]))
    if best_per_family:
        first: dict[str, RankedTrial] = {}
        for one in best:
            first.setdefault(one.family, one)
        best, top = list(first.values()), len(first)
    return [(names[one.study], store.trial(names[one.study], one.number)) for one in best[:top]]


def refuse_mixed(rows: Sequence[StudyRow]) -> None:
    """Refuse studies whose scores are not of the same rows.

    Raises:
        InputError: two have different keys.
    """
    for other in rows[1:]:
        if other.key != rows[0].key:
            raise InputError(
                f"The studies '{rows[0].name}' and '{other.name}' do not share data, target, "
                "metric and division, and so no validation rows to select by.",
                "See which do: fesearch rank",
            )


def refuse_driven(store: Store, row: StudyRow) -> None:
    """Refuse a look at the test part that could guide trials.

    Raises:
        InputError: a driver is at work on the study.
    """
    if store.driven(row):
        raise InputError(
            f"The study '{row.name}' is still being searched; a look now would guide its trials.",
            f"Wait for its end, or type: fesearch study stop {row.name}",
        )


def kept_model(row: StudyRow, prepared: Prepared, trial: TrialResult) -> FittedModel:
    """The model of a trial, scored again on the validation part: it is the one on record.

    Raises:
        InputError: it failed or has not ended, or its weights are not kept, or are not those of
            the trial's recorded score.
    """
    if not trial.state.usable:
        raise _without_model(row, trial)
    folder = model_folder(row, trial.number)
    if not folder.is_dir():
        front = " and of those that no other one beats" if prepared.study.objectives else ""
        raise InputError(
            f"The weights of trial {trial.number} of '{row.name}' are not kept in {folder}.",
            f"Only those of the best {prepared.study.keep} trials are (keep = "
            f"{prepared.study.keep}){front}, in the FESEARCH_ARTIFACTS the study ran with.",
        )
    model = FittedModel.load(folder)
    data = prepared.development
    score = prepared.metric(data.scored_y, model.scored(data))
    described = (model.family, dict(model.config)) == (trial.family, dict(trial.config))
    if trial.value is None or not described or not math.isclose(score, trial.value, rel_tol=SAME):
        raise InputError(
            f"The weights in {folder} have a validation {prepared.metric.title} of {score:.6g}, "
            f"but trial {trial.number} is on record with {trial.value}.",
            f"Choose another trial (fesearch trials {row.name}), or search again.",
        )
    return model


def _without_model(row: StudyRow, trial: TrialResult) -> InputError:
    what = f"Trial {trial.number} of '{row.name}'"
    if trial.state is TrialState.FAIL:
        return InputError(
            f"{what} never had a model: it failed ({trial.reason}).",
            f"Choose another trial: fesearch trials {row.name}",
        )
    return InputError(
        f"{what} has not ended yet.", f"Go on with it: fesearch study resume {row.name}"
    )
