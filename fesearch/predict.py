"""Predictions for a CSV file, of any length: it is read and written a piece at a time."""

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

from fesearch.bundle import Bundle
from fesearch.datasets.delimited import numbered_rows, opened, places
from fesearch.errors import InputError
from fesearch.paths import atomic_write

ADDED = ("prediction", "unit")
PIECE = 20_000  # rows in memory at a time: their features take 12 MB
_SHOWN = 3  # wrong rows named in an error


@dataclass(frozen=True)
class Predicted:
    """What was written.

    Attributes:
        rows: number of them.
        unseen: elements no training row of the model contains, in alphabetical order.
    """

    rows: int
    unseen: tuple[str, ...]


def predict_file(bundle: Bundle, source: Path, to: Path, column: str = "formula") -> Predicted:
    """Copy a CSV file with a prediction and its unit added to each row.

    Args:
        source: UTF-8 text with a header, gzip or not.
        to: of the new file; compressed if its name ends in .gz.
        column: name of the column of formulas.

    Raises:
        InputError: the source cannot be read, has no such column or wrong rows, which are counted
            and the first of them named; or ``to`` cannot be written. Nothing is written then.
    """
    checked = _check(bundle, source, column)
    if to.exists() and to.samefile(source):
        raise InputError(f"'{to}' is the file to read.", "Give --to another name.")
    try:
        with atomic_write(to) as partial, _writing(partial, packed=to.suffix == ".gz") as file:
            _write(bundle, _rows(source), column, file)
    except OSError as error:
        raise InputError(
            f"'{to}' cannot be written: {error.strerror}.", "Choose another --to."
        ) from error
    return checked


def _write(bundle: Bundle, rows: Iterator[list[str]], column: str, file: TextIO) -> None:
    """Copy rows that were checked, the header first, a piece at a time."""
    writer = csv.writer(file, lineterminator="\n")
    header = next(rows)
    writer.writerow([*header, *ADDED])
    place = [name.strip() for name in header].index(column)
    while piece := list(islice(rows, PIECE)):
        predictions = bundle.predict([fields[place] for fields in piece])
        for fields, value in zip(piece, predictions.tolist(), strict=True):
            writer.writerow([*fields, value, bundle.card.unit])


def _rows(source: Path) -> Iterator[list[str]]:
    """The rows of a file; a generator, so that faults of writing are not taken for its own."""
    with opened(source) as text:
        for _, fields in numbered_rows(source, text):
            yield fields


def _check(bundle: Bundle, source: Path, column: str) -> Predicted:
    """Read the whole file once, so that wrong rows are found before anything is computed."""
    bad: list[str] = []
    unseen: set[str] = set()
    count = 0
    with opened(source) as text:
        rows = numbered_rows(source, text)
        _, header = next(rows, (0, []))
        place = _place(source, header, column)
        for line, fields in rows:
            count += 1
            try:
                unseen |= bundle.unseen([_cell(fields, place, len(header))])
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


def _place(source: Path, header: list[str], column: str) -> int:
    names = [name.strip() for name in header]
    taken = [name for name in ADDED if name in names]
    if taken:
        raise InputError(
            f"{source} has a column '{taken[0]}', which is to be added.", "Rename it there."
        )
    return places(source, names, [column])[column]


def _cell(fields: list[str], place: int, width: int) -> str:
    """The formula in a row.

    Raises:
        InputError: the row is not as wide as the header.
    """
    if len(fields) != width:
        raise InputError(f"{len(fields)} fields where the header has {width}.", "Mend the row.")
    return fields[place]


def _writing(path: Path, packed: bool) -> TextIO:
    if packed:
        return gzip.open(path, "wt", encoding="utf-8", newline="")
    return path.open("w", encoding="utf-8", newline="")
