"""Rows that belong together, such as those of one formula, and the order in which they are drawn.

A division draws groups of rows, not rows. The draw is by sha256, not by a generator whose stream
may change with the version of NumPy, so that it is the same on every platform.
"""

import hashlib
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fesearch.errors import InputError
from fesearch.registry import unknown

if TYPE_CHECKING:
    from fesearch.dataset import Dataset

GROUPINGS = ("formula", "system", "none", "column:NAME")
COLUMN = "column:"
FEWEST = 10
_NO_DIGITS = str.maketrans("", "", "0123456789")


@dataclass(frozen=True)
class Crossing:
    """How far the parts of a division share labels, such as formulas: a model is partly asked what
    it was told.

    Attributes:
        distinct: labels in all parts together.
        crossing: labels in more than one part.
        val_rows, test_rows: rows of these parts whose label is in the training part.
    """

    distinct: int
    crossing: int
    val_rows: int
    test_rows: int


@dataclass(frozen=True, eq=False)
class Groups:
    """The n rows of a data set in m groups.

    Attributes:
        labels: m distinct texts; they decide the order of a draw.
        of: (n,) int64, the group of each row.
        noun: what the groups are, such as "chemical systems".
    """

    labels: tuple[str, ...]
    of: np.ndarray
    noun: str
    _orders: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    def order(self, salt: str) -> np.ndarray:
        """The groups in the order of the sha256 of "salt|label", (m,) int64."""
        if salt not in self._orders:
            sha256, start = hashlib.sha256, f"{salt}|".encode()
            digests = [sha256(start + label).digest() for label in self._encoded]
            self._orders[salt] = np.argsort(np.frombuffer(b"".join(digests), dtype="S32"))
        return self._orders[salt]

    @cached_property
    def _encoded(self) -> list[bytes]:
        return [label.encode() for label in self.labels]

    def before(self, rows: np.ndarray, salt: str) -> np.ndarray:
        """How many of some rows are in groups earlier in an order, (m,) int64.

        Args:
            rows: (n,) bool, which rows count.
        """
        order = self.order(salt)
        sizes = np.bincount(self.of[rows], minlength=len(self.labels))[order]
        before = np.empty(len(order), dtype=np.int64)
        before[order] = np.cumsum(sizes) - sizes
        return before

    def first(self, rows: np.ndarray, wanted: Fraction | int, salt: str) -> np.ndarray:
        """Of some rows, those of the first groups of an order, (n,) bool.

        They are ``wanted`` rows (all, where there are fewer), or more by less than the last group;
        those for a smaller number are among those for a larger one.

        Args:
            rows: (n,) bool, the rows to choose from.
        """
        chosen = self.before(rows, salt) < math.ceil(wanted)
        return np.asarray(rows & chosen[self.of])

    def crossing(self, train: np.ndarray, val: np.ndarray, test: np.ndarray) -> Crossing:
        """What parts, each an array of row indices, have in common."""
        count = len(self.labels)
        parts = np.stack(
            [np.bincount(self.of[part], minlength=count) for part in (train, val, test)]
        )
        told = parts[0] > 0
        return Crossing(
            distinct=int((parts > 0).any(axis=0).sum()),
            crossing=int(((parts > 0).sum(axis=0) > 1).sum()),
            val_rows=int(parts[1][told].sum()),
            test_rows=int(parts[2][told].sum()),
        )

    def refuse_few(self, dataset: "Dataset", least: int = FEWEST) -> None:
        """Refuse to draw from too few groups.

        Raises:
            InputError: there are fewer than ``least``.
        """
        if len(self.labels) < least:
            raise InputError(
                f"The data set '{dataset.name}' has {len(self.labels)} {self.noun}, too few to "
                "divide at random.",
                f"Give at least {least}, or a column of roles: --split column:NAME",
            )


def by(grouping: str, dataset: "Dataset") -> Groups:
    """The groups of a data set.

    Args:
        grouping: "formula" (reduced), "system" (the set of elements), "none" (every row is its
            own) or "column:NAME" (a text column; an empty cell is a group of its own row).

    Raises:
        InputError: there is no such grouping, or the data set lacks the column.
    """
    if grouping == "formula":
        return _grouped(dataset.reduced, "distinct reduced formulas")
    if grouping == "system":
        return systems(by("formula", dataset))
    if grouping == "none":
        return _grouped(dataset.ids, "rows")
    name = checked(grouping).removeprefix(COLUMN)
    if name not in dataset.columns:
        raise unknown("column", name, dataset.columns, f"fesearch data show {dataset.name}")
    cells = zip(dataset.columns[name], dataset.ids, strict=True)
    # Two prefixes, since the text of a cell may be the id of a row
    labels = [f"cell {cell}" if cell else f"row {row}" for cell, row in cells]
    return _grouped(labels, f"distinct values of '{name}'")


def systems(formulas: Groups) -> Groups:
    """The chemical systems of a data set, from its groups by formula."""
    # Without its digits a reduced formula is its symbols in alphabetical order
    symbols = "\n".join(formulas.labels).translate(_NO_DIGITS).split("\n")
    found = _grouped(symbols, "chemical systems")
    return replace(found, of=found.of[formulas.of])


def checked(grouping: object) -> str:
    """A grouping as ``by`` takes it.

    Raises:
        InputError: it is none.
    """
    if isinstance(grouping, str):
        named = grouping.startswith(COLUMN) and grouping != COLUMN
        if named or grouping in GROUPINGS[:-1]:
            return grouping
    listing = f"--split random:group={'|'.join(GROUPINGS)}"
    raise unknown("split grouping", str(grouping), GROUPINGS, listing)


def _grouped(labels: Sequence[str], noun: str) -> Groups:
    place: defaultdict[str, int] = defaultdict()
    place.default_factory = place.__len__  # a new label has the next number
    of = np.fromiter((place[label] for label in labels), np.int64, len(labels))
    return Groups(tuple(place), of, noun)
