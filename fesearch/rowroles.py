"""Which role each row of a data set has in a division: as its kind draws them, less those left out.

A spec may leave out rows beyond so many standard deviations, rows without features, training rows
above a number, and test rows of any member; and give the training rows inner folds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum, sqrt
from typing import TYPE_CHECKING

import numpy as np

from fesearch import groups, options
from fesearch.errors import InputError
from fesearch.groups import Groups
from fesearch.splitspec import OUTSIDE, ROLES, Role, SplitSpec

if TYPE_CHECKING:
    from fesearch.dataset import Dataset


@dataclass(frozen=True)
class Given:
    """What the divisions of one data set by one spec have in common.

    Attributes:
        groups: by "formula", by "system" and as the spec draws them.
        values: (n,) target, where the spec asks for it.
        having: (n,) bool, rows that have the features the spec asks for, where it does.
    """

    dataset: "Dataset"
    groups: Mapping[str, Groups]
    values: np.ndarray | None
    having: np.ndarray | None


def given(
    dataset: "Dataset",
    spec: SplitSpec,
    target: str | None,
    having: Callable[[str], np.ndarray] | None,
) -> Given:
    """Groups, target and features as the spec needs them; see ``split.make``.

    Raises:
        InputError: the spec asks for a target or for features that are not given, or a column is
            lacking.
    """
    if spec.sigma is not None and target is None:
        raise InputError(
            f"The split option sigma={spec.sigma:g} needs a target.",
            f"Name one: --target {' or '.join(dataset.targets)}",
        )
    if spec.rows is not None and having is None:
        raise InputError(
            f"Which rows of '{dataset.name}' have the features '{spec.rows}' is not known.",
            "Leave the split option rows out.",
        )
    formulas = groups.by("formula", dataset)
    found = {"formula": formulas, "system": groups.systems(formulas)}
    if spec.grouping not in found:
        found[spec.grouping] = groups.by(spec.grouping, dataset)
    return Given(
        dataset,
        found,
        None if spec.sigma is None or target is None else dataset.target(target),
        None if spec.rows is None or having is None else having(spec.rows),
    )


def of(given: Given, spec: SplitSpec) -> np.ndarray:
    """The role of each row, (n,): "train", "val", "test" or "".

    Raises:
        InputError: a part would be empty, or the spec wants more training rows than there are.
    """
    drawn = given.groups[spec.grouping]
    roles = _outside(given, spec) if spec.member == OUTSIDE else spec.roles(given.dataset, drawn)
    needed: tuple[Role, ...] = ROLES if (roles == "test").any() else ("train", "val")
    _refuse_empty(given, spec, roles, needed)
    if given.values is not None and spec.sigma is not None:
        roles[_beyond(given.values, roles == "train", spec.sigma)] = ""
    if given.having is not None:
        roles[~given.having] = ""
    if spec.train is not None:
        roles[_surplus(drawn, roles == "train", spec, spec.train)] = ""
    _refuse_empty(given, spec, roles, needed)
    return roles


def _outside(given: Given, spec: SplitSpec) -> np.ndarray:
    """The roles of member 0, (n,), without the rows that are test rows of any member.

    Raises:
        InputError: no row is outside.
    """
    assert spec.count is not None, "only a repeated division has an outside"
    drawn = given.groups[spec.grouping]
    each = [replace(spec, member=i).roles(given.dataset, drawn) for i in range(spec.count)]
    tested = np.any([roles == "test" for roles in each], axis=0)
    if tested.all():
        whole = replace(spec, member=None)
        raise InputError(
            f"Every row of '{given.dataset.name}' is a test row of a member of {whole}; no row is "
            "outside.",
            "Search on a member (member=0), or outside those of "
            "--split repeated:divisions=5,member=outside",
        )
    return np.where(tested, "", each[0])


def _refuse_empty(given: Given, spec: SplitSpec, roles: np.ndarray, needed: Sequence[Role]) -> None:
    for role in needed:
        if not (roles == role).any():
            raise InputError(
                f"The division {spec} of '{given.dataset.name}' leaves the {role} part empty.",
                "Every division needs rows to train on and rows to validate on.",
            )


def _beyond(values: np.ndarray, train: np.ndarray, sigma: float) -> np.ndarray:
    """Rows further than ``sigma`` standard deviations from the mean of the training rows, (n,).

    Sums are exact, so that no platform rounds a row to the other side.
    """
    known = values[train]
    mean = fsum(known.tolist()) / len(known)
    deviation = sqrt(fsum(np.square(known - mean).tolist()) / len(known))
    return np.asarray(np.abs(values - mean) > sigma * deviation)


def folds(drawn: Groups, train: np.ndarray, spec: SplitSpec, count: int) -> np.ndarray:
    """The inner fold of each training row, (n_train,) int64: groups whole, sizes about equal."""
    before = drawn.before(train, f"folds|{spec.salt}")
    folds = (before * count // int(train.sum()))[drawn.of[train]]
    if len(np.unique(folds)) < count:
        raise InputError(
            f"The training part of the split {spec} is {int(train.sum())} rows, which are not "
            f"{count} folds of whole {drawn.noun}.",
            "Give less folds, or leave folds out.",
        )
    folds.setflags(write=False)
    return np.asarray(folds)


def _surplus(drawn: Groups, train: np.ndarray, spec: SplitSpec, amount: float) -> np.ndarray:
    """The training rows that are not wanted, (n,) bool."""
    count = int(train.sum())
    if amount > count:
        raise InputError(
            f"The split {spec} asks for {amount} rows to train on, and there are {count}.",
            f"Give train={count} or less, or a share, such as train=0.5.",
        )
    wanted = amount if isinstance(amount, int) else count * options.exact(amount)
    return np.asarray(train & ~drawn.first(train, wanted, f"train|{spec.salt}"))
