"""CSV and TSV files, gzip-compressed or not, read row by row."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from fesearch.datasets import _text
from fesearch.datasets._text import Kind
from fesearch.errors import InputError, quoted
from fesearch.source import RawRow, RawTable, Reader, no_column, suffix_of

CSV = Kind("CSV", "Save the table as CSV (UTF-8, separated by commas) and give that.")
TSV = Kind("TSV", "Save the table as TSV (UTF-8, separated by tabs) and give that.")
SEPARATOR = {CSV: ",", TSV: "\t"}
TSV_SUFFIXES = (".tsv", ".tab")


@contextmanager
def table(path: Path) -> Iterator[RawTable]:
    """The rows of a file as texts: UTF-8 with or without byte-order mark, any line ends.

    Raises:
        InputError: it cannot be read, or is no CSV or TSV.
    """
    kind = TSV if suffix_of(path) in TSV_SUFFIXES else CSV
    with _text.opened(path, kind) as text:
        rows = numbered_rows(path, text, kind)
        header = [name.strip() for name in next(rows, (0, []))[1]]
        places(path, header, (), kind)
        yield RawTable(header, (_raw(header, line, fields) for line, fields in rows))


def _raw(header: Sequence[str], line: int, fields: Sequence[str]) -> RawRow:
    cells = {name: field.strip() for name, field in zip(header, fields, strict=False)}
    equal = len(fields) == len(header)
    fault = f"{len(fields)} fields where the header has {len(header)}"
    if equal:
        fault = nul_in(header, fields)
    return RawRow(f"line {line}", cells, fault, fields[len(header) :])


def nul_in(header: Sequence[str], fields: Sequence[str]) -> str:
    """What is wrong with a row that has a NUL, which no text has; empty of any other."""
    if "\0" not in "".join(fields):
        return ""
    name = next(name for name, field in zip(header, fields, strict=True) if "\0" in field)
    return f"there is a NUL character in its {quoted(name)}"


SOURCE = Reader("Tables separated by commas or tabs", (".csv", *TSV_SUFFIXES), table)


def places(
    path: Path, header: Sequence[str], wanted: Iterable[str], kind: Kind = CSV
) -> dict[str, int]:
    """Where each column that was asked for stands.

    Raises:
        InputError: the header is empty, names a column twice or lacks one.
    """
    if not any(header):
        message = f"Give a {kind.name} file whose first line names its columns."
        raise InputError(f"{path} is empty.", message)
    twice = [name for name in header if name and header.count(name) > 1]
    if twice:
        raise InputError(
            f"The header of {path} has the column {quoted(twice[0])} twice.",
            "Give each column a name of its own.",
        )
    for name in wanted:
        if not name or name not in header:
            raise no_column(str(path), name, header)
    return {name: header.index(name) for name in wanted}


def numbered_rows(
    path: Path, text: Iterable[str], kind: Kind = CSV
) -> Iterator[tuple[int, list[str]]]:
    """The line each row begins on and its fields; blank lines are left out.

    Raises:
        InputError: it is not CSV or TSV.
    """
    reader = csv.reader(text, strict=True, delimiter=SEPARATOR[kind])
    line = 1
    try:
        for fields in reader:
            if fields:
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        message = f"{path} is not a {kind.name} file: line {line}: {error}."
        raise InputError(message, kind.hint) from error


def opened(path: Path) -> AbstractContextManager[Iterator[str]]:
    """The lines of a CSV file, unpacked if it is compressed.

    Raises:
        InputError: it cannot be read, is damaged, or is no text in UTF-8.
    """
    return _text.opened(path, CSV)
