"""Values that others have published, beside a ranking: not run here, in no test and in no tie.

They come from a small table, one of ``publications/`` or the user's own, with the columns ``name``
and ``test_mae`` (in the unit of the target) and, if wanted, ``division`` and ``source``.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from fesearch.cells import BadRowError, number
from fesearch.datasets import delimited
from fesearch.errors import InputError
from fesearch.metrics import target_unit
from fesearch.ranking.contender import Spread
from fesearch.ranking.repeats import RepeatedTable
from fesearch.ranking.single import Table
from fesearch.registry import unknown
from fesearch.source import RawRow, no_column
from fesearch.splits.column import ColumnSplit
from fesearch.splitspec import SplitSpec

NOTE = "published, not run here"
_NEEDED = ("name", "test_mae")


@dataclass(frozen=True)
class Value:
    """A published test MAE.

    Attributes:
        division: as ``--split`` takes it; empty of a value that belongs beside any ranking.
        source: where it was published, in words.
    """

    name: str
    test_mae: float
    division: str = ""
    source: str = ""


@dataclass(frozen=True)
class Publication:
    """A table of published values.

    Attributes:
        given: what it was asked for by.
    """

    given: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Line:
    """A published model beside one ranking.

    Attributes:
        test: MAE, over as many divisions as it was published on.
    """

    name: str
    source: str
    test: Spread


def shipped() -> dict[str, Path]:
    """The tables that come with fesearch, by name."""
    folder = Path(str(resources.files("fesearch"))) / "publications"
    return {path.stem: path for path in sorted(folder.glob("*.csv"))}


def read(given: str) -> Publication:
    """A table that comes with fesearch, by its name, or the CSV or TSV file of that path.

    Raises:
        InputError: there is none, it lacks a column, or a row of it is wrong.
    """
    path = shipped().get(given, Path(given))
    if path.suffix == "" and not path.exists():
        raise unknown("table of published values", given, shipped(), "--beside NAME, or FILE.csv")
    with delimited.table(path) as table:
        for name in _NEEDED:
            if name not in table.columns:
                raise no_column(str(path), name, table.columns)
        values = tuple(_value(path, row) for row in table.rows)
    seen = set()
    for one in values:
        if (one.name, one.division) in seen:
            where = f" on {one.division}" if one.division else ""
            raise InputError(f"{path} has '{one.name}'{where} twice.", "Leave one of them out.")
        seen.add((one.name, one.division))
    return Publication(given, values)


def beside(publication: Publication | None, table: Table | RepeatedTable) -> list[Line]:
    """What of it belongs beside a ranking, the best first.

    That is what was published on its division, or over the members of its repeated one, and what
    names no division.
    """
    if publication is None:
        return []
    here = {"", *_divisions(table.division.spec)}
    found: dict[tuple[str, str], list[float]] = {}
    for one in publication.values:
        if one.division in here:
            found.setdefault((one.name, one.source), []).append(one.test_mae)
    lines = (
        Line(name, source, spread)
        for (name, source), values in found.items()
        if (spread := Spread.of(values)) is not None
    )
    return sorted(lines, key=lambda line: line.test.mean)


def rows_of(table: Table | RepeatedTable, lines: Iterable[Line]) -> list[dict[str, Any]]:
    """All there is to say about them; the keys promised of every line of a ranking among it."""
    repeated = isinstance(table, RepeatedTable)
    key = table.key
    return [
        {
            "position": None,
            "study": None,
            "trial": None,
            "family": line.name,
            "data": table.data,
            "split": key.split,
            f"val_{key.metric}": None,
            "test_mae": line.test.mean,
            "test_mae_sd": line.test.sd,
            "divisions": line.test.count if repeated else None,
            "seconds": None,
            "value_unit": mae_unit(table),
            "source": line.source or None,
            "note": NOTE,
            "data_hash": key.data,
            "target": key.target,
            "metric": key.metric,
            "repeated": repeated,
        }
        for line in lines
    ]


def mae_unit(table: Table | RepeatedTable) -> str:
    """The unit of a MAE beside a ranking; empty where that is by a metric which does not tell."""
    return target_unit(table.key.metric, table.unit)


def _value(path: Path, row: RawRow) -> Value:
    """What a row says."""
    text = {name: str(cell or "") for name, cell in row.cells.items()}
    try:
        if row.fault or not text["name"]:
            raise BadRowError(row.fault or "name is missing")
        mae = number("test_mae", text["test_mae"] or None)
        if mae < 0:
            raise BadRowError(f"test_mae {mae:g} is below 0")
    except BadRowError as reason:
        raise InputError(f"{path}, {row.place}: {reason}.", "Correct this row.") from reason
    division = text.get("division", "")
    if division:
        division = _alone(SplitSpec.parse(division))
    return Value(text["name"], mae, division, text.get("source", ""))


def _divisions(spec: str) -> list[str]:
    """The single divisions that a recorded one is or is made of; none of a kind not known here."""
    with suppress(InputError):
        found = SplitSpec.parse(spec)
        if found.count is None or found.member is not None:
            return [_alone(found)]
        return [_alone(replace(found, member=member)) for member in range(found.count)]
    return []


def _alone(spec: SplitSpec) -> str:
    """A division in words; a column that is one of several is that column."""
    if isinstance(spec, ColumnSplit) and isinstance(spec.member, int):
        spec = replace(spec, column=(spec.salt,), member=None)
    return str(spec)
