"""Predictions for a table of any length: it is read and written a piece at a time.

The new table has every column, row and order of the old one. Its parts stay beside it until it is
whole, so that who types the same again after a kill goes on behind the last of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from fesearch import __version__, cells, formula, structure, tabular
from fesearch.bundle import Answer, Bundle
from fesearch.errors import InputError, counted, quoted
from fesearch.featureset import Inputs
from fesearch.partial import Partial, partial
from fesearch.paths import atomic_write
from fesearch.sealed import Met, meet_or_warn, met_in
from fesearch.source import RawRow, no_column
from fesearch.structure import Structures
from fesearch.tabular import Added, Piece, Progress, Table

OnBad = Literal["error", "keep", "drop"]

PIECE = 16_384
"""Rows in memory at a time, whose features take 10 MB; twice what a network predicts at once, so
that no chunk of those is cut in two and numbers are those of a single call."""
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
        rows: number of predictions.
        bad: number of rows that cannot be predicted, kept without a prediction or left out.
        first: the first of these, with their reasons.
        unseen: elements no training row of the model contains, in alphabetical order.
        resumed: rows that were there from an earlier call.
        sealed: those whose formula is that of a row of the test part.
    """

    rows: int
    unseen: tuple[str, ...]
    bad: int = 0
    first: tuple[str, ...] = ()
    resumed: int = 0
    sealed: Met = field(default_factory=Met)


def predict_file(
    bundle: Bundle,
    source: Path,
    to: Path,
    columns: Columns = Columns(),
    *,
    on_bad: OnBad = "error",
    level: float | None = None,
    progress: Progress | None = None,
    meet: Callable[[Met], None] | None = None,
) -> Predicted:
    """Copy a table with a prediction and its unit added to each row.

    An ensemble adds the ``spread`` between its members, a ``level`` the ends ``lower`` and
    ``upper`` of prediction intervals, and ``on_bad="keep"`` a column ``error``.

    Args:
        source: CSV, TSV, JSON lines or Parquet, text gzip or not. It has the columns named, and
            those of the user's own numbers that the model reads, under their names in training.
        to: of the new file, of the same kind; compressed if its name ends in .gz.
        on_bad: what becomes of rows that cannot be predicted: "error" writes nothing, "keep" gives
            the reason in place of a prediction, "drop" leaves them out.
        level: share of compounds that prediction intervals are to cover.
        progress: called with (rows done, in all).
        meet: called with ``Predicted.sealed``, where that is any, before the new file is there;
            such as ``lambda met: print(fesearch.glance.recorded(bundle.card, met, url))``, which
            puts it on record. Without it there is a warning.

    Raises:
        InputError: the source cannot be read, lacks a column or has wrong rows, which are counted
            and the first of them named; a column of structures is named in vain, or none is; or
            ``to`` cannot be written. Nothing is written then.
    """
    _check_structure(bundle, columns.structure)
    if level is not None:
        bundle.half_width(level, np.zeros(1))
    table = tabular.table(source, to)
    if to.exists() and (to.samefile(source) or not to.is_file()):
        what = "the file to read" if to.samefile(source) else "no file"
        raise InputError(f"'{to}' is {what}.", "Give --to another name.")
    work = _Work(bundle, source, columns, on_bad, level)
    work.check_columns(table)
    digest, rows = tabular.survey(source)
    try:
        with partial(to, work.job(digest, to)) as parts:
            done = work.predict(table, parts, rows, progress)
            meet_or_warn(done.sealed, bundle.card.split.fingerprint, meet)
            with atomic_write(to) as whole:
                table.join(parts.parts, work.added, whole)
    except OSError as error:
        raise InputError(
            f"'{to}' cannot be written: {error.strerror}.", "Choose another --to."
        ) from error
    return done


def _check_structure(bundle: Bundle, column: str | None) -> None:
    if column is not None and not bundle.card.reads_structures:
        raise InputError(
            f"The model reads no structures, and so not the column {quoted(column)}.",
            "Leave --structure out.",
        )
    bundle.refuse_without(structures=column is not None, numbers=bundle.card.columns)


class _Compound(NamedTuple):
    """What a model reads of a row: the reduced formula, the structure's text, own numbers."""

    formula: str
    structure: str
    numbers: tuple[float, ...]


