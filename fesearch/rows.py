"""Rows on their way from a source to a data set: good ones, cleaned or not, column by column."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fesearch.structure import Packed, Structures


class Row(NamedTuple):
    """A good row.

    Attributes:
        id: "" where the source has none.
        formula, reduced: as given, and reduced.
        targets, numbers: in the order of their names; numbers are NaN where empty.
        columns: texts, in the order of their names.
        structure: "" for none.
    """

    id: str
    formula: str
    reduced: str
    targets: Sequence[float]
    numbers: Sequence[float]
    columns: Sequence[str]
    structure: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Rows:
    """n rows on their way to a data set, in the order read.

    Attributes:
        ids: as given, perhaps repeated; None where the source has none.
        formulas, reduced: n formulas, and their reduced spellings.
        targets, numbers: name -> (n,) float64; numbers are NaN where empty.
        columns: name -> n texts.
        structures: of the n rows, or None where no row has one.
    """

    ids: Sequence[str] | None
    formulas: Sequence[str]
    reduced: Sequence[str]
    targets: Mapping[str, np.ndarray]
    numbers: Mapping[str, np.ndarray]
    columns: Mapping[str, Sequence[str]]
    structures: Structures | None

    def __len__(self) -> int:
        return len(self.formulas)

    @property
    def first(self) -> np.ndarray:
        """The first target, (n,)."""
        return next(iter(self.targets.values()))

    def taken(self, places: np.ndarray) -> "Rows":
        """Some of the rows."""
        order = places.tolist()
        return Rows(
            ids=None if self.ids is None else [self.ids[row] for row in order],
            formulas=[self.formulas[row] for row in order],
            reduced=[self.reduced[row] for row in order],
            targets={name: values[places] for name, values in self.targets.items()},
            numbers={name: values[places] for name, values in self.numbers.items()},
            columns={name: [texts[row] for row in order] for name, texts in self.columns.items()},
            structures=None if self.structures is None else self.structures.taken(order),
        )


class Gathered:
    """Good rows, one added after the other; they take the memory of their columns.

    Args:
        targets, numbers, columns: their names.
    """

    def __init__(
        self, targets: Sequence[str], numbers: Sequence[str], columns: Sequence[str]
    ) -> None:
        self._ids: list[str] = []
        self._formulas: list[str] = []
        self._reduced: list[str] = []
        self._targets = {name: array("d") for name in targets}
        self._numbers = {name: array("d") for name in numbers}
        self._columns: dict[str, list[str]] = {name: [] for name in columns}
        self._structures = Packed()

    def __len__(self) -> int:
        return len(self._formulas)

    def add(self, row: Row) -> None:
        """Add a row."""
        self._ids.append(row.id)
        self._formulas.append(row.formula)
        self._reduced.append(row.formula if row.formula == row.reduced else row.reduced)
        for values, value in zip(self._targets.values(), row.targets, strict=True):
            values.append(value)
        for values, value in zip(self._numbers.values(), row.numbers, strict=True):
            values.append(value)
        for texts, text in zip(self._columns.values(), row.columns, strict=True):
            texts.append(text)
        self._structures.append(row.structure)

    def rows(self) -> Rows:
        """All rows so far."""
        structures = self._structures.structures()
        return Rows(
            ids=self._ids if any(self._ids) else None,
            formulas=self._formulas,
            reduced=self._reduced,
            targets={name: np.frombuffer(values) for name, values in self._targets.items()},
            numbers={name: np.frombuffer(values) for name, values in self._numbers.items()},
            columns=self._columns,
            structures=structures if any(structures.digests) else None,
        )
