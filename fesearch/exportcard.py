"""What the card of an export says: scores, data, division and models, from what is on record."""

import logging
from collections import Counter
from collections.abc import Sequence

import numpy as np

from fesearch import formula, predictions
from fesearch.card import (
    Card,
    Data,
    FeatureNames,
    Intervals,
    Member,
    Parts,
    ProgramOf,
    Trained,
    Unsealed,
    Validation,
)
from fesearch.chosen import Chosen, picks_of
from fesearch.ensemble import mean_and_spread
from fesearch.errors import InputError
from fesearch.intervals import Calibration
from fesearch.metrics import METRICS, scores
from fesearch.record import TrialResult
from fesearch.sealed import Sealed
from fesearch.search.folder import identity
from fesearch.search.prepare import Prepared
from fesearch.statistics import bootstrap_intervals
from fesearch.store.how import Trained as How
from fesearch.store.types import Look, StudyRow

_log = logging.getLogger(__name__)


def card_of(
    chosen: Sequence[Chosen],
    calibration: Calibration,
    spread: np.ndarray | None,
    *,
    refit: bool,
    sealed: Sealed | None,
    joined: Look | None,
) -> Card:
    """What there is to say of an export; scores and errors are those of the models on record.

    Args:
        calibration: by the errors on the validation rows.
        spread: (n,) of the models on these, or None.
        refit: what is delivered was trained on the rows of all parts.
        sealed: formulas of the test part.
        joined: the look at what is delivered, if that was trained on training and validation part.
    """
    row, prepared = chosen[0].study.row, chosen[0].study.prepared
    data, split = prepared.dataset, prepared.split
    parts = (split.train, split.val, split.test)[: 3 if refit else 2 if joined else 1]
    rows = np.concatenate(parts)
    y = data.target(prepared.target)[rows]
    return Card(
        members=tuple(_member(one) for one in chosen),
        target=prepared.target,
        unit=data.units[prepared.target],
        target_range=(float(y.min()), float(y.max())),
        elements=_elements(prepared, rows),
        data=Data(
            name=data.name,
            hash=data.hash,
            title=data.title,
            source=data.source,
            licence=data.licence,
            citation=data.citation,
        ),
        split=Parts(
            spec=split.spec,
            fingerprint=split.fingerprint,
            train=len(split.train),
            val=len(split.val),
            test=len(split.test),
            folds=None if split.folds is None else int(split.folds.max()) + 1,
            sealed=None if sealed is None else len(sealed.hashes),
        ),
        validation=_validation(row, prepared, chosen),
        test=_unsealed(chosen, joined or _look(chosen)),
        refit=len(rows) if refit else None,
        joined=len(rows) if joined else None,
        intervals=Intervals(
            rows=len(calibration.scores),
            floor=calibration.floor,
            half_widths=_half_widths(calibration, spread),
        ),
        versions=dict(row.versions),
    )


def _validation(row: StudyRow, prepared: Prepared, chosen: Sequence[Chosen]) -> Validation:
    """Of one trial the scores on record; of an ensemble those of its mean."""
    truth, reduced = prepared.development.scored_y, prepared.dataset.reduced
    mean, _ = mean_and_spread([one.scored for one in chosen], [one.picks for one in chosen])
    value, found = prepared.metric(truth, mean), scores(truth, mean)
    if len(chosen) == 1:
        trial = chosen[0].trial
        assert trial.value is not None, "kept_model refuses a trial without a value"
        on_record = {name: one for name, one in trial.scores.items() if name in METRICS}
        value, found = trial.value, on_record or found
    formulas = np.array([reduced[place] for place in prepared.split.scored_rows])
    return Validation(
        metric=row.key.metric,
        unit=row.unit,
        direction=row.direction,
        value=value,
        scores=found,
        intervals=bootstrap_intervals(truth, mean, formulas),
    )


def _half_widths(calibration: Calibration, spread: np.ndarray | None) -> dict[str, float]:
    """Level -> half of the mean width, of the levels that there are rows enough for."""
    return {
        f"{level:g}": float(np.mean(calibration.half_width(level, spread)))
        for level in calibration.levels
    }


def _look(chosen: Sequence[Chosen]) -> Look | None:
    """The last one at the test part with exactly these models, or with a single one's config."""
    first = chosen[0]
    if len(chosen) == 1:
        number = first.trial.number
        again = [look for look in first.study.retrained if look.trial == number]
        return first.study.looks.get(number) or (again[-1] if again else None)
    picks = picks_of(chosen)
    joint = (
        look
        for one in chosen
        for look in one.study.joint
        if look.how.trained is How.ENSEMBLE and look.how.picks == picks
    )
    return max(joint, key=lambda look: look.sequence, default=None)


def _unsealed(chosen: Sequence[Chosen], look: Look | None) -> Unsealed | None:
    if look is None:
        return None
    row = next(one.study.row for one in chosen if one.study.row.name == look.study)
    return Unsealed(
        trained=look.how.trained.value,
        rows=look.rows,
        looks=look.sequence,
        scores=dict(look.scores),
        intervals=_test_intervals(row, look),
        coverage=dict(look.how.coverage),
    )


def _test_intervals(row: StudyRow, look: Look) -> dict[str, tuple[float, float]]:
    """Of all scores where the look's predictions are kept, else of the MAE, which is on record."""
    try:
        kept = predictions.kept(identity(row), look.how.predictions)
    except InputError as error:
        _log.warning("The card has an interval of the test MAE alone: %s", error.message)
        kept = None
    found = {} if kept is None else bootstrap_intervals(kept.truth, kept.predicted, kept.groups)
    return found if look.how.interval is None else {**found, "mae": look.how.interval}


def _member(one: Chosen) -> Member:
    assert one.trial.value is not None, "kept_model refuses a trial without a value"
    terms = one.study.prepared.features.combination.terms
    made = one.program
    return Member(
        trained=_trained(one.study.row, one.trial),
        features=tuple(
            FeatureNames(
                name=term.name, needs=term.needs, digest=term.digest(), columns=term.names()
            )
            for term in terms
        ),
        picks=one.picks,
        validation=one.trial.value,
        program=None
        if made is None
        else ProgramOf(kind=made.kind, rows=made.rows, difference=made.difference),
    )


def is_of(card: Card, row: StudyRow, trial: TrialResult) -> bool:
    """Whether a card is that of the model which a trial left, exported alone and not refitted."""
    place = (card.data.hash, card.target, card.split.fingerprint)
    alone = len(card.members) == 1 and card.refit is None and card.joined is None
    here = (row.key.data, row.key.target, row.key.split)
    return alone and place == here and card.trained == _trained(row, trial)


def _trained(row: StudyRow, trial: TrialResult) -> Trained:
    return Trained(
        study=row.name,
        trial=trial.number,
        family=trial.family,
        config=dict(trial.config),
        seed=trial.seed,
        resource=trial.resource,
        best_resource=trial.best_resource,
        unit=trial.unit,
        seconds=trial.seconds,
        parameters=trial.parameters,
    )


def _elements(prepared: Prepared, rows: np.ndarray) -> dict[str, int]:
    """Symbol -> rows that contain it, in alphabetical order."""
    reduced = prepared.dataset.reduced
    counts = Counter(symbol for row in rows for symbol in formula.symbols(reduced[row]))
    return dict(sorted(counts.items()))
