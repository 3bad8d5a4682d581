"""CSV files, gzip-compressed or not: read row by row, and refused whole if any row is bad."""

import csv
import gzip
import io
import math
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fesearch import formula as formulas
from fesearch.dataset import Dataset, make
from fesearch.errors import InputError, quoted
from fesearch.registry import nearest
from fesearch.source import RawRow, RawTable, Reader

_GZIP = b"\x1f\x8b"
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_SHOWN = 3  # bad rows named in an error


def read(
    path: Path | str,
    name: str,
    *,
    formula: str,
    targets: Sequence[str],
    unit: str | Mapping[str, str],
    id: str | None = None,
    columns: Sequence[str] = (),
    title: str = "",
    source: str = "",
    licence: str = "",
    citation: str = "",
) -> Dataset:
    """The rows of a CSV file with a header, as a data set; nothing is kept on disk.

    Args:
        path: UTF-8 text, with or without byte-order mark, any line ends, gzip or not.
        name: of the data set.
        formula, id: names of columns; without ``id`` rows are called by their reduced formula.
        targets: names of columns with numbers.
        unit: of all targets, or of each by name.
        columns: names of columns kept as text, where a field may be empty.

    Raises:
        InputError: the file cannot be read, lacks a column, or has bad rows; these are counted,
            and the first of them named by line and reason.
    """
    if not targets:
        raise InputError("No target column was given.", "Name one: --target COL")
    units = {target: unit if isinstance(unit, str) else unit.get(target, "") for target in targets}
    wanted = _Wanted(formula, tuple(targets), id, tuple(columns))
    with opened(Path(path)) as text:
        table = _read_table(Path(path), text, wanted)
    return make(
        name,
        table.formulas,
        table.targets,
        units,
        ids=list(table.ids) if id is not None else None,
        reduced=table.reduced,
        columns=table.columns,
        title=title,
        source=source or Path(path).name,
        licence=licence,
        citation=citation,
    )


@contextmanager
def table(path: Path) -> Iterator[RawTable]:
    """The rows of a file as texts.

    Raises:
        InputError: it cannot be read, or is no CSV.
    """
    with opened(path) as text:
        rows = numbered_rows(path, text)
        header = [name.strip() for name in next(rows, (0, []))[1]]
        places(path, header, ())
        yield RawTable(header, (_raw(header, line, fields) for line, fields in rows))


def _raw(header: Sequence[str], line: int, fields: Sequence[str]) -> RawRow:
    cells = {name: field.strip() for name, field in zip(header, fields, strict=False)}
    equal = len(fields) == len(header)
    fault = "" if equal else f"{len(fields)} fields where the header has {len(header)}"
    return RawRow(f"line {line}", cells, fault)


SOURCE = Reader("Tables with a separator", suffixes=(".csv",), open=table)


@dataclass(frozen=True)
class _Wanted:
    """The columns asked for."""

    formula: str
    targets: tuple[str, ...]
    id: str | None
    columns: tuple[str, ...]

    def __iter__(self) -> Iterator[str]:
        yield from (self.formula, *self.targets, *self.columns)
        if self.id is not None:
            yield self.id


@dataclass
class _Table:
    """The good rows read so far, column by column."""

    wanted: _Wanted
    formulas: list[str] = field(default_factory=list)
    reduced: list[str] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)  # id -> line
    targets: dict[str, list[float]] = field(default_factory=dict)
    columns: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.targets = {name: [] for name in self.wanted.targets}
        self.columns = {name: [] for name in self.wanted.columns}

    def add(self, line: int, row: Mapping[str, str]) -> None:
        """Take in a row.

        Raises:
            _BadRowError: it cannot be used; nothing of it was taken in.
        """
        reduced = _reduced(self.wanted.formula, row[self.wanted.formula])
        numbers = {name: _number(name, row[name]) for name in self.targets}
        if self.wanted.id is not None:
            row_id = row[self.wanted.id]
            if not row_id:
                raise _BadRowError(f"{self.wanted.id} is missing")
            if row_id in self.ids:
                raise _BadRowError(
                    f"{self.wanted.id} {quoted(row_id)} is on line {self.ids[row_id]} too"
                )
            self.ids[row_id] = line
        self.formulas.append(row[self.wanted.formula])
        self.reduced.append(reduced)
        for name, number in numbers.items():
            self.targets[name].append(number)
        for name, texts in self.columns.items():
            texts.append(row[name])


