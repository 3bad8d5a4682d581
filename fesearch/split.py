"""Divisions of rows into training, validation and test, and the view of them a trial may have.

A division is asked for by a `SplitSpec` ("random:seed=3", "column:fold0"), made of a data set by
`make`, and known by its fingerprint: which row has which role, whatever the order of rows. NumPy
and the standard library only, since code beside torch imports it.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum, sqrt
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from fesearch import groups, options
from fesearch.errors import InputError
from fesearch.groups import Crossing, Groups
from fesearch.splitspec import OUTSIDE, ROLES, Role, SplitSpec

if TYPE_CHECKING:
    from fesearch.dataset import Dataset

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Development:
    """What a trial may see of a division: training and validation rows, never the test part.

    Attributes:
        train_x: (n_train, d) float32 features; rows in the order of stable row ids.
        train_y: (n_train,) float64 target, in its own unit.
        val_x: (n_val, d) float32.
        val_y: (n_val,) float64.
        folds: (n_train,) int64 from 0, the inner fold of each training row, where configs are
            scored on these instead of the validation rows; or None.
    """

    train_x: np.ndarray
    train_y: np.ndarray
    val_x: np.ndarray
    val_y: np.ndarray
    folds: np.ndarray | None = None

    @property
    def width(self) -> int:
        """Number of features, d."""
        return int(self.train_x.shape[1])

    @property
    def scored_y(self) -> np.ndarray:
        """What a trial's predictions are compared with: validation rows, or all training rows."""
        return self.val_y if self.folds is None else self.train_y


