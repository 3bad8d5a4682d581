"""The one way to the test part of a division: every look at it is put on record first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fesearch.desk import Desk
from fesearch.errors import InputError
from fesearch.features import available
from fesearch.finalists import finalists, kept_model
from fesearch.record import TrialResult
from fesearch.search.prepare import Prepared, Progress, divisions, prepare_again
from fesearch.split import Repeated, Split
from fesearch.split import members as members_of
from fesearch.splitspec import SplitSpec
from fesearch.store.results import Store
from fesearch.store.types import Look, StudyRow

MEMBERS = "members"
"""Asks for the members of the repeated division that a study is on."""


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
        tests: fingerprint of each test part that was looked at.
        scored: the finalists, best validation first; each on every division and with every seed.
        earlier: looks at these test parts that were on record before.
        new: looks of this call; those of an earlier one at the same training are not made again.
    """

    row: StudyRow
    target_unit: str
    tests: tuple[str, ...]
    scored: tuple[Scored, ...]
    earlier: int
    new: int


def holdout(
    name: str,
    url: str,
    *,
    top: int = 1,
    best_per_family: bool = False,
    retrain: bool = False,
    seeds: int = 1,
    over: str | None = None,
    progress: Progress | None = None,
) -> Holdout:
    """Score the finalists of a study on the test part; the looks are on record before it returns.

    It is the models their trials left that are scored, unless one of ``retrain``, ``seeds`` and
    ``over`` asks for their configs trained anew. Such a look is on record as soon as it is made,
    and a call that was interrupted trains what is left when it is repeated.

    Args:
        url: of the store.
        top: number of finalists, by validation.
        best_per_family: the best of each family instead.
        retrain: on training and validation part, for the resource at which the trial was best.
        seeds: so many trainings of each, the first with the seed that its trial had.
        over: a repeated division, as ``--split`` takes it, or ``MEMBERS``: train on each of its
            members, and score on the test part of each.
        progress: of the features.

    Raises:
        StudyNotFoundError: there is none of that name.
        NoResultError: it has no usable trial, or one diverged when trained anew.
        InputError: it is being driven, its data are not what they were, a division has no test
            rows, or the weights of a finalist are not kept. Nobody has looked then.
    """
    anew = retrain or seeds > 1 or over is not None
    with Store.open(url, create=False) as store:
        row = store.study(name)
        refuse_driven(store, row)
        chosen = finalists(store, row, top, best_per_family)
        prepared = prepare_again(row, progress)
        whole = None if over is None else _repeated(prepared, over)
        splits = (prepared.split,) if whole is None else whole.members
        refuse_without_test(row, prepared, splits)
        desk = Desk(store, row, prepared)
        models = {t.number: kept_model(row, prepared, t) for t in chosen if not anew}
        store.record_division(prepared.division)
        if whole is not None:
            store.record_division(*divisions(prepared.dataset, whole))
        earlier = {desk.identity(look) for split in splits for look in desk.looks(split)}
        if anew:
            scored = [
                Scored(trial, desk.anew(trial, split, place, joined=retrain))
                for trial in chosen
                for split in splits
                for place in range(seeds)
            ]
        else:
            scored = [Scored(t, desk.searched(t, models[t.number])) for t in chosen]
        new = sum(desk.identity(one.look) not in earlier for one in scored)
        tests = tuple(dict.fromkeys(desk.test(split) for split in splits))
    unit = prepared.dataset.units[prepared.target]
    return Holdout(row, unit, tests, tuple(scored), len(earlier), new)


def _repeated(prepared: Prepared, asked: str) -> Repeated:
    """The repeated division asked for, of the data of a study."""
    if asked == MEMBERS:
        if prepared.repeated is None:
            raise InputError(
                f"The division {prepared.split.spec} is no member of a repeated one.",
                "Name one, such as --over repeated:divisions=5",
            )
        return prepared.repeated
    spec = replace(SplitSpec.parse(asked), member=None)

    def having(name: str) -> "np.ndarray":
        return available(name, prepared.dataset)

    return members_of(prepared.dataset, spec, target=prepared.target, having=having)


def refuse_without_test(row: StudyRow, prepared: Prepared, splits: Sequence[Split]) -> None:
    for split in splits:
        if not split.test.size:
            raise InputError(
                f"The division {split.spec} has no test rows.",
                f"Type: fesearch holdout {row.name} --over members"
                if prepared.repeated is not None and split is prepared.split
                else "Choose a --split with a test part before the search.",
            )


def refuse_driven(store: Store, row: StudyRow) -> None:
    if store.driven(row):
        raise InputError(
            f"The study '{row.name}' is still being searched; a look now would guide its trials.",
            f"Wait for its end, or type: fesearch study stop {row.name}",
        )
