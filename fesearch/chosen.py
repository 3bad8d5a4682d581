"""The models that an export is of: one trial's, or those of an ensemble of one or more studies."""

import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fesearch import ensemble
from fesearch.card import MOST
from fesearch.errors import InputError, NoResultError
from fesearch.finalists import SAME, kept_model, ranked, refuse_mixed
from fesearch.model import FittedModel
from fesearch.record import TrialResult
from fesearch.refit import refit, refuse_device
from fesearch.retrain import training
from fesearch.search.folder import joined_folder, model_folder
from fesearch.search.prepare import Prepared, Progress, prepare_again
from fesearch.search.training import train
from fesearch.store.how import Trained
from fesearch.store.results import Store
from fesearch.store.types import Look, StudyRow

if TYPE_CHECKING:
    from fesearch.nets.program import Program

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Searched:
    """A study that an export is from.

    Attributes:
        trials: those an export may take, the best first.
        looks: trial number -> the last look at it.
        retrained: looks at configs trained on training and validation part of this division,
            oldest first.
        joint: looks at ensembles whose most picked model is of this study, as searched or trained
            on both parts, on this division, oldest first.
    """

    row: StudyRow
    prepared: Prepared
    trials: tuple[TrialResult, ...]
    looks: dict[int, Look]
    retrained: tuple[Look, ...]
    joint: tuple[Look, ...]


@dataclass(frozen=True, eq=False)
class Chosen:
    """A model of an export.

    Attributes:
        model: as of its best score, or as trained on all rows.
        validation: (n,) predictions for the validation rows, of the model on record.
        scored: (m,) those that its trial was scored by: the same, or where the division has inner
            folds, for each training row that of the model which has not seen it.
        picks: its weight in the mean of all.
        program: of the model, where one is asked for.
    """

    study: Searched
    trial: TrialResult
    model: FittedModel
    validation: np.ndarray
    scored: np.ndarray
    picks: int = 1
    program: "Program | None" = None


def searched(
    store: Store, name: str, trial: int | None, progress: Progress | None = None
) -> Searched:
    """A study with its data, and the trial of that number or all that are usable.

    Raises:
        StudyNotFoundError: there is none of that name.
        NoResultError: it has no usable trial.
        InputError: there is no such trial, or the data are not what they were.
    """
    row = store.study(name)
    trials = ranked(store, row) if trial is None else [store.trial(row, trial)]
    looks = store.looks_of(row)
    own = [look for look in looks if look.split == row.key.split]
    joint = (one for one in own if one.how.trained in (Trained.ENSEMBLE, Trained.ENSEMBLE_JOINED))
    return Searched(
        row,
        prepare_again(row, progress),
        tuple(trials),
        store.looks_at(row),
        tuple(store.retrained(row)),
        tuple(joint),
    )


def all_searched(
    store: Store, names: Sequence[str], progress: Progress | None = None
) -> list[Searched]:
    """The studies that an ensemble may be of.

    Of a search over many families, those without a usable trial are left out, and that is said.

    Args:
        names: of studies on one division, or of searches over many families.

    Raises:
        StudyNotFoundError: there is none of a name.
        NoResultError: a study that is named, or all of a search, has no usable trial.
        InputError: the data are not what they were.
    """
    rows = store.named(names)
    usable = {one.study for one in store.ranking(**asdict(rows[0].key))}
    wanted = [row.name for row in rows if row.name in usable or row.name in names]
    for row in rows if wanted else []:
        if row.name not in wanted:
            _log.warning("Left out: '%s' has no usable trial.", row.name)
    return [searched(store, name, None, progress) for name in wanted or [rows[0].name]]


def one(study: Searched, *, refitted: bool = False, device: str = "cpu") -> list[Chosen]:
    """The model of the first trial.

    Raises:
        InputError: it failed or has not ended, or its weights are not kept.
    """
    trial = study.trials[0]
    return [_chosen(study, trial, 1, refitted, device)]


def with_joined(chosen: Sequence[Chosen]) -> tuple[list[Chosen], Look]:
    """The same models as trained on both parts, and the look at them, or at their mean.

    Raises:
        InputError: they were not scored so, or do not score here as it is on record.
        NoResultError: one diverges when trained again.
    """
    found, looks = [], []
    for one in chosen:
        model, look = _joined(one.study, one.trial)
        found.append(replace(one, model=model))
        looks.append(look)
    return found, looks[0] if len(found) == 1 else _look_at_mean(found)