@dataclass(frozen=True, eq=False)
class Split:
    """One division of one data set; its identity is the fingerprint.

    Attributes:
        spec: the text that `SplitSpec.parse` makes the same division of.
        rows: number of rows of the data set, used or not.
        train, val, test: sorted int64 row indices, read-only; only ``test`` may be empty.
        fingerprint: sha256 hex over row ids and roles.
        crossing: of the reduced "formulas" and of the chemical "systems".
        parent: fingerprint of the repeated division this is one of, or None.
        member: its number in that, from 0, or None.
        folds: (n_train,) int64, see ``Development``.
    """

    spec: str
    rows: int
    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    fingerprint: str
    crossing: Mapping[str, Crossing]
    parent: str | None = None
    member: int | None = None
    folds: np.ndarray | None = None

    def development(self, x: np.ndarray, y: np.ndarray) -> Development:
        """Copies of the training and validation rows; nothing leads from them to the test part.

        Args:
            x: (n, d) features of all rows of the data set, in its order.
            y: (n,) target.

        Raises:
            InputError: x or y has another number of rows than the data set.
        """
        train, val = self._part(self.train, x, y), self._part(self.val, x, y)
        return Development(*train, *val, self.folds)

    @property
    def scored_rows(self) -> np.ndarray:
        """The rows of ``Development.scored_y``."""
        return self.val if self.folds is None else self.train

    def test_part(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The sealed part, (n_test, d) float32 and (n_test,) float64; for ``holdout`` alone.

        Raises:
            InputError: the division has no test rows, or x or y has another number of rows.
        """
        if not self.test.size:
            raise InputError(
                f"The division {self.spec} has no test rows.",
                "Choose a --split with a test part before the search.",
            )
        return self._part(self.test, x, y)

    def every_part(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All rows of the division, (n, d) float32 and (n,) float64, in the order of the data set.

        For ``refit``, which trains the model that is delivered on them and scores nothing.

        Raises:
            InputError: x or y has another number of rows than the data set.
        """
        rows = np.sort(np.concatenate([self.train, self.val, self.test]))
        return self._part(rows, x, y)

    def log_leakage(self) -> None:
        """Log a warning where a model is asked for formulas it was told, else that it is not."""
        known = self.crossing["formulas"]
        counts = (
            ("test", known.test_rows, len(self.test)),
            ("validation", known.val_rows, len(self.val)),
        )
        told = [
            f"{rows} of {size} {part} rows ({rows / size:.1%})"
            for part, rows, size in counts
            if rows
        ]
        if told:
            _log.warning(
                "The reduced formula of %s is in training too: errors there look too small.\n"
                "To keep each formula on one side type: --split random:group=formula",
                " and of ".join(told),
            )
        else:
            _log.info("No test or validation row has its reduced formula in training.")

    def _part(
        self, rows: np.ndarray, x: np.ndarray, y: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        for noun, array in (("rows of features", x), ("target values", y)):
            if len(array) != self.rows:
                raise InputError(
                    f"There are {len(array)} {noun} for a data set of {self.rows} rows.",
                    "Take features and target of the data set that was divided.",
                )
        part = (
            np.ascontiguousarray(np.asarray(x)[rows], dtype=np.float32),
            np.ascontiguousarray(np.asarray(y)[rows], dtype=np.float64),
        )
        for array in part:
            array.setflags(write=False)
        return part


@dataclass(frozen=True, eq=False)
class Repeated:
    """A division made several times over, such as folds: results over all members belong to it.

    Attributes:
        spec: its text, which names no member.
        members: in order, each with ``fingerprint`` as its parent.
        fingerprint: sha256 hex over those of the members, in order.
    """

    spec: str
    members: tuple[Split, ...]
    fingerprint: str


@dataclass(frozen=True)
class _Given:
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


def make(
    dataset: "Dataset",
    spec: SplitSpec,
    *,
    target: str | None = None,
    having: Callable[[str], np.ndarray] | None = None,
) -> Split:
    """Divide the rows of a data set.

    Args:
        target: its column to learn; ``sigma`` asks for it.
        having: name of a feature set -> (n,) bool, the rows that have it; ``rows`` asks for it.

    Raises:
        InputError: the data set has too few formulas, lacks a column or has a wrong word in it; a
            part would be empty (only the test part may be, where it was asked for); the spec is of
            a repeated division and names no member of it.
    """
    if spec.count is None:
        return _divide(_given(dataset, spec, target, having), spec)
    if spec.member is None:
        raise InputError(
            f"The split {spec} is {spec.count} divisions.",
            f"Choose one from member=0 to member={spec.count - 1}, or member={OUTSIDE}: "
            f"--split {replace(spec, member=0)}",
        )
    if spec.member == OUTSIDE:
        return _divide(_given(dataset, spec, target, having), spec)
    return members(dataset, spec, target=target, having=having).members[spec.member]


def members(
    dataset: "Dataset",
    spec: SplitSpec,
    *,
    target: str | None = None,
    having: Callable[[str], np.ndarray] | None = None,
) -> Repeated:
    """All divisions of a repeated one, whichever member the spec names; see ``make``.

    Raises:
        InputError: the spec is of a single division, two members are the same, or as ``make``.
    """
    if spec.count is None:
        raise InputError(
            f"The split {spec} is a single division, without members.",
            "Give a repeated one, such as --split kfold:k=5",
        )
    given = _given(dataset, spec, target, having)
    parts = [_divide(given, replace(spec, member=index)) for index in range(spec.count)]
    prints = [part.fingerprint for part in parts]
    for index, one in enumerate(prints):
        if prints.index(one) != index:
            raise InputError(
                f"Members {prints.index(one)} and {index} of the split {replace(spec, member=None)}"
                f" of '{dataset.name}' are the same division.",
                "Give fewer members, or more rows.",
            )
    parent = hashlib.sha256("\n".join(["repeated", *prints]).encode()).hexdigest()
    return Repeated(
        spec=str(replace(spec, member=None)),
        members=tuple(replace(part, parent=parent, member=i) for i, part in enumerate(parts)),
        fingerprint=parent,
    )


def fingerprint(ids: Sequence[str], roles: Sequence[str]) -> str:
    """Sha256 hex of a division: of the sorted "id U+001F role" lines of the rows it uses.

    A training row in an inner fold has that in its role, as in "train/0".
    """
    ending = {role: f"\x1f{role}" for role in set(roles)}
    lines = [name + ending[role] for name, role in zip(ids, roles, strict=True) if role]
    lines.sort()
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _given(
    dataset: "Dataset",
    spec: SplitSpec,
    target: str | None,
    having: Callable[[str], np.ndarray] | None,
) -> _Given:
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
    return _Given(
        dataset,
        found,
        None if spec.sigma is None or target is None else dataset.target(target),
        None if spec.rows is None or having is None else having(spec.rows),
    )


def _divide(given: _Given, spec: SplitSpec) -> Split:
    """One division: roles for all rows, then without those that the spec leaves out."""
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
    train, val, test = (_rows(roles, role) for role in ROLES)
    folds = None if spec.folds is None else _folds(drawn, roles == "train", spec, spec.folds)
    written = roles.tolist()
    if folds is not None:
        for row, fold in zip(train.tolist(), folds.tolist(), strict=True):
            written[row] = f"train/{fold}"
    return Split(
        spec=str(spec),
        rows=len(given.dataset.ids),
        train=train,
        val=val,
        test=test,
        fingerprint=fingerprint(given.dataset.ids, written),
        folds=folds,
        crossing=MappingProxyType(
            {
                "formulas": given.groups["formula"].crossing(train, val, test),
                "systems": given.groups["system"].crossing(train, val, test),
            }
        ),
    )


def _outside(given: _Given, spec: SplitSpec) -> np.ndarray:
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


def _refuse_empty(
    given: _Given, spec: SplitSpec, roles: np.ndarray, needed: Sequence[Role]
) -> None:
    for role in needed:
        if not (roles == role).any():
            raise InputError(
                f"The division {spec} of '{given.dataset.name}' leaves the {role} part empty.",
                "Every division needs rows to train on and rows to validate on.",
            )


def _rows(roles: np.ndarray, wanted: Role) -> np.ndarray:
    rows = np.flatnonzero(roles == wanted).astype(np.int64)
    rows.setflags(write=False)
    return rows


def _beyond(values: np.ndarray, train: np.ndarray, sigma: float) -> np.ndarray:
    """Rows further than ``sigma`` standard deviations from the mean of the training rows, (n,).

    Sums are exact, so that no platform rounds a row to the other side.
    """
    known = values[train]
    mean = fsum(known.tolist()) / len(known)
    deviation = sqrt(fsum(np.square(known - mean).tolist()) / len(known))
    return np.asarray(np.abs(values - mean) > sigma * deviation)


def _folds(drawn: Groups, train: np.ndarray, spec: SplitSpec, count: int) -> np.ndarray:
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
