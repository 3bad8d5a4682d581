"""Divisions of rows into training, validation and test, and the view of them a trial may have.

A division is asked for by a `SplitSpec` ("random:seed=3", "column:fold0"), made of a data set by
`make`, and known by its fingerprint: which row has which role, whatever the order of rows. NumPy
and the standard library only, since code beside torch imports it.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from fesearch import rowroles
from fesearch.errors import InputError
from fesearch.groups import Crossing
from fesearch.rowroles import Given
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
        groups: int64, as many as ``scored_y``, equal where the reduced formula is, or of a block
            of formulas where these are many; None where that is not known.
    """

    train_x: np.ndarray
    train_y: np.ndarray
    val_x: np.ndarray
    val_y: np.ndarray
    folds: np.ndarray | None = None
    groups: np.ndarray | None = None

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
        return _divide(rowroles.given(dataset, spec, target, having), spec)
    if spec.member is None:
        raise InputError(
            f"The split {spec} is {spec.count} divisions.",
            f"Choose one from member=0 to member={spec.count - 1}, or member={OUTSIDE}: "
            f"--split {replace(spec, member=0)}",
        )
    if spec.member == OUTSIDE:
        return _divide(rowroles.given(dataset, spec, target, having), spec)
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
    given = rowroles.given(dataset, spec, target, having)
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


def _divide(given: Given, spec: SplitSpec) -> Split:
    """One division of what is given."""
    drawn = given.groups[spec.grouping]
    roles = rowroles.of(given, spec)
    train, val, test = (_rows(roles, role) for role in ROLES)
    folds = (
        None if spec.folds is None else rowroles.folds(drawn, roles == "train", spec, spec.folds)
    )
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


def _rows(roles: np.ndarray, wanted: Role) -> np.ndarray:
    rows = np.flatnonzero(roles == wanted).astype(np.int64)
    rows.setflags(write=False)
    return rows
