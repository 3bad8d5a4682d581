"""``fesearch rank``: what was trained, compared on identical divisions."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from fesearch.cli.options import BesideOption, PaperFormatOption, StorageOption
from fesearch.cli.output import Column, covered, low_high, remark, show
from fesearch.cli.published import asked as published
from fesearch.cli.published import rows_beside, show_rows
from fesearch.errors import NoResultError, counted
from fesearch.family import amount
from fesearch.metrics import METRICS, Metric, title_of
from fesearch.paths import storage_url
from fesearch.ranking import rank as ranking
from fesearch.ranking.lines import ensemble_row, repeated_row, row_of, rows_of
from fesearch.ranking.repeats import Contender, RepeatedTable, Spread
from fesearch.store.types import Look

SEALED = "sealed"
TIES = (
    "Models that share a letter under 'ties' are not told apart: paired t tests of the absolute\n"
    "errors on the same test rows, rows of a formula taken together, p corrected for all pairs\n"
    "(Holm), 0.05. Intervals: 95 %, bootstrap over formulas."
)
ENSEMBLES = "Ensembles of them; picked on the rows that validate, so that that score flatters:"
REPEATED = (
    "± is the standard deviation over divisions, of means over seeds. Models that share a letter\n"
    "under 'ties' are not told apart: t tests corrected for training rows that divisions share\n"
    "(Nadeau and Bengio 2003), p corrected for all pairs (Holm), 0.05. Intervals: 95 %, bootstrap\n"
    "over the formulas of all divisions."
)
FLATTERED = (
    "searched elsewhere: the configs were searched on rows that are test rows of some divisions;\n"
    "such scores flatter."
)


def rank(
    data: Annotated[
        str | None, typer.Option("--data", help="Name of a data set, or beginning of its hash.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option("--split", help="Beginning of a division's fingerprint, repeated ones too."),
    ] = None,
    target: Annotated[str | None, typer.Option("--target", help="Column that was learned.")] = None,
    metric: Annotated[str | None, typer.Option("--metric", help="That was searched by.")] = None,
    study: Annotated[
        list[str] | None, typer.Option("--study", help="Compare these only; repeatable.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every trial, not the best of each family and study.")
    ] = False,
    source: Annotated[
        Path | None, typer.Option("--from", help="An archive of `fesearch study archive`.")
    ] = None,
    beside: BesideOption = None,
    storage: StorageOption = None,
    format: PaperFormatOption = "table",
) -> None:
    """Rank by validation, a table for each data set, target, metric and division.

    Scores over repeated divisions, of `fesearch holdout`, have a table for each such division.
    """
    publication = published(beside)
    asked: dict[str, Any] = {"data": data, "target": target, "metric": metric, "split": split}
    asked["studies"] = study or ()
    with _store(source, storage) as url:
        repeated = ranking.repeated_tables(url, **asked)
        try:
            tables = ranking.tables(url, **asked, every=every)
        except NoResultError:
            if not repeated:
                raise
            tables = []
    theirs = rows_beside(publication, [*tables, *repeated])
    if format in ("json", "csv"):
        rows = [row for table in tables for row in rows_of(table)]
        more = [
            repeated_row(table, position, one)
            for table in repeated
            for position, one in enumerate(table.contenders, start=1)
        ]
        show([*rows, *more, *(row for below in theirs for row in below)], [], format)
        return
    for index, table in enumerate(tables):
        remark(format, *([""] if index else []), *_heading(table), "")
        show([_shown(table, entry) for entry in table.entries], _columns(table), format)
        if any(entry.standing for entry in table.entries):
            remark(format, "", TIES)
        if table.ensembles:
            remark(format, "", ENSEMBLES, "")
            rows = [_ensemble_shown(table, look) for look in table.ensembles]
            show(rows, _ensemble_columns(table), format)
        show_rows(theirs[index], format)
    for index, whole in enumerate(repeated):
        remark(format, *([""] if index or tables else []), *_repeated_heading(whole), "")
        rows = [
            _repeated_shown(whole, position, one)
            for position, one in enumerate(whole.contenders, start=1)
        ]
        show(rows, _repeated_columns(whole), format)
        flattered = any(one.flattered for one in whole.contenders)
        remark(format, "", REPEATED, *([FLATTERED] if flattered else []))
        show_rows(theirs[len(tables) + index], format)


@contextmanager
def _store(source: Path | None, storage: str | None) -> Iterator[str]:
    """The URL of the store to rank, of an archive if one is given."""
    if source is None:
        yield storage_url(storage)
        return
    from fesearch import archive

    with archive.opened(source) as (url, _):
        yield url


def _shown(table: ranking.Table, entry: ranking.Entry) -> dict[str, Any]:
    """An entry as a table shows it."""
    row = row_of(table, entry)
    test = f"test_{table.summary.key.metric}"
    return row | {
        "covered": covered(entry.look.how.coverage) if entry.look else None,
        test: SEALED if entry.look is None else row[test],
        "test_interval": low_high(entry.look.how.interval) if entry.look else None,
        "seeds": _plus_minus(entry.by_seed),
        "joined": _plus_minus(entry.joined),
        "trained": amount(row["resource"], row["unit"]),
        "note": "searched after a look" if row["after_look"] else "",
    }


def _plus_minus(spread: Spread | None) -> str | None:
    return None if spread is None else str(spread)


def _columns(table: ranking.Table) -> list[Column | str]:
    key, unit, entries = table.summary.key, table.summary.unit, table.entries
    title = title_of(key.metric)
    looked = any(entry.look for entry in entries)
    scored = any(entry.trial.scores for entry in entries)
    columns: list[tuple[object, Column | str]] = [
        (True, Column("position", "#")),
        (True, "study"),
        (True, "trial"),
        (True, "family"),
        (True, Column(f"val_{key.metric}", f"validation {title}", unit)),
        (True, Column(f"test_{key.metric}", f"test {title}", unit)),
        (looked, Column("test_interval", "95 % interval of MAE", unit)),
        (
            any(entry.look and "0.9" in entry.look.how.coverage for entry in entries),
            Column("covered", "90 % intervals cover"),
        ),
        (any(entry.standing for entry in entries), "ties"),
        (any(entry.standing for entry in entries), Column("p_next", "p to next")),
        *(
            (looked, Column(f"test_{one.name}", f"test {one.title}", one.in_unit(unit)))
            for one in _others(key.metric)
        ),
        (
            any(entry.by_seed for entry in entries),
            Column("seeds", f"test {title}, trained again", unit),
        ),
        (
            any(entry.joined for entry in entries),
            Column("joined", f"test {title}, train + val", unit),
        ),
        *(
            (scored, Column(f"val_{one.name}", f"validation {one.title}", one.in_unit(unit)))
            for one in _others(key.metric)
        ),
        (True, "trained"),
        (True, "state"),
        (True, Column("seconds", "time", "s")),
        (True, "parameters"),
        (looked, Column("latency_us", "predicts a row in", "µs")),
        (True, Column("trials", "of trials")),
        (True, Column("search_hours", "time of all", "h")),
        (any(one.effort.gpu_seconds for one in entries), Column("search_gpu_hours", "GPU", "h")),
        (True, "config"),
        (any(entry.trial.after_look for entry in entries), "note"),
    ]
    return [column for wanted, column in columns if wanted]


def _others(metric: str) -> list[Metric]:
    """The metrics that test parts are scored with besides the one that is searched by."""
    return [one for one in METRICS.values() if one.name != metric]


def _ensemble_shown(table: ranking.Table, look: Look) -> dict[str, Any]:
    """An ensemble as a table shows it."""
    row = ensemble_row(table, look)
    return row | {
        "test_interval": low_high(look.how.interval),
        "covered": covered(look.how.coverage),
    }


def _ensemble_columns(table: ranking.Table) -> list[Column | str]:
    key, unit = table.summary.key, table.summary.unit
    title = title_of(key.metric)
    return [
        "study",
        Column(f"val_{key.metric}", f"validation {title}", unit),
        Column(f"test_{key.metric}", f"test {title}", unit),
        Column("test_interval", "95 % interval of MAE", unit),
        Column("covered", "90 % intervals cover"),
        *(
            Column(f"{part}_{one.name}", f"{said} {one.title}", one.in_unit(unit))
            for part, said in (("test", "test"), ("val", "validation"))
            for one in _others(key.metric)
        ),
        Column("latency_us", "predicts a row in", "µs"),
        "picks",
    ]


def _heading(table: ranking.Table) -> list[str]:
    """What all entries of a table have in common."""
    key, rows = table.summary.key, table.division
    looks = _looks(table.looks)
    if rows.test is not None:
        looks += f" ({rows.test[:12]})"
    return [
        *_subject(table.data, key, table.summary.unit, table.summary.direction),
        f"division  {rows.spec} ({key.split[:12]}): {rows.n_train} rows to train, "
        f"{rows.n_val} to validate, {rows.n_test} to test; {looks}",
        *(
            f"look {look.sequence:<4} trial {look.trial} of {look.study} predicted {look.extent}, "
            "without a score"
            for look in table.predicted
        ),
    ]


def _subject(data: str, key: Any, unit: str, direction: str) -> list[str]:
    in_unit = f" in {unit}" if unit else ""
    better = "lower" if direction == "minimize" else "higher"
    return [
        f"data      {data} ({key.data[:12]}), target {key.target}",
        f"metric    {title_of(key.metric)}{in_unit}, {better} is better",
    ]


def _looks(count: int) -> str:
    return f"{counted(count, 'look')} at the test part"


def _repeated_heading(table: RepeatedTable) -> list[str]:
    rows = table.division
    return [
        *_subject(table.data, table.key, table.unit, table.direction),
        f"divisions {rows.spec} ({rows.fingerprint[:12]}), {len(table.members)} of about "
        f"{rows.n_train} rows to train, {rows.n_val} to validate, {rows.n_test} to test; "
        f"{_looks(table.looks)}s",
    ]


def _repeated_shown(table: RepeatedTable, position: int, one: Contender) -> dict[str, Any]:
    """A contender as a table shows it."""
    row = repeated_row(table, position, one)
    return row | {
        "validation": _plus_minus(one.validation.get(table.key.metric)),
        "covered": covered(one.coverage),
        "test_interval": low_high(one.interval),
        **{f"shown_{name}": _plus_minus(spread) for name, spread in one.test.items()},
        **{f"held_{name}": _plus_minus(spread) for name, spread in one.validation.items()},
    }


def _repeated_columns(table: RepeatedTable) -> list[Column | str]:
    title, unit = title_of(table.key.metric), table.unit
    contenders = table.contenders
    others = [
        Column(f"{part}_{one.name}", f"{said} {one.title}", one.in_unit(unit))
        for part, said in (("shown", "test"), ("held", "validation"))
        for one in _others(table.key.metric)
    ]
    measured = any(one.coverage.get("0.9") for one in contenders)
    seeds = any(one.by_seed is not None for one in contenders)
    ties = any(one.ties for one in contenders)
    intervals = any(one.interval for one in contenders)
    gpus = any(effort.gpu_seconds for one in contenders for effort in one.efforts)
    return [
        Column("position", "#"),
        "study",
        "family",
        "searched",
        "trained",
        "divisions",
        Column("validation", f"validation {title}", unit),
        Column(f"shown_{table.key.metric}", f"test {title}", unit),
        *([Column("test_interval", "95 % interval of MAE", unit)] if intervals else []),
        *([Column("covered", "90 % intervals cover")] if measured else []),
        *([Column("ties"), Column("p_next", "p to next")] if ties else []),
        *([Column("seeds_sd", "SD over seeds", unit)] if seeds else []),
        *others,
        "parameters",
        Column("latency_us", "predicts a row in", "µs"),
        Column("trials", "of trials"),
        Column("search_hours", "time of all", "h"),
        *([Column("search_gpu_hours", "GPU", "h")] if gpus else []),
    ]
