"""The test part met by an ensemble: one look, with the picks on record."""

from collections.abc import Sequence
from dataclasses import asdict

from fesearch.chosen import Chosen, picks_of, searched, several
from fesearch.desk import Desk, Together
from fesearch.ensemble import mean_and_spread
from fesearch.holdout import Holdout, Scored, refuse_driven, refuse_without_test
from fesearch.intervals import Calibration
from fesearch.search.prepare import Progress
from fesearch.store.how import How, Trained
from fesearch.store.results import Store


def holdout_ensemble(
    names: Sequence[str], url: str, size: int, progress: Progress | None = None
) -> Holdout:
    """Score the ensemble that ``export`` would write on the test part; see ``holdout``.

    Args:
        names: studies on one division, whose trials may be picked; or that of a search over many
            families.
        url: of the store.
        size: how often one is picked; by what trials are scored by, never by the test part.

    Returns:
        one look, under the name of the most picked trial.

    Raises:
        StudyNotFoundError: there is none of a name.
        NoResultError: one has no usable trial.
        InputError: one is being driven, the studies do not go together, their data are not what
            they were, the division has no test rows, or the size is too large. Nobody has looked
            then.
    """
    with Store.open(url, create=False) as store:
        rows = store.named(names)
        for one in rows:
            refuse_driven(store, one)
        usable = {one.study for one in store.ranking(**asdict(rows[0].key))}
        wanted = [one.name for one in rows if one.name in usable or one.name in names]
        studies = [searched(store, name, None, progress) for name in wanted or [rows[0].name]]
        chosen = several(studies, size)
        trial, row = chosen[0].trial, chosen[0].study.row
        prepared = chosen[0].study.prepared
        refuse_without_test(row, prepared, [prepared.split])
        store.record_division(prepared.division)
        desk = Desk(store, row, prepared)
        earlier = len(desk.looks(prepared.split))
        said, seconds = _said(chosen)
        how = How(trained=Trained.ENSEMBLE, latency=seconds, picks=picks_of(chosen))
        look = desk.together(trial, said, how)
        tests = (desk.test(prepared.split),)
    unit = prepared.dataset.units[prepared.target]
    return Holdout(row, unit, tests, (Scored(trial, look),), earlier, 1)


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
