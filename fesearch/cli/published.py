"""Published values below a ranking, in the terminal and in papers."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fesearch.cli.output import Column, PaperFormat, remark, show
from fesearch.ranking.repeats import RepeatedTable
from fesearch.ranking.single import Table

if TYPE_CHECKING:
    from fesearch.ranking.published import Publication

HEADING = "Published values; none was run here, or is part of a test or tie:"


def asked(given: str | None) -> "Publication | None":
    """The values that ``--beside`` names; nothing is read, or imported, for none."""
    if given is None:
        return None
    from fesearch.ranking.published import read

    return read(given)


def rows_beside(
    publication: "Publication | None", tables: Sequence[Table | RepeatedTable]
) -> list[list[dict[str, Any]]]:
    """The rows below each ranking; it is said where there is none below any."""
    if publication is None:
        return [[] for _ in tables]
    from fesearch.ranking.published import beside, rows_of

    found = [rows_of(table, beside(publication, table)) for table in tables]
    if not any(found):
        divisions = ", ".join(dict.fromkeys(one.division for one in publication.values))
        print(
            f"No ranking is of a division that '{publication.given}' has values for"
            f"{f' ({divisions})' if divisions else ''}.",
            file=sys.stderr,
        )
    return found


def show_rows(rows: Sequence[dict[str, Any]], format: PaperFormat) -> None:
    """Print those below one ranking, if there are any."""
    if not rows:
        return
    remark(format, "", HEADING, "")
    said = {name for row in rows for name, value in row.items() if value is not None}
    columns = [
        Column("family", "model"),
        Column("test_mae", "test MAE", rows[0]["value_unit"]),
        Column("test_mae_sd", "SD"),
        Column("divisions"),
        Column("source"),
        Column("note"),
    ]
    show(rows, [column for column in columns if column.key in said], format)