@dataclass
class _Checked:
    """The rows of a piece: those that can be predicted, and why others cannot."""

    good: list[int] = field(default_factory=list)
    compounds: list[_Compound] = field(default_factory=list)
    bad: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Work:
    """What is to be done to each piece of a table."""

    bundle: Bundle
    source: Path
    columns: Columns
    on_bad: OnBad
    level: float | None

    @property
    def needed(self) -> list[str]:
        """The columns that are read."""
        names = (self.columns.formula, self.columns.structure, *self.bundle.card.columns)
        return list(dict.fromkeys(name for name in names if name is not None))

    @property
    def added(self) -> Mapping[str, type]:
        """The columns that are written, and what is in them."""
        ensemble = len(self.bundle.card.members) > 1
        return {
            "prediction": float,
            **({"spread": float} if ensemble else {}),
            **({"lower": float, "upper": float} if self.level is not None else {}),
            "unit": str,
            **({"error": str} if self.on_bad == "keep" else {}),
        }

    def check_columns(self, table: Table) -> None:
        """Refuse a table that lacks what is read, or has what is to be written."""
        if not table.columns:
            return  # known row by row
        for name in self.needed:
            if name not in table.columns:
                raise no_column(str(self.source), name, table.columns)
        for name in self.added:
            if name in table.columns:
                raise tabular.has_added(str(self.source), name)

    def job(self, digest: str, to: Path) -> dict[str, Any]:
        """All that the new file depends on."""
        return {
            "source": digest,
            "model": self.bundle.digest,
            "columns": [self.columns.formula, self.columns.structure],
            "on_bad": self.on_bad,
            "level": self.level,
            "to": to.name,
            "piece": PIECE,
            "fesearch": __version__,
        }

    def predict(
        self, table: Table, parts: Partial, rows: int, progress: Progress | None
    ) -> Predicted:
        """Write what parts are missing.

        Raises:
            InputError: a row cannot be predicted, and that is an error.
        """
        tell = progress or (lambda done, total: None)
        told = len(parts.records)
        resumed = sum(record["rows"] for record in parts.records)
        failed = _Tally()
        seen = 0
        for number, piece in enumerate(table.pieces(PIECE, self.needed)):
            seen += len(piece.rows)
            if number < told:
                continue
            checked = self._checked(piece.rows)
            if not failed.bad:  # else the rest is but looked through
                record = self._write(table, parts.next, piece, checked)
            if self.on_bad == "error" and checked.bad:
                failed.add(piece.rows, checked.bad)
            if not failed.bad:
                parts.finish(record)
            if seen < rows:
                tell(seen, rows)
        if failed.bad:
            raise failed.error(seen, self.source)
        tell(seen, seen)
        return _total(parts.records, resumed)

    def _checked(self, rows: Sequence[RawRow]) -> _Checked:
        found = _Checked()
        for place, row in enumerate(rows):
            try:
                compound = self._compound(row)
            except cells.BadRowError as reason:
                found.bad[place] = str(reason)
            except InputError as error:
                found.bad[place] = error.message.rstrip(".")
            else:
                found.good.append(place)
                found.compounds.append(compound)
        return found

    def _compound(self, row: RawRow) -> _Compound:
        """What is in a row.

        Raises:
            BadRowError, InputError: it cannot be used.
        """
        if row.fault:
            raise cells.BadRowError(row.fault)
        name = self.columns.formula
        text = cells.text(name, cells.cell(row.cells, name))
        crystal = self._structure(row)
        if text == "NaN" and not crystal:  # what pandas and others write in an empty cell
            raise cells.BadRowError("'NaN' is nothing or a compound: write the compound as Na1N1")
        found = _Compound(cells.reduced(name, text), crystal, self._numbers(row))
        if found.structure:
            inside = structure.formula_of(found.structure)
            if formula.reduced(inside) != found.formula:
                raise cells.BadRowError(f"{quoted(text)} has a structure of {quoted(inside)}")
        return found

    def _structure(self, row: RawRow) -> str:
        if self.columns.structure is None:
            return ""
        cell = cells.cell(row.cells, self.columns.structure)
        if not cell:
            raise cells.BadRowError("no structure")
        return structure.from_cell(cell, self.source.parent)

    def _numbers(self, row: RawRow) -> tuple[float, ...]:
        names = self.bundle.card.columns
        return tuple(cells.number_or_nan(name, cells.cell(row.cells, name)) for name in names)

    def _write(self, table: Table, to: Path, piece: Piece, checked: _Checked) -> Mapping[str, Any]:
        """Predict and write a piece; what there is to say of it.

        Rows whose features turn out to be lacking are bad, too, and then marked so.
        """
        answer = self._answer(checked.compounds)
        for place, reason in answer.lacking.items():
            checked.bad[checked.good[place]] = reason
        kept = [row for row in range(len(piece.rows)) if row not in checked.bad]
        if self.on_bad == "keep":
            kept = list(range(len(piece.rows)))
        table.write(to, piece, kept, self._values(answer, checked, kept))
        bad = sorted(checked.bad)
        predicted = [
            compound.formula
            for place, compound in enumerate(checked.compounds)
            if place not in answer.lacking
        ]
        symbols = {symbol for text in predicted for symbol in formula.symbols(text)}
        met = met_in(self.bundle.sealed, predicted)
        return {
            "rows": len(piece.rows),
            "bad": len(bad),
            "first": [f"{piece.rows[row].place}: {checked.bad[row]}" for row in bad[:_SHOWN]],
            "unseen": sorted(symbols - self.bundle.card.elements.keys()),
            "sealed": [met.rows, f"{met.asked:x}"],
        }

    def _answer(self, compounds: Sequence[_Compound]) -> Answer:
        numbers = {
            name: np.array([compound.numbers[place] for compound in compounds])
            for place, name in enumerate(self.bundle.card.columns)
        }
        texts = (compound.structure for compound in compounds)
        structures = None if self.columns.structure is None else Structures.of(texts)
        inputs = Inputs([compound.formula for compound in compounds], structures, numbers)
        return self.bundle.answer_inputs(inputs)

    def _values(self, answer: Answer, checked: _Checked, kept: Sequence[int]) -> Added:
        """The new columns of the rows that are kept."""
        given = dict(columns(self.bundle, answer, self.level))
        place = {row: at for at, row in enumerate(checked.good) if row not in checked.bad}
        added: dict[str, list[float | str | None]] = {
            name: [values[place[row]] if row in place else None for row in kept]
            for name, values in given.items()
        }
        added["unit"] = [self.bundle.card.unit if row in place else None for row in kept]
        if self.on_bad == "keep":
            added["error"] = [checked.bad.get(row) for row in kept]
        return added


