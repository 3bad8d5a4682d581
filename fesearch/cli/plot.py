"""``fesearch data plot``: a data set to look at."""

from pathlib import Path
from typing import Annotated

import typer

from fesearch import library
from fesearch.cli.options import FormatOption
from fesearch.cli.output import detail, progress


def plot_data(
    data: Annotated[str, typer.Argument(help="A data set, as in `fesearch data list`.")],
    to: Annotated[Path, typer.Option("--to", help="File to draw: .png, .svg or .html.")],
    target: Annotated[
        str | None, typer.Option("--target", help="The one to draw; all by default.")
    ] = None,
    format: FormatOption = "table",
) -> None:
    """Draw elements, targets, and space groups or formulas of a data set."""
    from fesearch import dataplot

    with progress("space groups", "structures") as report:
        drawn = dataplot.plot(library.load(data), to, target=target, progress=report)
    facts = {
        "figure": str(to),
        "data": data,
        "panels": [panel.title for panel in drawn.panels],
    }
    detail(facts, format)
