"""Rankings as columns of words, for a page: under one key, and over a repeated division."""

from typing import Any

from fesearch.analysis import Column, Table
from fesearch.ranking.columns import remarks, shown
from fesearch.ranking.published import Publication, beside, mae_unit, rows_of
from fesearch.ranking.repeats import RepeatedTable
from fesearch.ranking.single import Table as Ranked


def ranking(
    table: Ranked | RepeatedTable, most: int | None = None, publication: Publication | None = None
) -> dict[str, Any]:
    """A ranking, the best first, and what all of it has in common.

    Args:
        most: lines with a position that are shown, see ``columns.shown``; None shows all.
        publication: values to be shown below it.
    """
    rows, columns = shown(table, most)
    ranked = table.contenders if isinstance(table, RepeatedTable) else table.entries
    return {
        "table": Table(
            tuple(Column(one.name, [row.get(one.key) for row in rows], one.unit) for one in columns)
        ),
        "remarks": remarks(table),
        "published": published(table, publication),
        "key": table.key,
        "data": table.data,
        "caption": _caption(table),
        "left": len(ranked[most:]) if most is not None else 0,
    }


def _caption(table: Ranked | RepeatedTable) -> str:
    """On which rows it is, and how often the test part was looked at."""
    rows = table.division
    if isinstance(table, RepeatedTable):
        count = len(table.members)
        return f"{rows.spec}: {count} divisions; looks at their test parts: {table.looks}"
    return (
        f"{rows.spec}: {rows.n_train:,} rows to train, {rows.n_val:,} to validate, "
        f"{rows.n_test:,} to test; looks at the test part: {table.looks}"
    )


def published(table: Ranked | RepeatedTable, publication: Publication | None) -> Table | None:
    """The published values that belong beside a ranking, the best first; None without any."""
    rows = rows_of(table, lines := beside(publication, table))
    columns = [
        Column("model", [row["family"] for row in rows]),
        Column("test MAE", [line.test for line in lines], mae_unit(table)),
        Column("divisions", [row["divisions"] for row in rows]),
        Column("source", [row["source"] for row in rows]),
        Column("note", [row["note"] for row in rows]),
    ]
    said = [one for one in columns if any(value is not None for value in one.values)]
    return Table(tuple(said)) if rows else None
