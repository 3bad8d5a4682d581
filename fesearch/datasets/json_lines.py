"""JSON lines, gzip-compressed or not: an object a row. What is no JSON is a fault of its row."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from fesearch.datasets import _text
from fesearch.datasets._text import Kind
from fesearch.errors import InputError, quoted
from fesearch.source import RawRow, RawTable, Reader

JSON_LINES = Kind("JSON lines", "Give UTF-8 text with a JSON object a line.")


class _FaultError(ValueError):
    """Why a line is no row."""


@contextmanager
def table(path: Path) -> Iterator[RawTable]:
    """The rows of a file, keys as columns; blank lines are left out.

    Raises:
        InputError: it cannot be read, is empty or no text.
    """
    with _text.opened(path, JSON_LINES) as lines:
        yield RawTable((), _rows(path, lines))


def _rows(path: Path, lines: Iterator[str]) -> Iterator[RawRow]:
    empty = True
    for place, line in enumerate(lines, 1):
        if line.strip():
            empty = False
            yield row(f"line {place}", line)
    if empty:
        raise InputError(f"{path} is empty.", JSON_LINES.hint)


def row(place: str, line: str) -> RawRow:
    """The row in a line; what is no JSON object is its fault."""
    try:
        return RawRow(place, _object(line))
    except _FaultError as fault:
        return RawRow(place, {}, str(fault), (line.rstrip("\r\n"),))


def _object(line: str) -> dict[str, Any]:
    """The object in a line."""
    try:
        found = json.loads(line, object_pairs_hook=_distinct, parse_constant=_no_constant)
        if "\\u" in line:
            json.dumps(found, ensure_ascii=False).encode()
    except _FaultError:
        raise
    except UnicodeEncodeError:
        raise _FaultError("it has half of a character that takes two escapes") from None
    except RecursionError:
        raise _FaultError("it is nested too deeply") from None
    except ValueError as error:
        raise _FaultError(f"it is not JSON: {str(error).splitlines()[0]}") from None
    if not isinstance(found, dict):
        raise _FaultError("it is not a JSON object")
    return found


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys differ."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in found if keys.count(key) > 1)
        raise _FaultError(f"it has the key {quoted(repeated)} twice")
    return found


def _no_constant(word: str) -> NoReturn:
    raise _FaultError(f"{word} is no number of JSON")


SOURCE = Reader("JSON lines", suffixes=(".jsonl", ".ndjson"), open=table)
