"""Tables on their way through: read a piece at a time, and written with columns added.

What a row had stays as it was: fields of CSV are copied, the text of a JSON object is copied and
lengthened, columns of Parquet keep their types.
"""

import gzip
import hashlib
import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

from fesearch.csvrow import write_row
from fesearch.datasets import delimited, json_lines, parquet
from fesearch.datasets._text import Kind, opened
from fesearch.errors import InputError, quoted
from fesearch.source import RawRow, no_column, reader, suffix_of

Progress = Callable[[int, int], None]
Added = Mapping[str, Sequence[float | str | None]]
"""Column -> what it has in each row; None for nothing."""


@dataclass(frozen=True)
class Piece:
    """Some rows of a table, one after the other.

    Attributes:
        rows: with the cells that were asked for.
        native: the same as the kind of table has them.
    """

    rows: Sequence[RawRow]
    native: Any


class Table(ABC):
    """A table that is copied with columns added."""

    columns: Sequence[str]
    """Where they are known before the first row; else none."""

    @abstractmethod
    def pieces(self, size: int, needed: Sequence[str]) -> Iterator[Piece]:
        """The rows, so many at a time.

        Args:
            needed: columns whose cells are asked for.

        Raises:
            InputError: what is left of the file cannot be read.
        """

    @abstractmethod
    def write(self, path: Path, piece: Piece, kept: Sequence[int], added: Added) -> None:
        """Write a part of the new table: the rows at ``kept``, with values added to each."""

    @abstractmethod
    def join(self, parts: Sequence[Path], added: Mapping[str, type], to: Path) -> None:
        """Write the whole table from its parts.

        Args:
            added: column -> float or str.
        """


def table(source: Path, to: Path) -> Table:
    """The table in a file, to be written to another.

    Raises:
        InputError: the files are of no kind, or of different kinds; or the first cannot be read or
            names a column twice.
    """
    kind, wanted = reader(source), reader(to)
    if kind is not wanted:
        raise InputError(
            f"{source} ends in {suffix_of(source)} and '{to}' in {suffix_of(to)}: a table is "
            "written as the kind it is read as.",
            f"Give a --to that ends in {' or '.join(kind.suffixes)}.",
        )
    if kind is delimited.SOURCE:
        return _Delimited(source, to)
    if kind is json_lines.SOURCE:
        return _JsonLines(source, to)
    return _Parquet(source)


class _Delimited(Table):
    def __init__(self, source: Path, to: Path) -> None:
        self._source, self._packed = source, to.suffix.lower() == ".gz"
        self._kind = _kind(source)
        self._from, self._to = delimited.SEPARATOR[self._kind], delimited.SEPARATOR[_kind(to)]
        with opened(source, self._kind) as text:
            self._header = next(delimited.numbered_rows(source, text, self._kind), (0, []))[1]
        self.columns = [name.strip() for name in self._header]
        delimited.places(source, self.columns, (), self._kind)

    def pieces(self, size: int, needed: Sequence[str]) -> Iterator[Piece]:
        places = delimited.places(self._source, self.columns, needed, self._kind)
        with opened(self._source, self._kind) as text:
            rows = delimited.numbered_rows(self._source, text, self._kind)
            next(rows)
            while taken := list(islice(rows, size)):
                native = [fields for _, fields in taken]
                yield Piece([self._row(line, fields, places) for line, fields in taken], native)

    def _row(self, line: int, fields: Sequence[str], places: Mapping[str, int]) -> RawRow:
        width = len(self._header)
        if len(fields) != width:
            cut = f", the last {quoted(fields[-1])}" if len(fields) > width else ""
            fault = f"{len(fields)} fields where the header has {width}{cut}"
            return RawRow(f"line {line}", {}, fault)
        cells = {name: fields[place] for name, place in places.items()}
        return RawRow(f"line {line}", cells, delimited.nul_in(self.columns, fields))

    def write(self, path: Path, piece: Piece, kept: Sequence[int], added: Added) -> None:
        width = len(self._header)
        with _writing(path, self._packed) as file:
            for row, values in zip(kept, zip(*added.values(), strict=True), strict=True):
                fields = piece.native[row]
                if len(fields) > width:  # a separator too many: the last cell keeps what is left
                    fields = [*fields[: width - 1], self._from.join(fields[width - 1 :])]
                padding = [""] * (width - len(fields))
                write_row(file, [*fields, *padding, *values], self._to)

    def join(self, parts: Sequence[Path], added: Mapping[str, type], to: Path) -> None:
        with _writing(to, self._packed) as file:
            write_row(file, [*self._header, *added], self._to)
        _append(parts, to)