def _joined(study: Searched, trial: TrialResult) -> tuple[FittedModel, Look]:
    """The model of a trial's config that was scored when trained on both parts, and its look.

    It is the one that was scored, or where its weights are not kept one trained as it was, with
    the same seed.
    """
    row, prepared = study.row, study.prepared
    same = (trial.number, trial.seed)
    look = next((one for one in study.retrained if (one.trial, one.how.seed) == same), None)
    if look is None:
        raise InputError(
            f"Trial {trial.number} of '{row.name}' has not been scored as trained on training and "
            "validation part.",
            f"Score it first: fesearch holdout {row.name} --retrain",
        )
    every = prepared.features.matrix, prepared.dataset.target(prepared.target)
    folder = joined_folder(row, trial.number, trial.seed)
    if folder.is_dir():
        model = FittedModel.load(folder)
    else:
        asked = training(row, prepared, prepared.split, trial, trial.seed, joined=True)
        model = train(asked, *every).model
    x, y = prepared.split.test_part(*every)
    what = f"trial {trial.number} of '{row.name}'"
    _refuse_other_score(prepared, what, prepared.metric(y, model.predict(x)), look)
    return model, look


def _look_at_mean(chosen: Sequence[Chosen]) -> Look:
    """The last look at an ensemble of these models, as trained on both parts."""
    picks = picks_of(chosen)
    looks = (
        look
        for one in chosen
        for look in one.study.joint
        if look.how.trained is Trained.ENSEMBLE_JOINED and look.how.picks == picks
    )
    look = max(looks, key=lambda look: look.sequence, default=None)
    names = list(dict.fromkeys(one.study.row.name for one in chosen))
    if look is None:
        raise InputError(
            f"The ensemble of {', '.join(picks)} has not been scored as trained on training and "
            "validation part.",
            f"Score it first: fesearch holdout {' '.join(names)} --ensemble "
            f"{sum(picks.values())} --retrain",
        )
    prepared = chosen[0].study.prepared
    each = []
    for one in chosen:
        mine = one.study.prepared
        x, y = mine.split.test_part(mine.features.matrix, mine.dataset.target(mine.target))
        each.append(one.model.predict(x))
    mean, _ = ensemble.mean_and_spread(each, [one.picks for one in chosen])
    _refuse_other_score(prepared, "the ensemble", prepared.metric(y, mean), look)
    return look


def _refuse_other_score(prepared: Prepared, what: str, score: float, look: Look) -> None:
    if look.value is None or not math.isclose(score, look.value, rel_tol=SAME):
        raise InputError(
            f"Trained on both parts {what} has a test {prepared.metric.title} of {score:.6g} "
            f"here, but look {look.sequence} is on record with {look.value}.",
            "Export it without --refit val, or use the versions it was scored with.",
        )


def several(
    studies: Sequence[Searched], size: int, *, refitted: bool = False, device: str = "cpu"
) -> list[Chosen]:
    """The models of an ensemble, selected by what trials are scored by; see ``ensemble.select``.

    Args:
        size: how often one is picked.

    Returns:
        each chosen model once, the most picked first.

    Raises:
        NoResultError: no study has the weights of a trial.
        InputError: the studies have different keys, or the size is too large.
    """
    _refuse_mixed(studies)
    if size > MOST:
        raise InputError(f"An ensemble of {size} is too large.", f"Give --ensemble {MOST} or less.")
    candidates = [
        (study, trial)
        for study in studies
        for trial in study.trials
        if model_folder(study.row, trial.number).is_dir()
    ]
    if not candidates:
        raise NoResultError(
            f"The study '{studies[0].row.name}' has kept the weights of no trial.",
            "They are in the FESEARCH_ARTIFACTS the study ran with.",
        )
    predictions = [
        kept_model(study.row, study.prepared, trial).scored(study.prepared.development)
        for study, trial in candidates
    ]
    first = studies[0].prepared
    picks = ensemble.select(predictions, first.development.scored_y, first.metric, size).picks
    order = sorted(np.flatnonzero(picks).tolist(), key=lambda place: -picks[place])
    if size > 1 and len(order) == 1:
        study, trial = candidates[order[0]]
        _log.warning(
            "The ensemble is one model: no mean is better than trial %d of '%s' alone on the rows "
            "that validate.",
            trial.number,
            study.row.name,
        )
    return [_chosen(*candidates[place], picks[place], refitted, device) for place in order]


def picks_of(chosen: Sequence[Chosen]) -> dict[str, int]:
    """How often each was picked, by STUDY:TRIAL."""
    return {f"{one.study.row.name}:{one.trial.number}": one.picks for one in chosen}


def _refuse_mixed(studies: Sequence[Searched]) -> None:
    refuse_mixed([one.row for one in studies])
    first = studies[0]
    for other in studies[1:]:
        if other.row.name == first.row.name:
            raise InputError(f"The study '{first.row.name}' is named twice.", "Name it once.")


def _chosen(study: Searched, trial: TrialResult, picks: int, refitted: bool, device: str) -> Chosen:
    """A model with its predictions before it is trained on all rows."""
    if refitted:
        refuse_device(study.prepared, device)
    model = kept_model(study.row, study.prepared, trial)
    data = study.prepared.development
    validation = model.predict(data.val_x)
    scored = validation if data.folds is None else model.scored(data)
    if refitted:
        model = refit(study.prepared, trial, device=device)
    return Chosen(study, trial, model, validation, scored, picks)
