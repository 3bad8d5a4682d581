"""Where data sets come from: with the package, from a file, or over the network.

Each module of ``datasets/`` declares one source as ``SOURCE``: a `BuiltIn`, a `Reader` of files or
a `Remote`. What a reader or a remote finds are raw rows; ``intake`` makes a data set of them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from fesearch.dataset import Dataset
from fesearch.errors import InputError, quoted
from fesearch.registry import Registry, nearest

LISTING = "fesearch data list"


@dataclass(frozen=True)
class Summary:
    """One line of ``data list``.

    Attributes:
        targets: name -> unit.
        structures: whether any row has one.
    """

    name: str
    rows: int
    targets: Mapping[str, str]
    hash: str
    source: str
    structures: bool = False


class RawRow(NamedTuple):
    """A row as a source has it.

    Attributes:
        place: where it is, for messages: "line 7", "row 7", "mp-149".
        cells: column -> text, number, JSON value or None.
        fault: why it cannot be read at all (too few fields, no JSON …), or an empty text.
        rest: of such a row what is in no cell: fields beyond the last column, or the whole line.
    """

    place: str
    cells: Mapping[str, Any]
    fault: str = ""
    rest: Sequence[str] = ()


class RawTable(NamedTuple):
    """The rows of a source, read as they are asked for.

    Attributes:
        columns: their names, where the source knows them before the first row.
        rows: can be gone through once.
        only: gives instead the rows with some of the columns, where a source can read less.
    """

    columns: Sequence[str]
    rows: Iterator[RawRow]
    only: Callable[[Sequence[str]], Iterator[RawRow]] | None = None


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


#: Called with (done, in all) while something is fetched.
Report: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True)
class Offer:
    """A data set that a remote source has.

    Attributes:
        targets: name -> unit; the first is taken where none is chosen.
        structure: column, or None; it is kept when asked for.
        formula, id: columns; without ``id`` rows are called by their reduced formula.
    """

    targets: Mapping[str, str]
    structure: str | None = None
    formula: str = "formula"
    id: str | None = None


@dataclass(frozen=True)
class Query:
    """What is asked of a remote source.

    Attributes:
        name: of one of its offers.
        targets: names; none stands for the first of the offer.
        structures: keep the crystal structures.
        elements: only compounds that contain all of these.
        filter: a condition in the source's own language.
        duplicates: also rows that the source holds to be others once more.
    """

    name: str
    targets: tuple[str, ...] = ()
    structures: bool = False
    elements: tuple[str, ...] = ()
    filter: str = ""
    duplicates: bool = False


class Delivery(NamedTuple):
    """What a remote source gives: rows, and what a data set says about them."""

    table: RawTable
    title: str
    source: str
    licence: str
    citation: str


@dataclass(frozen=True)
class Remote(Source):
    """Data sets on a server.

    Attributes:
        offers: name -> data set.
        choices: which of elements, filter and duplicates it understands.
        unit: what its reports count.
        open: gives the rows of a query whose targets are chosen. A block that ends well has kept
            them, and what was stored on the way is then removed.
    """

    offers: Mapping[str, Offer]
    choices: frozenset[str]
    unit: str
    open: Callable[[Query, Report], AbstractContextManager[Delivery]]


def no_column(origin: str, name: str, columns: Iterable[str]) -> InputError:
    """The error for a column that a table called ``origin`` does not have."""
    known = [column for column in columns if column]
    near = nearest(name, known)
    return InputError(
        f"{origin} has no column {quoted(name)}.",
        f"{f'Did you mean {quoted(near)}? ' if near else ''}"
        f"Its columns: {quoted(', '.join(known), 200)[1:-1]}",
    )


SOURCES: Registry[Source] = Registry("data source", Source, "fesearch.datasets", "SOURCE", LISTING)


def suffix_of(path: Path) -> str:
    """The last suffix of a file's name that is not .gz, in lower case; "" where there is none."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    return suffixes[-1] if suffixes else ""


def reader(path: Path) -> Reader:
    """What reads a file, by the end of its name.

    Raises:
        InputError: nothing does; the hint lists what can be read.
    """
    readers = [source for source in SOURCES if isinstance(source, Reader)]
    suffix = suffix_of(path)
    for found in readers:
        if suffix in found.suffixes:
            return found
    known = " ".join(suffix for found in readers for suffix in found.suffixes)
    raise InputError(
        f"{path} ends in none of the suffixes of data files.",
        f"Rename or convert it; these are read, followed by .gz or not: {known}",
    )
