"""The one way to the test part of a division: every look at it is put on record first."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from fesearch.desk import Desk, looks_anew
from fesearch.errors import InputError
from fesearch.features import available
from fesearch.finalists import finalists, kept_model, refuse_driven
from fesearch.record import TrialResult
from fesearch.search import resources
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
        row: of the study; of several, the one with the best finalist.
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
    names: str | Sequence[str],
    url: str,
    *,
    top: int = 1,
    best_per_family: bool = False,
    retrain: bool = False,
    seeds: int = 1,
    over: str | None = None,
    place: Mapping[str, Any] = MappingProxyType({}),
    progress: Progress | None = None,
) -> Holdout:
    """Score the finalists of studies on the test part; the looks are on record before it returns.

    It is the models their trials left that are scored, unless one of ``retrain``, ``seeds`` and
    ``over`` asks for their configs trained anew. Such a look is on record as soon as it is made,
    and a call that was interrupted trains what is left when it is repeated.

    Args:
        names: a study, several on one division, or a search over many families.
        url: of the store.
        top: number of finalists of all, by validation.
        best_per_family: the best of each family instead.
        retrain: on training and validation part, for the resource at which the trial was best.
        seeds: so many trainings of each, the first with the seed that its trial had.
        over: a repeated division, as ``--split`` takes it, or ``MEMBERS``: train on each of its
            members, and score on the test part of each.
        place: keys of ``study.PLACE`` for what is trained anew, in place of those the studies were
            started with: on several cores or GPUs side by side, where that is worth it.
        progress: of the features.

    Raises:
        StudyNotFoundError: there is none of a name.
        NoResultError: there is no usable trial, or one diverged when trained anew.
        InputError: one is being driven, the studies do not go together, their data are not what
            they were, a division has no test rows, the weights of a finalist are not kept, or the
            cores or GPUs to train on are not there. Nobody has looked then.
        FesearchError: a training has failed on a worker.
    """
    anew = retrain or seeds > 1 or over is not None
    with Store.open(url, create=False) as store:
        rows = store.named([names] if isinstance(names, str) else names)
        for row in rows:
            refuse_driven(store, row)
        chosen = finalists(store, rows, top, best_per_family)
        theirs = {row.name: row for row, _ in chosen}
        sealed = {
            name: Sealed.of(store, row, prepare_again(row, progress), over, place if anew else None)
            for name, row in theirs.items()
        }
        if anew:
            asked = [
                (trial, sealed[row.name].desk, split, seed)
                for row, trial in chosen
                for split in sealed[row.name].splits
                for seed in range(seeds)
            ]
            earlier = _recorded(store, sealed.values())
            looks = looks_anew(
                [(d, d.training(trial, split, n, joined=retrain)) for trial, d, split, n in asked]
            )
            scored = [Scored(one[0], look) for one, look in zip(asked, looks, strict=True)]
        else:
            models = [kept_model(row, sealed[row.name].prepared, trial) for row, trial in chosen]
            earlier = _recorded(store, sealed.values())
            scored = [
                Scored(trial, sealed[row.name].desk.searched(trial, model))
                for (row, trial), model in zip(chosen, models, strict=True)
            ]
    first = sealed[chosen[0][0].name]
    new = sum(Desk.identity(one.look) not in earlier for one in scored)
    tests = tuple(dict.fromkeys(first.desk.test(split) for split in first.splits))
    unit = first.prepared.dataset.units[first.prepared.target]
    return Holdout(chosen[0][0], unit, tests, tuple(scored), len(earlier), new)


def _recorded(store: Store, sealed: Iterable["Sealed"]) -> set[tuple[str, str, str, int]]:
    """Write all divisions down; the identities of the looks that were at them before."""
    return {look for one in sealed for look in one.recorded(store)}


@dataclass(frozen=True, eq=False)
class Sealed:
    """A study with the divisions whose test parts its finalists are to meet.

    Attributes:
        whole: the repeated division that these are the members of, if they are of one.
    """

    prepared: Prepared
    whole: Repeated | None
    splits: tuple[Split, ...]
    desk: Desk

    @classmethod
    def of(
        cls,
        store: Store,
        row: StudyRow,
        prepared: Prepared,
        over: str | None,
        place: Mapping[str, Any] | None,
    ) -> "Sealed":
        """Make the divisions of its data.

        Args:
            place: where something is to be trained, in place of where it was searched.

        Raises:
            InputError: one has no test rows, ``over`` is no repeated division, or the place has not
                what the study asks for.
        """
        if place is not None:
            prepared = replace(prepared, study=prepared.study.moved(place))
            resources.check(prepared.study.model_copy(update={"track": []}))  # nobody follows it
        whole = None if over is None else _repeated(prepared, over)
        splits = (prepared.split,) if whole is None else tuple(whole.members)
        refuse_without_test(row, prepared, splits)
        return cls(prepared, whole, splits, Desk(store, row, prepared))

    def recorded(self, store: Store) -> set[tuple[str, str, str, int]]:
        """Write the divisions down; the identities of the looks that were at them before."""
        store.record_division(self.prepared.division)
        if self.whole is not None:
            store.record_division(*divisions(self.prepared.dataset, self.whole))
        return {Desk.identity(look) for split in self.splits for look in self.desk.looks(split)}


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
