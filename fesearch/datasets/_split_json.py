"""Tables as matminer keeps them: one JSON object with ``index``, ``columns`` and ``data``.

Rows are decoded one by one as they are asked for, and stay plain JSON: the classes that such files
name are not made.
"""

import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from fesearch.errors import InputError
from fesearch.source import RawRow, RawTable

_PIECE = 1 << 20  # characters read at a time
_BLANK = " \t\r\n"


@contextmanager
def table(path: Path) -> Iterator[RawTable]:
    """The rows of a gzip file; NaN and infinite numbers, which stand for nothing, are None.

    Raises:
        InputError: it is no such table.
    """
    with gzip.open(path, "rt", encoding="utf-8") as file:
        with _faults_of(path):
            columns, values = _opened(_Scanner(file))
        yield RawTable(columns, _rows(path, columns, values))


@contextmanager
def _faults_of(path: Path) -> Iterator[None]:
    """Say of a damaged file that it is one."""
    try:
        yield
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{path} is no table of matminer: {reason}.", f"Type: rm {path}, and fetch it again."
        ) from error


class _Scanner:
    """JSON values from a file that is too large to hold."""

    def __init__(self, file: IO[str]) -> None:
        self._file, self._text, self._place = file, "", 0
        self._decoder = json.JSONDecoder(parse_constant=lambda word: None)

    def mark(self, *marks: str) -> str:
        """Go beyond the next character, which must be one of ``marks``."""
        found = self.ahead()
        if found not in marks:
            raise ValueError(f"{found or 'its end'} where one of {' '.join(marks)} belongs")
        self._place += 1
        return found

    def value(self) -> Any:
        """Go beyond the next object, array or text."""
        self.ahead()
        while True:
            try:
                found, self._place = self._decoder.raw_decode(self._text, self._place)
            except json.JSONDecodeError:
                if not self._more():
                    raise
            else:
                return found

    def ahead(self) -> str:
        """The next character that is not blank, or "" at the end."""
        while True:
            while self._place < len(self._text):
                if self._text[self._place] not in _BLANK:
                    return self._text[self._place]
                self._place += 1
            if not self._more():
                return ""

    def _more(self) -> bool:
        """Read on, by as much as is held: a long value is not begun again for each piece."""
        held = self._text[self._place :]
        piece = self._file.read(max(_PIECE, len(held)))
        self._text, self._place = held + piece, 0
        return bool(piece)


def _opened(scanner: _Scanner) -> tuple[list[str], Iterator[Sequence[Any]]]:
    """The columns, and the values of the rows to come."""
    scanner.mark("{")
    columns: list[str] | None = None
    while True:
        key = scanner.value()
        scanner.mark(":")
        if key == "data":
            if columns is None:
                raise ValueError("its columns are not named before its data")
            return columns, _array(scanner)
        found = scanner.value()
        if key == "columns" and isinstance(found, list):
            columns = [str(name) for name in found]
        scanner.mark(",")


def _array(scanner: _Scanner) -> Iterator[Any]:
    """The members of an array, one by one."""
    scanner.mark("[")
    if scanner.ahead() == "]":
        return
    yield scanner.value()
    while scanner.mark(",", "]") == ",":
        yield scanner.value()


def _rows(path: Path, columns: Sequence[str], values: Iterator[Any]) -> Iterator[RawRow]:
    with _faults_of(path):
        for number, cells in enumerate(values, 1):
            if not isinstance(cells, list) or len(cells) != len(columns):
                raise ValueError(f"row {number} has not the {len(columns)} fields of its columns")
            yield RawRow(f"row {number}", dict(zip(columns, cells, strict=True)))
