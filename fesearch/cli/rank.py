"""``fesearch rank``: what was trained, compared on identical divisions."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from fesearch import rank as ranking
from fesearch.cli.options import FormatOption, StorageOption
from fesearch.cli.output import Column, show
from fesearch.family import amount
from fesearch.metrics import title_of
from fesearch.paths import storage_url

SEALED = "sealed"


def rank(
    data: Annotated[
        str | None, typer.Option("--data", help="Name of a data set, or beginning of its hash.")
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="Beginning of a division's fingerprint.")
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
    storage: StorageOption = None,
    format: FormatOption = "table",
) -> None:
    """Rank by validation, a table for each data set, target, metric and division."""
    with _store(source, storage) as url:
        tables = ranking.tables(
            url,
            data=data,
            target=target,
            metric=metric,
            split=split,
            studies=study or (),
            every=every,
        )
    if format != "table":
        show([_row(table, entry) for table in tables for entry in table.entries], [], format)
        return
    for index, table in enumerate(tables):
        print(*([""] if index else []), *_heading(table), "", sep="\n")
        show([_shown(table, entry) for entry in table.entries], _columns(table))


@contextmanager
def _store(source: Path | None, storage: str | None) -> Iterator[str]:
    """The URL of the store to rank, of an archive if one is given."""
    if source is None:
        yield storage_url(storage)
        return
    from fesearch import archive

    with archive.opened(source) as (url, _):
        yield url


def _row(table: ranking.Table, entry: ranking.Entry) -> dict[str, Any]:
    """All there is to say about an entry, its key included."""
    key, trial = table.summary.key, entry.trial
    return {
        "position": entry.position,
        "study": trial.study,
        "trial": trial.number,
        "family": trial.family,
        "data": table.data,
        "split": key.split,
        f"val_{key.metric}": trial.value,
        f"test_{key.metric}": entry.test,
        "seconds": trial.seconds,
        "value_unit": table.summary.unit,
        "resource": trial.resource,
        "unit": trial.unit,
        "state": trial.state.value,
        "parameters": trial.parameters,
        "config": dict(trial.config),
        "after_look": trial.after_look,
        "trials": entry.effort.trials,
        "search_seconds": entry.effort.seconds,
        "data_hash": key.data,
        "target": key.target,
        "metric": key.metric,
    }


def _shown(table: ranking.Table, entry: ranking.Entry) -> dict[str, Any]:
    """An entry as a table shows it."""
    row = _row(table, entry)
    test = f"test_{table.summary.key.metric}"
    return row | {
        test: SEALED if row[test] is None else row[test],
        "trained": amount(row["resource"], row["unit"]),
        "note": "searched after a look" if row["after_look"] else "",
    }


def _columns(table: ranking.Table) -> list[Column | str]:
    key, unit = table.summary.key, table.summary.unit
    title = title_of(key.metric)
    columns: list[Column | str] = [
        Column("position", "#"),
        "study",
        "trial",
        "family",
        Column(f"val_{key.metric}", f"validation {title}", unit),
        Column(f"test_{key.metric}", f"test {title}", unit),
        "trained",
        "state",
        Column("seconds", "time", "s"),
        "parameters",
        Column("trials", "of trials"),
        Column("search_seconds", "time of all", "s"),
        "config",
    ]
    after_look = any(entry.trial.after_look for entry in table.entries)
    return [*columns, "note"] if after_look else columns


def _heading(table: ranking.Table) -> list[str]:
    """What all entries of a table have in common."""
    key, rows = table.summary.key, table.division
    unit = f" in {table.summary.unit}" if table.summary.unit else ""
    better = "lower" if table.summary.direction == "minimize" else "higher"
    looks = f"{table.looks} look{'' if table.looks == 1 else 's'} at the test part"
    if rows.test is not None:
        looks += f" ({rows.test[:12]})"
    return [
        f"data      {table.data} ({key.data[:12]}), target {key.target}",
        f"metric    {title_of(key.metric)}{unit}, {better} is better",
        f"division  {rows.spec} ({key.split[:12]}): {rows.n_train} rows to train, "
        f"{rows.n_val} to validate, {rows.n_test} to test; {looks}",
    ]
