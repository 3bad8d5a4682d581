"""Where data sets come from: with the package, from a file, or over the network.

Each module of ``datasets/`` declares one source as ``SOURCE``: a `BuiltIn`, a `Reader` of files or
a `Remote`. What a reader or a remote finds are raw rows; ``intake`` makes a data set of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from fesearch.dataset import Dataset
from fesearch.registry import Registry

LISTING = "fesearch data list"


@dataclass(frozen=True)
class Summary:
    """One line of ``data list``; ``targets`` is name -> unit."""

    name: str
    rows: int
    targets: Mapping[str, str]
    hash: str
    source: str


class RawRow(NamedTuple):
    """A row as a source has it.

    Attributes:
        place: where it is, for messages: "line 7", "row 7", "mp-149".
        cells: column -> text, number, JSON value or None.
        fault: why it cannot be read at all (too few fields, no JSON …), or an empty text.
    """

    place: str
    cells: Mapping[str, Any]
    fault: str = ""


class RawTable(NamedTuple):
    """The rows of a source, read as they are asked for.

    Attributes:
        columns: their names, where the source knows them before the first row.
        rows: can be gone through once.
    """

    columns: Sequence[str]
    rows: Iterator[RawRow]


@dataclass(frozen=True)
class Source:
    """Where data sets come from."""

    title: str


@dataclass(frozen=True)
class BuiltIn(Source):
    """A data set that comes with the package; it is called as its module."""

    load: Callable[[], Dataset]
    summary: Summary


@dataclass(frozen=True)
class Reader(Source):
    """A kind of files.

    Attributes:
        suffixes: of their names, such as ".csv"; each may be followed by ".gz".
        open: gives the rows of a file.
    """

    suffixes: tuple[str, ...]
    open: Callable[[Path], AbstractContextManager[RawTable]]


SOURCES: Registry[Source] = Registry("data source", Source, "fesearch.datasets", "SOURCE", LISTING)