class _JsonLines(Table):
    columns = ()

    def __init__(self, source: Path, to: Path) -> None:
        self._source, self._packed = source, to.suffix.lower() == ".gz"

    def pieces(self, size: int, needed: Sequence[str]) -> Iterator[Piece]:
        with opened(self._source, json_lines.JSON_LINES) as text:
            lines = ((place, line) for place, line in enumerate(text, 1) if line.strip())
            while taken := list(islice(lines, size)):
                rows = [json_lines.row(f"line {place}", line) for place, line in taken]
                yield Piece(rows, [line.strip() for _, line in taken])

    def write(self, path: Path, piece: Piece, kept: Sequence[int], added: Added) -> None:
        with _writing(path, self._packed) as file:
            for row, values in zip(kept, zip(*added.values(), strict=True), strict=True):
                found = piece.rows[row]
                text = piece.native[row]
                if found.fault:  # what is no object is kept as a text in one
                    text = json.dumps({"line": text}, ensure_ascii=False)
                taken = [name for name in added if name in found.cells]
                if taken:
                    raise has_added(f"{self._source}, {found.place}", taken[0])
                more = dict(zip(added, values, strict=True))
                rest = json.dumps(more, ensure_ascii=False, allow_nan=False)[1:]
                begun = text[:-1].rstrip()
                file.write(f"{begun}{'' if begun == '{' else ', '}{rest}\n")

    def join(self, parts: Sequence[Path], added: Mapping[str, type], to: Path) -> None:
        to.write_bytes(b"")
        _append(parts, to)


class _Parquet(Table):
    def __init__(self, source: Path) -> None:
        self._source = source
        with parquet.table(source) as found:
            self.columns = list(found.columns)

    def pieces(self, size: int, needed: Sequence[str]) -> Iterator[Piece]:
        count = 0
        for name in needed:
            if name not in self.columns:
                raise no_column(str(self._source), name, self.columns)
        for batch in parquet.batches(self._source, size):
            values = [parquet.values(self._source, one, batch.column(one)) for one in needed]
            rows = [
                RawRow(f"row {place}", dict(zip(needed, cells, strict=True)))
                for place, cells in enumerate(zip(*values, strict=True), count + 1)
            ]
            count += len(rows)
            yield Piece(rows, batch)

    def write(self, path: Path, piece: Piece, kept: Sequence[int], added: Added) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        found = pa.Table.from_batches([piece.native])
        if len(kept) < len(piece.rows):
            found = found.take(pa.array(kept, pa.int64()))
        for name, values in added.items():
            text = any(isinstance(value, str) for value in values) or name in _TEXTS
            found = found.append_column(
                name, pa.array(values, pa.string() if text else pa.float64())
            )
        pq.write_table(found, path)

    def join(self, parts: Sequence[Path], added: Mapping[str, type], to: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pq.read_schema(self._source)
        for name, kind in added.items():
            schema = schema.append(pa.field(name, pa.string() if kind is str else pa.float64()))
        with pq.ParquetWriter(to, schema) as writer:
            for part in parts:
                writer.write_table(pq.read_table(part).cast(schema))


def survey(source: Path) -> tuple[str, int]:
    """SHA-256 hex of what is in a file, and about how many rows it has.

    Raises:
        InputError: it cannot be read, or is damaged.
    """
    if reader(source) is parquet.SOURCE:
        import pyarrow.parquet as pq

        with source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), pq.read_metadata(
                source
            ).num_rows
    digest, lines = hashlib.sha256(), 0
    with opened(source, _kind(source)) as text:
        for line in text:
            digest.update(line.encode())
            lines += 1
    header = reader(source) is delimited.SOURCE
    return digest.hexdigest(), lines - header


_TEXTS = ("unit", "error")


def has_added(where: str, name: str) -> InputError:
    """The error for a table that has a column of the name of one that is to be added."""
    return InputError(f"{where} has a column '{name}', which is to be added.", "Rename it there.")


def _kind(path: Path) -> Kind:
    return delimited.TSV if suffix_of(path) in delimited.TSV_SUFFIXES else delimited.CSV


def _writing(path: Path, packed: bool) -> IO[str]:
    if packed:
        return gzip.open(path, "wt", encoding="utf-8", newline="")
    return path.open("w", encoding="utf-8", newline="")


def _append(parts: Sequence[Path], to: Path) -> None:
    """Put files at the end of another: texts, or members of a gzip file."""
    with to.open("ab") as whole:
        for part in parts:
            with part.open("rb") as file:
                shutil.copyfileobj(file, whole)