def columns(
    bundle: Bundle, answer: Answer, level: float | None = None
) -> Iterator[tuple[str, list[float]]]:
    """The columns of numbers in an answer: prediction, spread, lower and upper.

    Raises:
        InputError: there can be no intervals of this level.
    """
    yield "prediction", answer.value.tolist()
    if answer.spread is not None:
        yield "spread", answer.spread.tolist()
    if level is not None:
        half = bundle.half_width(level, answer.spread)
        yield "lower", (answer.value - half).tolist()
        yield "upper", (answer.value + half).tolist()


@dataclass
class _Tally:
    """Wrong rows, where they are an error."""

    bad: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, rows: Sequence[RawRow], bad: Mapping[int, str]) -> None:
        self.bad += len(bad)
        for row in sorted(bad)[: _SHOWN - len(self.first)]:
            self.first.append(f"{rows[row].place}: {bad[row]}")

    def error(self, count: int, source: Path) -> InputError:
        more = f"; and {self.bad - _SHOWN} more" if self.bad > _SHOWN else ""
        return InputError(
            f"{self.bad} of {counted(count, 'row')} of {source} cannot be predicted: "
            f"{'; '.join(self.first)}{more}.",
            "Nothing was written. Correct these rows, or give --on-bad keep or --on-bad drop.",
        )


def _total(records: Sequence[Mapping[str, Any]], resumed: int) -> Predicted:
    bad = sum(record["bad"] for record in records)
    first = [line for record in records for line in record["first"]]
    unseen = {symbol for record in records for symbol in record["unseen"]}
    sealed = Met()
    for count, asked in (record["sealed"] for record in records):
        sealed |= Met(count, int(asked, 16))
    return Predicted(
        rows=sum(record["rows"] for record in records) - bad,
        unseen=tuple(sorted(unseen)),
        bad=bad,
        first=tuple(first[:_SHOWN]),
        resumed=resumed,
        sealed=sealed,
    )
