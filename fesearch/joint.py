"""Test parts met by an ensemble: one look at each, with the picks on record."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from fesearch.chosen import Chosen, all_searched, picks_of, several
from fesearch.desk import Desk, Together, looks_anew
from fesearch.ensemble import mean_and_spread
from fesearch.errors import InputError
from fesearch.finalists import refuse_driven
from fesearch.holdout import Holdout, Scored, Sealed
from fesearch.intervals import Calibration
from fesearch.predictions import Predictions
from fesearch.search.prepare import Progress
from fesearch.split import Split
from fesearch.store.how import How, Trained
from fesearch.store.results import Store
from fesearch.store.types import Look


def holdout_ensemble(
    names: Sequence[str],
    url: str,
    size: int,
    progress: Progress | None = None,
    *,
    retrain: bool = False,
    over: str | None = None,
    place: Mapping[str, Any] = MappingProxyType({}),
) -> Holdout:
    """Score the ensemble that ``export`` would write on the test part; see ``holdout``.

    Args:
        names: studies on one division, whose trials may be picked; or that of a search over many
            families.
        url: of the store.
        size: how often one is picked; by what trials are scored by, never by the test part.
        retrain: the configs that were picked, each trained on training and validation part for the
            resource at which its trial was best (a look each, unless one is on record), and their
            mean, with the weights that the study's own validation gave.
        over: a repeated division, as ``holdout`` takes it: they are trained on each of its members,
            and their mean is scored on the test part of each.
        place: see ``holdout``.

    Returns:
        a look at each division, under the name of the most picked trial.

    Raises:
        StudyNotFoundError: there is none of a name.
        NoResultError: one has no usable trial, or one diverged when trained anew.
        InputError: one is being driven, the studies do not go together, their data are not what
            they were, a division has no test rows, or the size is too large. Nobody has looked
            then.
    """
    anew = retrain or over is not None
    with Store.open(url, create=False) as store:
        for one in store.named(names):
            refuse_driven(store, one)
        studies = all_searched(store, names, progress)
        chosen = several(studies, size)
        sealed = {
            one.row.name: Sealed.of(store, one.row, one.prepared, over, place if anew else None)
            for one in (pick.study for pick in chosen)
        }
        first, own = chosen[0], sealed[chosen[0].study.row.name]
        earlier = {look for one in sealed.values() for look in one.recorded(store)}
        desks = [sealed[one.study.row.name].desk for one in chosen]
        if anew:
            looks = _anew(chosen, desks, own.splits, retrain)
        else:
            looks = [_as_searched(chosen, own.desk)]
        new = len({look for one in sealed.values() for look in one.recorded(store)} - earlier)
    prepared = first.study.prepared
    tests = tuple(dict.fromkeys(own.desk.test(split) for split in own.splits))
    scored = tuple(Scored(first.trial, look) for look in looks)
    unit = prepared.dataset.units[prepared.target]
    return Holdout(first.study.row, unit, tests, scored, len(earlier), new)


def _as_searched(chosen: Sequence[Chosen], desk: Desk) -> Look:
    """Look with the models that were picked, on their own division."""
    said, seconds = _said(chosen)
    how = How(trained=Trained.ENSEMBLE, latency=seconds, picks=picks_of(chosen))
    return desk.together(chosen[0].trial, said, how, chosen[0].study.prepared.split)


def _anew(
    chosen: Sequence[Chosen], desks: Sequence[Desk], splits: Sequence[Split], joined: bool
) -> list[Look]:
    """Looks with the configs that were picked, each trained on each division."""
    pairs = list(zip(chosen, desks, strict=True))
    asked = [
        (desk, desk.training(one.trial, split, 0, joined=joined))
        for split in splits
        for one, desk in pairs
    ]
    looks, count = looks_anew(asked), len(pairs)
    return [
        _of_singles(chosen, desks, split, looks[at * count : (at + 1) * count])
        for at, split in enumerate(splits)
    ]


def _of_singles(
    chosen: Sequence[Chosen], desks: Sequence[Desk], split: Split, looks: Sequence[Look]
) -> Look:
    """Look with the mean of models that have been looked at one by one."""
    picks = [one.picks for one in chosen]
    tests = [_kept(desk, look) for desk, look in zip(desks, looks, strict=True)]
    test, spread = mean_and_spread([one.predicted for one in tests], picks)
    validation, calibration = None, None
    held = [desk.kept(look.how.held) for desk, look in zip(desks, looks, strict=True)]
    parts = [one for one in held if one is not None]
    if len(parts) == len(held):
        validation, apart = mean_and_spread([one.predicted for one in parts], picks)
        calibration = Calibration.of(parts[0].truth, validation, apart)
    latencies = [look.how.latency for look in looks if look.how.latency is not None]
    how = How(
        trained=Trained.ENSEMBLE_JOINED if looks[0].how.trained.joined else Trained.ENSEMBLE_AGAIN,
        picks=picks_of(chosen),
        latency=sum(latencies) if len(latencies) == len(looks) else None,
    )
    said = Together(validation if split.folds is None else None, test, spread, calibration)
    return desks[0].together(chosen[0].trial, said, how, split)


def _kept(desk: Desk, look: Look) -> Predictions:
    """What the model of a look said of the test part."""
    kept = desk.kept(look.how.predictions)
    if kept is None:
        raise InputError(
            f"What trial {look.trial} of '{look.study}' predicted at look {look.sequence} is not "
            "kept here, or is not finite.",
            "It is in the FESEARCH_ARTIFACTS that `fesearch holdout` ran with.",
        )
    return kept


def _said(chosen: Sequence[Chosen]) -> tuple[Together, float]:
    """What all say together, and the seconds that takes for a row, features not included."""
    first, picks = chosen[0].study.prepared, [one.picks for one in chosen]
    scored, _ = mean_and_spread([one.scored for one in chosen], picks)
    validation, spread = mean_and_spread([one.validation for one in chosen], picks)
    calibration = Calibration.of(first.development.val_y, validation, spread)
    y = first.dataset.target(first.target)
    parts = [
        one.study.prepared.split.test_part(one.study.prepared.features.matrix, y)[0]
        for one in chosen
    ]
    test, spread = mean_and_spread(
        [one.model.predict(x) for one, x in zip(chosen, parts, strict=True)], picks
    )
    seconds = sum(one.model.latency(x) for one, x in zip(chosen, parts, strict=True))
    return Together(scored, test, spread, calibration), seconds
