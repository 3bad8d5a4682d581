"""``fesearch data``: what there is to learn from."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from fesearch import intake, library
from fesearch.cli.options import FormatOption, group
from fesearch.cli.output import Column, Format, detail, histogram, page, show
from fesearch.cli.plot import plot_data
from fesearch.cli.split import HELP as SPLIT_HELP
from fesearch.cli.split import split_data
from fesearch.description import describe
from fesearch.intake import Wanted

app = group()

NameArgument = Annotated[str, typer.Argument(help="Its name, as in `fesearch data list`.")]
MOST_FREQUENT = 12


@app.command("list")
def list_data(format: FormatOption = "table") -> None:
    """All data sets, those that come with fesearch and those imported."""
    rows = [
        {
            "name": summary.name,
            "rows": summary.rows,
            "targets": [f"{target} ({unit})" for target, unit in summary.targets.items()],
            "hash": summary.hash,
            "source": summary.source,
        }
        for summary in library.listing()
    ]
    show(rows, ["name", "rows", "targets", Column("hash", letters=12), "source"], format)


@app.command("show")
def show_data(name: NameArgument, format: FormatOption = "table") -> None:
    """Rows, elements, how the targets lie, hash, source and licence of a data set."""
    found = describe(library.load(name))
    data = found.dataset
    facts = {
        "name": data.name,
        "title": data.title,
        "rows": len(data),
        "compositions": found.compositions,
        "elements": _elements(found.elements, format),
        "columns": list(data.columns),
        "hash": data.hash,
        "source": data.source,
        "licence": data.licence,
        "citation": data.citation,
    }
    rows = [{"target": target, **asdict(lie)} for target, lie in found.targets.items()]
    columns = ["target", "unit", "mean", "sd", "minimum", "quartiles", "maximum"]
    page(facts, "targets", rows, columns, format)
    if format == "table":
        for target, lie in found.targets.items():
            print(f"\n{target} ({lie.unit}), rows")
            print(histogram(lie.minimum, lie.maximum, lie.counts))


@app.command("import")
def import_data(
    file: Annotated[Path, typer.Argument(help="CSV with a header, plain or gzip.")],
    name: Annotated[str, typer.Option("--name", help="What to call it here.")],
    formula: Annotated[str, typer.Option("--formula", help="Column of formulas.")],
    target: Annotated[list[str], typer.Option("--target", help="Column to learn; repeatable.")],
    unit: Annotated[
        list[str], typer.Option("--unit", help="Of the targets, or TARGET=UNIT for each.")
    ],
    id: Annotated[str | None, typer.Option("--id", help="Column of distinct row ids.")] = None,
    columns: Annotated[
        str, typer.Option("--columns", help="More columns to keep, such as fold0,fold1.")
    ] = "",
    format: FormatOption = "table",
) -> None:
    """Import a CSV file whole, or refuse it naming the rows that are wrong."""
    kept = tuple(column.strip() for column in columns.split(",") if column.strip())
    wanted = Wanted(_units(unit, target), formula=formula, id=id, columns=kept)
    data = intake.read(file, name, wanted)
    library.save(data)
    facts = {"name": data.name, "rows": len(data), "hash": data.hash}
    detail(facts, format)


app.command("plot")(plot_data)
app.command("split", help=SPLIT_HELP)(split_data)


@app.command("delete")
def delete_data(name: NameArgument) -> None:
    """Remove an imported data set; results computed on it stay."""
    library.delete(name)
    print(f"Deleted the data set '{name}'.")


def _units(given: list[str], targets: list[str]) -> dict[str, str]:
    """Target -> unit, from one unit for all or TARGET=UNIT for each."""
    if len(given) == 1 and "=" not in given[0]:
        return dict.fromkeys(targets, given[0])
    named = {target: unit for target, _, unit in (text.partition("=") for text in given)}
    return {target: named.get(target, "") for target in targets}


def _elements(rows: Mapping[str, int], format: Format) -> Mapping[str, int] | str:
    """Symbol -> rows with it; in words, the most frequent ones, for a table."""
    if format != "table":
        return rows
    first = ", ".join(f"{symbol} {count}" for symbol, count in list(rows.items())[:MOST_FREQUENT])
    return f"{len(rows)}: {first}{', …' if len(rows) > MOST_FREQUENT else ''}"
