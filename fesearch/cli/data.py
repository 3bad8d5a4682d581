"""``fesearch data``: what there is to learn from."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

import typer

from fesearch import library
from fesearch.cli.fetch import Listing, fetch_data
from fesearch.cli.intake import HELP as IMPORT_HELP
from fesearch.cli.intake import STEP_COLUMNS, import_data, steps_of
from fesearch.cli.options import FormatOption, group
from fesearch.cli.output import Column, Format, histogram, page, show
from fesearch.cli.plot import plot_data
from fesearch.cli.split import HELP as SPLIT_HELP
from fesearch.cli.split import split_data
from fesearch.description import describe

app = group()

NameArgument = Annotated[str, typer.Argument(help="Its name, as in `fesearch data list`.")]
MOST_FREQUENT = 12
SIGMA = (
    "The limits of sigma are of all rows, those of any test part included. A division's own\n"
    "sigma=5 takes them from the training rows alone: --split random:sigma=5"
)


@app.command("list")
def list_data(format: FormatOption = "table") -> None:
    """All data sets, those that come with fesearch and those imported."""
    rows = [
        {
            "name": summary.name,
            "rows": summary.rows,
            "targets": [f"{target} ({unit})" for target, unit in summary.targets.items()],
            "structures": summary.structures,
            "hash": summary.hash,
            "source": summary.source,
        }
        for summary in library.listing()
    ]
    show(
        rows,
        ["name", "rows", "targets", "structures", Column("hash", letters=12), "source"],
        format,
    )


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
        "numbers": list(data.numbers),
        "structures": found.structures,
        "hash": data.hash,
        "source": data.source,
        "licence": data.licence,
        "citation": data.citation,
    }
    rows = [{"target": target, **asdict(lie)} for target, lie in found.targets.items()]
    columns = ["target", "unit", "mean", "sd", "minimum", "quartiles", "maximum"]
    steps = steps_of(data)
    page(
        facts if format == "table" else {**facts, "steps": steps}, "targets", rows, columns, format
    )
    if format == "table":
        if steps:
            print("\nhow it was cleaned, rows")
            show(steps, STEP_COLUMNS)
        if any(step.text.startswith("sigma:") for step in data.steps):
            print(SIGMA)
        for target, lie in found.targets.items():
            print(f"\n{target} ({lie.unit}), rows")
            print(histogram(lie.minimum, lie.maximum, lie.counts))


app.command("import", help=IMPORT_HELP)(import_data)
app.command("fetch", cls=Listing)(fetch_data)
app.command("plot")(plot_data)
app.command("split", help=SPLIT_HELP)(split_data)


@app.command("delete")
def delete_data(name: NameArgument) -> None:
    """Remove an imported data set; results computed on it stay."""
    library.delete(name)
    print(f"Deleted the data set '{name}'.")


def _elements(rows: Mapping[str, int], format: Format) -> Mapping[str, int] | str:
    """Symbol -> rows with it; in words, the most frequent ones, for a table."""
    if format != "table":
        return rows
    first = ", ".join(f"{symbol} {count}" for symbol, count in list(rows.items())[:MOST_FREQUENT])
    return f"{len(rows)}: {first}{', …' if len(rows) > MOST_FREQUENT else ''}"
