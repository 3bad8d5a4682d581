"""``fesearch data fetch``: data sets of public servers."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from fesearch.cli.intake import show_imported
from fesearch.cli.options import FormatOption
from fesearch.cli.output import progress
from fesearch.fetch import fetch, offers, unit
from fesearch.source import Query


class Listing(TyperCommand):
    """Names what can be fetched below its help; sources are imported for it, and not before."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write a line for each data set: targets with units, and whether it has structures."""
        rows = []
        for name, offer in sorted(offers().items()):
            targets = ", ".join(f"{target} ({unit})" for target, unit in offer.targets.items())
            rows.append((name, targets + ("; structures" if offer.structure else "")))
        with formatter.section("Data sets with their targets, of which the first is taken"):
            formatter.write_dl(rows)


def fetch_data(
    name: Annotated[str, typer.Argument(help="A data set of those below.")],
    kept: Annotated[str | None, typer.Option("--name", help="What to call it here.")] = None,
    target: Annotated[
        list[str] | None, typer.Option("--target", help="What to learn; repeatable.")
    ] = None,
    structures: Annotated[
        bool, typer.Option("--structures", help="Keep the crystal structures.")
    ] = False,
    elements: Annotated[
        str, typer.Option("--elements", help="Compounds with all of these, such as Li,O.")
    ] = "",
    filter: Annotated[
        str, typer.Option("--filter", help="OQMD's own, such as 'stability<0.1 AND ntypes=3'.")
    ] = "",
    duplicates: Annotated[
        bool, typer.Option("--duplicates", help="Also entries that OQMD holds to be duplicates.")
    ] = False,
    clean: Annotated[
        list[str] | None,
        typer.Option("--clean", help="A step of cleaning, such as unique:lowest; repeatable."),
    ] = None,
    drop_bad: Annotated[
        Path | None,
        typer.Option("--drop-bad", help="CSV file for rows that cannot be used, left out here."),
    ] = None,
    format: FormatOption = "table",
) -> None:
    """Fetch a data set from its server; what broke off goes on where it was when typed again."""
    query = Query(
        name,
        targets=tuple(target or ()),
        structures=structures,
        elements=tuple(symbol.strip() for symbol in elements.split(",") if symbol.strip()),
        filter=filter,
        duplicates=duplicates,
    )
    with progress(name, unit(name)) as report:
        data = fetch(query, name=kept, steps=clean or (), rejects=drop_bad, report=report)
    show_imported(data, format)
