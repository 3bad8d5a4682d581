"""The one way to the test part of a division: every look at it is put on record first."""

from dataclasses import dataclass

from fesearch.errors import InputError
from fesearch.finalists import finalists, kept_model
from fesearch.metrics import METRICS
from fesearch.record import TrialResult
from fesearch.search.prepare import Progress, prepare_again
from fesearch.store.results import Store
from fesearch.store.types import Look, StudyRow


@dataclass(frozen=True)
class Scored:
    """A finalist, and the look at the test part that scored it with every metric.

    That is each that comes with fesearch, and the study's own.
    """

    trial: TrialResult
    look: Look


@dataclass(frozen=True)
class Holdout:
    """What a call of ``holdout`` found.

    Attributes:
        row: of the study.
        target_unit: of the target; ``Metric.in_unit`` has that of each score.
        test: fingerprint of the test rows.
        scored: the finalists, best validation first.
        earlier: looks at this test part that were on record before.
    """

    row: StudyRow
    target_unit: str
    test: str
    scored: tuple[Scored, ...]
    earlier: int


def holdout(
    name: str,
    url: str,
    *,
    top: int = 1,
    best_per_family: bool = False,
    progress: Progress | None = None,
) -> Holdout:
    """Score the finalists of a study on the test part; the looks are on record before it returns.

    Args:
        url: of the store.
        top: number of finalists, by validation.
        best_per_family: the best of each family instead.
        progress: of the features.

    Raises:
        StudyNotFoundError: there is none of that name.
        NoResultError: it has no usable trial.
        InputError: it is being driven, its data are not what they were, its division has no test
            rows, or the weights of a finalist are not kept. Nobody has looked then.
    """
    with Store.open(url, create=False) as store:
        row = store.study(name)
        _refuse_driven(store, row)
        chosen = finalists(store, row, top, best_per_family)
        prepared = prepare_again(row, progress)
        models = [kept_model(row, prepared, trial) for trial in chosen]
        target = prepared.dataset.target(prepared.target)
        x, y = prepared.split.test_part(prepared.features.matrix, target)
        store.record_division(prepared.division)
        metrics = {**METRICS, prepared.metric.name: prepared.metric}
        scored = []
        for trial, model in zip(chosen, models, strict=True):
            predictions = model.predict(x)
            scores = {metric.name: metric(y, predictions) for metric in metrics.values()}
            look = store.add_look(row, trial.number, row.key.split, scores, len(y))
            scored.append(Scored(trial, look))
    unit, test = prepared.dataset.units[prepared.target], prepared.division.test
    assert test is not None, "a division without test rows has no test part"
    return Holdout(row, unit, test, tuple(scored), scored[0].look.sequence - 1)


def _refuse_driven(store: Store, row: StudyRow) -> None:
    if store.driven(row):
        raise InputError(
            f"The study '{row.name}' is still being searched; a look now would guide its trials.",
            f"Wait for its end, or type: fesearch study stop {row.name}",
        )
