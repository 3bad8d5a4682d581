"""Predictions for a CSV file, of any length: it is read and written a piece at a time."""

import csv
import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np

from fesearch import cells, formula, structure
from fesearch.bundle import Bundle
from fesearch.datasets.delimited import numbered_rows, opened, places
from fesearch.errors import InputError, quoted
from fesearch.paths import atomic_write
from fesearch.structure import Structures

ADDED = ("prediction", "unit")
PIECE = 20_000  # rows in memory at a time: their features take 12 MB
_SHOWN = 3  # wrong rows named in an error


@dataclass(frozen=True)
class Columns:
    """What the columns of a file are called.

    Attributes:
        formula: of formulas.
        structure: of crystal structures, as pymatgen's JSON or paths of CIF files from the folder
            of the file; for a model that reads them, and for no other.
    """

    formula: str = "formula"
    structure: str | None = None


@dataclass(frozen=True)
class Predicted:
    """What was written.

    Attributes:
        rows: number of them.
        unseen: elements no training row of the model contains, in alphabetical order.
    """

    rows: int
    unseen: tuple[str, ...]


def predict_file(bundle: Bundle, source: Path, to: Path, columns: Columns = Columns()) -> Predicted:
    """Copy a CSV file with a prediction and its unit added to each row.

    Args:
        source: UTF-8 text with a header, gzip or not. It has the columns named, and those of the
            user's own numbers that the model reads, under the names they had in training.
        to: of the new file; compressed if its name ends in .gz.

    Raises:
        InputError: the source cannot be read, lacks a column or has wrong rows, which are counted
            and the first of them named; a column of structures is named in vain, or none is; or
            ``to`` cannot be written. Nothing is written then.
    """
    _check_structure(bundle, columns.structure)
    checked = _check(bundle, source, columns)
    if to.exists() and to.samefile(source):
        raise InputError(f"'{to}' is the file to read.", "Give --to another name.")
    try:
        with atomic_write(to) as partial, _writing(partial, packed=to.suffix == ".gz") as file:
            _write(bundle, source, columns, file)
    except OSError as error:
        raise InputError(
            f"'{to}' cannot be written: {error.strerror}.", "Choose another --to."
        ) from error
    return checked


def _check_structure(bundle: Bundle, column: str | None) -> None:
    if column is not None and not bundle.card.reads_structures:
        raise InputError(
            f"The model reads no structures, and so not the column {quoted(column)}.",
            "Leave --structure out.",
        )
    bundle.refuse_without(structures=column is not None, numbers=bundle.card.columns)


class _Compound(NamedTuple):
    """What a model reads of a row: the formula as given, the structure's text, own numbers."""

    formula: str
    structure: str
    numbers: tuple[float, ...]


@dataclass(frozen=True)
class _Layout:
    """Where it stands in a row.

    Attributes:
        width: number of fields.
        folder: what paths of CIF files start from.
    """

    formula: int
    structure: int | None
    numbers: Mapping[str, int]
    width: int
    folder: Path

    @classmethod
    def of(cls, bundle: Bundle, source: Path, header: Sequence[str], columns: Columns) -> "_Layout":
        """Find the columns.

        Raises:
            InputError: one is missing, or has the name of one that is to be added.
        """
        names = [name.strip() for name in header]
        taken = [name for name in ADDED if name in names]
        if taken:
            raise InputError(
                f"{source} has a column '{taken[0]}', which is to be added.", "Rename it there."
            )
        own = bundle.card.columns
        wanted = [columns.formula, *own] + ([columns.structure] if columns.structure else [])
        place = places(source, names, wanted)
        return cls(
            formula=place[columns.formula],
            structure=place[columns.structure] if columns.structure else None,
            numbers={name: place[name] for name in own},
            width=len(header),
            folder=source.parent,
        )

    def compound(self, fields: Sequence[str]) -> _Compound:
        """What is in a row.

        Raises:
            BadRowError: it cannot be used.
        """
        if len(fields) != self.width:
            raise cells.BadRowError(f"{len(fields)} fields where the header has {self.width}")
        text = fields[self.formula]
        found = _Compound(text, self._structure(fields), tuple(self._numbers(fields)))
        if found.structure:
            inside = structure.formula_of(found.structure)
            if formula.reduced(inside) != formula.reduced(text):
                raise cells.BadRowError(f"{quoted(text)} has a structure of {quoted(inside)}")
        return found

    def _structure(self, fields: Sequence[str]) -> str:
        if self.structure is None:
            return ""
        cell = fields[self.structure].strip()
        if not cell:
            raise cells.BadRowError("no structure")
        return structure.from_cell(cell, self.folder)

    def _numbers(self, fields: Sequence[str]) -> Iterator[float]:
        for name, place in self.numbers.items():
            yield cells.number_or_nan(name, fields[place].strip() or None)


def _check(bundle: Bundle, source: Path, columns: Columns) -> Predicted:
    """Read the whole file once, so that wrong rows are found before anything is computed."""
    bad: list[str] = []
    unseen: set[str] = set()
    count = 0
    with opened(source) as text:
        rows = numbered_rows(source, text)
        layout = _Layout.of(bundle, source, next(rows, (0, []))[1], columns)
        for line, fields in rows:
            count += 1
            try:
                unseen |= bundle.unseen([layout.compound(fields).formula])
            except cells.BadRowError as reason:
                bad.append(f"line {line}: {reason}")
            except InputError as error:
                bad.append(f"line {line}: {error.message.rstrip('.')}")
    if bad:
        more = f"; and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
        raise InputError(
            f"{len(bad)} of {count} rows of {source} cannot be predicted: "
            f"{'; '.join(bad[:_SHOWN])}{more}.",
            "Nothing was written. Correct or remove these rows.",
        )
    return Predicted(count, tuple(sorted(unseen)))


def _write(bundle: Bundle, source: Path, columns: Columns, file: TextIO) -> None:
    """Copy a file that was checked, the header first, a piece at a time."""
    writer = csv.writer(file, lineterminator="\n")
    rows = _rows(source)
    header = next(rows)
    writer.writerow([*header, *ADDED])
    layout = _Layout.of(bundle, source, header, columns)
    while piece := list(islice(rows, PIECE)):
        predictions = _predict(bundle, layout, piece)
        for fields, value in zip(piece, predictions.tolist(), strict=True):
            writer.writerow([*fields, value, bundle.card.unit])


def _predict(bundle: Bundle, layout: _Layout, piece: Sequence[Sequence[str]]) -> np.ndarray:
    """Predictions for some rows, (n,)."""
    compounds = [layout.compound(fields) for fields in piece]
    texts = (compound.structure for compound in compounds)
    return bundle.predict(
        [compound.formula for compound in compounds],
        structures=None if layout.structure is None else Structures.of(texts),
        numbers={
            name: np.array([compound.numbers[place] for compound in compounds])
            for place, name in enumerate(layout.numbers)
        },
    )


def _rows(source: Path) -> Iterator[list[str]]:
    """The rows of a file; a generator, so that faults of writing are not taken for its own."""
    with opened(source) as text:
        for _, fields in numbered_rows(source, text):
            yield fields


def _writing(path: Path, packed: bool) -> TextIO:
    if packed:
        return gzip.open(path, "wt", encoding="utf-8", newline="")
    return path.open("w", encoding="utf-8", newline="")
