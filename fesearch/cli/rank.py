"""``fesearch rank``: what was trained, compared on identical divisions."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from fesearch.cli.options import BesideOption, PaperFormatOption, StorageOption
from fesearch.cli.output import Column, remark, show
from fesearch.cli.published import asked as published
from fesearch.cli.published import rows_beside, show_rows
from fesearch.errors import NoResultError, counted
from fesearch.metrics import title_of
from fesearch.paths import storage_url
from fesearch.ranking import rank as ranking
from fesearch.ranking.columns import remarks, shown
from fesearch.ranking.lines import rows_of
from fesearch.ranking.repeats import RepeatedTable
from fesearch.ranking.single import Table


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
    every_table: list[Table | RepeatedTable] = [*tables, *repeated]
    theirs = rows_beside(publication, every_table)
    if format in ("json", "csv"):
        rows = [row for table in every_table for row in rows_of(table)]
        show([*rows, *(row for below in theirs for row in below)], [], format)
        return
    for index, (table, below) in enumerate(zip(every_table, theirs, strict=True)):
        remark(format, *([""] if index else []), *_heading(table), "")
        rows, columns = shown(table)
        show(rows, [Column(*one) for one in columns], format)
        for text in remarks(table):
            remark(format, "", text)
        show_rows(below, format)


@contextmanager
def _store(source: Path | None, storage: str | None) -> Iterator[str]:
    """The URL of the store to rank, of an archive if one is given."""
    if source is None:
        yield storage_url(storage)
        return
    from fesearch import archive

    with archive.opened(source) as (url, _):
        yield url


def _heading(table: Table | RepeatedTable) -> list[str]:
    """What all lines of a table have in common."""
    key, rows, looks = table.key, table.division, counted(table.looks, "look")
    in_unit = f" in {table.unit}" if table.unit else ""
    better = "lower" if table.direction == "minimize" else "higher"
    found = [
        f"data      {table.data} ({key.data[:12]}), target {key.target}",
        f"metric    {title_of(key.metric)}{in_unit}, {better} is better",
    ]
    numbers = f"{rows.n_train} rows to train, {rows.n_val} to validate, {rows.n_test} to test"
    if isinstance(table, RepeatedTable):
        return [
            *found,
            f"divisions {rows.spec} ({rows.fingerprint[:12]}), {len(table.members)} of about "
            f"{numbers}; {looks} at the test parts",
        ]
    test = "" if rows.test is None else f" ({rows.test[:12]})"
    return [
        *found,
        f"division  {rows.spec} ({key.split[:12]}): {numbers}; {looks} at the test part{test}",
        *(
            f"look {look.sequence:<4} trial {look.trial} of {look.study} predicted {look.extent}, "
            "without a score"
            for look in table.predicted
        ),
    ]
