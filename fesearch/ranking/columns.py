"""Rankings as tables that people read: which columns, and what stands in them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fesearch.family import amount
from fesearch.metrics import METRICS, Metric, target_unit, title_of
from fesearch.ranking.contender import Contender
from fesearch.ranking.lines import contender_row, entry_row, picked
from fesearch.ranking.pieces import ENSEMBLE
from fesearch.ranking.repeats import RepeatedTable
from fesearch.ranking.single import Entry, Table
from fesearch.space import Value
from fesearch.store.how import Searched

SEALED = "sealed"
TIES = """\
Models that share a letter under 'ties' are not told apart: paired t tests of the absolute
errors on the same test rows, rows of a formula taken together, p corrected for all pairs
(Holm), 0.05. Intervals: 95 %, bootstrap over formulas."""
ANEW = """\
A config trained again, or on train + validation, has a line of its own without a number: scores are
means over its seeds, errors of a row too."""
ENSEMBLES = "Ensembles stand last: picked on the rows that validate, so that that score flatters."
REPEATED = """\
± is the standard deviation over divisions, of means over seeds. Models that share a letter
under 'ties' are not told apart: t tests corrected for training rows that divisions share
(Nadeau and Bengio 2003), p corrected for all pairs (Holm), 0.05. Intervals: 95 %, bootstrap
over the formulas of all divisions."""
UNVALIDATED = """\
Lines without a number have no validation score, most because they have learned those rows too: they
stand last, by their test score."""
FLATTERED = """\
searched elsewhere: the configs were searched on rows that are test rows of some divisions;
such scores flatter."""
Row = dict[str, Any]
_MEMBER = re.compile(r"^[^,]+|member=[^,]+")
"""Of a division as typed, its kind, and which member of a repeated one it is."""


class Column(NamedTuple):
    """A column: its key in every row, heading (the key where empty) and unit."""

    key: str
    title: str = ""
    unit: str = ""

    @property
    def name(self) -> str:
        """The heading without its unit."""
        return self.title or self.key


def shown(table: Table | RepeatedTable, most: int | None = None) -> tuple[list[Row], list[Column]]:
    """Rows of a ranking from top to bottom, and the columns that say anything, in order.

    Numbers stay numbers; what is missing is None.

    Args:
        most: lines that have a position, over a repeated division any; None shows all.
    """
    if isinstance(table, RepeatedTable):
        rows = [_over_members(table, one, position) for position, one in table.ranked()[:most]]
    else:
        rows = [
            _entry(table, line) if isinstance(line, Entry) else _contender(table, line)
            for line in table.lines(most)
        ]
        if not any(row["trained"] != rows[0]["trained"] for row in rows):
            rows = [{**row, "trained": None} for row in rows]
    return rows, [
        column
        for column in _columns(table.key.metric, table.unit)
        if any(row.get(column.key) is not None for row in rows)
    ]


def remarks(table: Table | RepeatedTable) -> list[str]:
    """What is to be known to read the columns, below the table."""
    if isinstance(table, RepeatedTable):
        flattered = any(one.flattered for one in table.contenders)
        last = any(position is None for position, _ in table.ranked())
        return [REPEATED, *([UNVALIDATED] if last else []), *([FLATTERED] if flattered else [])]
    lines = table.lines()
    said = {
        TIES: any(line.standing for line in lines),
        ANEW: any(entry.anew for entry in table.entries),
        ENSEMBLES: bool(table.ensembles),
    }
    return [text for text, wanted in said.items() if wanted]


def _columns(metric: str, unit: str) -> list[Column]:
    title, theirs = title_of(metric), target_unit(metric, unit)
    return [
        Column("position", "#"),
        Column("study"),
        Column("trial"),
        Column("family"),
        Column("searched"),
        Column("trained"),
        Column("divisions"),
        Column(f"val_{metric}", f"validation {title}", unit),
        Column("val_interval", "95 % interval of validation MAE", theirs),
        Column(f"test_{metric}", f"test {title}", unit),
        Column("test_interval", "95 % interval of test MAE", theirs),
        Column("covered", "90 % intervals cover"),
        Column("ties"),
        Column("p_next", "p to next"),
        Column("seeds_sd", "SD over seeds", unit),
        *(
            Column(f"{part}_{one.name}", f"{said} {one.title}", one.in_unit(theirs))
            for part, said in (("test", "test"), ("val", "validation"))
            for one in _others(metric)
        ),
        Column("amount", "trained for"),
        Column("state"),
        Column("seconds", "time", "s"),
        Column("parameters"),
        Column("latency_us", "predicts a row in", "µs"),
        Column("trials", "of trials"),
        Column("search_hours", "time of all", "h"),
        Column("search_gpu_hours", "GPU", "h"),
        Column("config"),
        Column("note"),
    ]


def _others(metric: str) -> list[Metric]:
    """The metrics that test parts are scored with besides the one that is searched by."""
    return [one for one in METRICS.values() if one.name != metric]


def _entry(table: Table, entry: Entry) -> Row:
    """A trial as a table shows it."""
    row, test = entry_row(table, entry), f"test_{table.key.metric}"
    return {
        **_worded(row),
        test: SEALED if entry.sealed else row[test],
        "seeds_sd": None,  # of its config trained again, which has a line of its own
        "amount": amount(row["resource"], row["unit"]),
    }


def _contender(table: Table | RepeatedTable, one: Contender, position: int | None = None) -> Row:
    """A contender as a table shows it."""
    seeds = f", {one.seeds} seeds" if one.seeds > 1 else ""
    row = {**_worded(contender_row(table, one, position)), "config": _config(one)}
    return {**row, "trained": f"{row['trained']}{seeds}", "searched": None, "divisions": None}


def _over_members(table: RepeatedTable, one: Contender, position: int | None) -> Row:
    """A contender as a table over a repeated division shows it."""
    return {
        **_contender(table, one, position),
        "searched": _where(one),
        "divisions": len(one.scores),
        **{f"test_{name}": spread for name, spread in one.test.items()},
        **{f"val_{name}": spread for name, spread in one.validation.items()},
    }


def _where(one: Contender) -> str:
    """How a contender was searched; unless on each member, with the divisions, in short."""
    if one.searched is Searched.EACH:
        return one.searched.value
    on = dict.fromkeys(",".join(_MEMBER.findall(spec)) for spec in one.searched_on)
    return f"{one.searched.value}, on {', '.join(on)}"


def _worded(row: Row) -> Row:
    """A row with intervals in words, and no hours of GPUs that there were none of."""
    coverage = row["test_coverage"].get("0.9")
    return {
        **row,
        "val_interval": _low_high(row.get("val_interval")),
        "test_interval": _low_high(row["test_interval"]),
        "covered": coverage and f"{coverage[0]:.1%}",
        "search_gpu_hours": row["search_gpu_hours"] or None,
        "note": "searched after a look" if row["after_look"] else None,
    }


def _low_high(interval: Sequence[float] | None) -> str | None:
    return None if interval is None else " … ".join(map(_word, interval))


def _config(one: Contender) -> Mapping[str, Any] | str | None:
    """The config of a contender; of several, what differs as their values in turn.

    An ensemble has its picks in place of configs, where they are the same on every member.
    """
    if one.picks:
        return picked(one.picks)
    if one.family == ENSEMBLE:
        return None
    names = dict.fromkeys(name for config in one.configs for name in config)
    return {name: _together([config.get(name) for config in one.configs]) for name in names}


def _together(values: Sequence[Value]) -> Value:
    """A value that all have, or the values in turn."""
    if all(value == values[0] for value in values):
        return values[0]
    return "|".join(map(_word, values))


def _word(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1e4 else f"{value:.4g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
