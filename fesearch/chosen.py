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
        joint: looks at ensembles whose most picked model is of this study, oldest first.
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
    joint = (look for look in looks if look.how.trained is Trained.ENSEMBLE)
    own = (look for look in looks if look.split == row.key.split)
    retrained = (look for look in own if look.how.trained is Trained.JOINED)
    return Searched(
        row,
        prepare_again(row, progress),
        tuple(trials),
        store.looks_at(row),
        tuple(retrained),
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


def one_joined(study: Searched) -> tuple[Chosen, Look]:
    """The model of the first trial's config that was scored when trained on both parts, its look.

    It is the one that was scored, or where its weights are not kept one trained as it was, with
    the same seed.

    Raises:
        InputError: none was scored, or it does not score here as it is on record.
        NoResultError: it diverges when trained again.
    """
    trial, row, prepared = study.trials[0], study.row, study.prepared
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
    score = prepared.metric(y, model.predict(x))
    if look.value is None or not math.isclose(score, look.value, rel_tol=SAME):
        raise InputError(
            f"Trained on both parts trial {trial.number} of '{row.name}' has a test "
            f"{prepared.metric.title} of {score:.6g} here, but look {look.sequence} is on record "
            f"with {look.value}.",
            "Export it without --refit val, or use the versions it was scored with.",
        )
    return replace(_chosen(study, trial, 1, refitted=False, device="cpu"), model=model), look


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
