"""The rows that were left out of a data set, in a file of their own with line and reason."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from fesearch.csvrow import write_row
from fesearch.errors import InputError
from fesearch.paths import atomic_write
from fesearch.source import RawRow

FIRST = ("line", "reason")


class Rejects:
    """A CSV file being written: line and reason, then the columns of the source.

    A column of the source that is called like one of ours has an underscore behind its name. Fields
    beyond the last column stand behind it. Where the source names no columns beforehand each row
    stands as JSON in the one column ``row``, or as its line where that is no JSON.
    """

    def __init__(self, file: TextIO, path: Path, columns: Sequence[str]) -> None:
        self._file = file
        self._path = path
        self._columns = list(columns)
        self._write([*FIRST, *(_renamed(self._columns) or ["row"])])

    def add(self, row: RawRow, reason: str) -> None:
        """Write a row.

        Raises:
            InputError: the file cannot be written.
        """
        cells = [_cell(row.cells.get(name)) for name in self._columns]
        if not self._columns and not row.rest:
            cells = [_json(row.cells)]
        self._write([row.place.removeprefix("line "), reason, *cells, *row.rest])

    def _write(self, cells: Sequence[str]) -> None:
        try:
            write_row(self._file, cells)
        except OSError as error:
            raise _unwritable(self._path, error) from error


def _renamed(columns: Sequence[str]) -> list[str]:
    """The columns, those called like ours with underscores until the name is free."""
    taken = {*FIRST, *columns}
    names = list(columns)
    for place, name in enumerate(names):
        if name in FIRST:
            while names[place] in taken:
                names[place] += "_"
    return names


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    """A value as JSON; what is not of JSON's types, or nested without end, as near as it gets."""
    try:
        return json.dumps(value, default=str)
    except (RecursionError, TypeError, ValueError):
        return str(type(value))


@contextmanager
def rejects_file(path: Path | None, columns: Sequence[str]) -> Iterator[Rejects | None]:
    """The file at ``path``, there when the block has ended well, and whole; None for no path.

    Raises:
        InputError: it cannot be written.
    """
    if path is None:
        yield None
        return
    try:
        with (
            atomic_write(path) as partial,
            partial.open("w", encoding="utf-8", newline="", errors="backslashreplace") as file,
        ):
            yield Rejects(file, path, columns)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> InputError:
    message = f"'{path}' cannot be written: {error.strerror}."
    return InputError(message, "Choose another --drop-bad.")