class _BadRowError(Exception):
    """Why a row cannot be used."""


def _reduced(name: str, text: str) -> str:
    if not text:
        raise _BadRowError(f"{name} is missing")
    try:
        return formulas.reduced(text)
    except InputError as error:
        raise _BadRowError(error.message.rstrip(".")) from None


def _number(name: str, text: str) -> float:
    if not text:
        raise _BadRowError(f"{name} is missing")
    if _NUMBER.fullmatch(text):
        number = float(text)
        if math.isfinite(number):
            return number
    elif not _NOT_FINITE.fullmatch(text):
        raise _BadRowError(f"{name} {quoted(text)} is not a number")
    raise _BadRowError(f"{name} {quoted(text)} is not finite")


def _read_table(path: Path, text: Iterable[str], wanted: _Wanted) -> _Table:
    """All rows of a file.

    Raises:
        InputError: the header is wrong, there is no row, or a row is bad.
    """
    rows = numbered_rows(path, text)
    header = next(rows, (0, []))[1]
    where = places(path, [field.strip() for field in header], wanted)
    table, bad, count = _Table(wanted), [], 0
    for line, fields in rows:
        count += 1
        try:
            if len(fields) != len(header):
                raise _BadRowError(f"{len(fields)} fields where the header has {len(header)}")
            table.add(line, {name: fields[place].strip() for name, place in where.items()})
        except _BadRowError as reason:
            bad.append(f"line {line}: {reason}")
    if bad:
        more = f"; and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
        raise InputError(
            f"{len(bad)} of {count} rows of {path} cannot be used: "
            f"{'; '.join(bad[:_SHOWN])}{more}.",
            "Nothing was imported. Correct or remove these rows and import again.",
        )
    if not count:
        raise InputError(f"{path} has a header and no rows.", "Give a file with at least one row.")
    return table


def places(path: Path, header: Sequence[str], wanted: Iterable[str]) -> dict[str, int]:
    """Where each column that was asked for stands.

    Raises:
        InputError: the header is empty, names a column twice or lacks one.
    """
    if not any(header):
        raise InputError(f"{path} is empty.", "Give a CSV file whose first line names its columns.")
    twice = [name for name in header if name and header.count(name) > 1]
    if twice:
        raise InputError(
            f"The header of {path} has the column {quoted(twice[0])} twice.",
            "Give each column a name of its own.",
        )
    for name in wanted:
        if not name or name not in header:
            near = nearest(name, filter(None, header))
            raise InputError(
                f"{path} has no column {quoted(name)}.",
                f"{f'Did you mean {quoted(near)}? ' if near else ''}"
                f"Its columns: {quoted(', '.join(header), 200)[1:-1]}",
            )
    return {name: header.index(name) for name in wanted}


def numbered_rows(path: Path, text: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """The line each row begins on and its fields; blank lines are left out.

    Raises:
        InputError: it is not CSV.
    """
    reader = csv.reader(_without_nul(path, text), strict=True)
    line = 1
    try:
        for fields in reader:
            if fields:
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"{path} is not a CSV file: line {line}: {error}.",
            "Save the table as CSV (UTF-8, separated by commas) and give that.",
        ) from error


def _without_nul(path: Path, text: Iterable[str]) -> Iterator[str]:
    for line in text:
        if "\0" in line:
            raise _not_text(path)
        yield line


@contextmanager
def opened(path: Path) -> Iterator[Iterable[str]]:
    """The text of a file, unpacked if it is compressed.

    Raises:
        InputError: it cannot be read, is damaged, or is no text in UTF-8.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(len(_GZIP)) == _GZIP
            raw.seek(0)
            data = gzip.GzipFile(fileobj=raw) if packed else raw
            yield io.TextIOWrapper(data, encoding="utf-8-sig", newline="")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path} is a damaged gzip file: {error}.", "Copy or download it again."
        ) from error
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}.", "Give the path of a CSV file."
        ) from error
    except UnicodeDecodeError as error:
        raise _not_text(path) from error


def _not_text(path: Path) -> InputError:
    return InputError(
        f"{path} is not a text file in UTF-8.",
        "Save the table as CSV (UTF-8, separated by commas) and give that.",
    )
