"""``fesearch export``: a trained model as a folder of its own."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from fesearch.cli.options import FormatOption, StorageOption
from fesearch.cli.output import detail, progress
from fesearch.own import mentioned
from fesearch.paths import storage_url


def export(
    study: Annotated[str, typer.Argument(help="Its name, as in `fesearch study list`.")],
    to: Annotated[Path, typer.Option("--to", help="Folder to write; not there yet, or empty.")],
    trial: Annotated[
        int | None, typer.Option("--trial", min=0, help="Its number; the best by default.")
    ] = None,
    storage: StorageOption = None,
    format: FormatOption = "table",
) -> None:
    """Write a trained model, its settings and its model card to a folder."""
    from fesearch.export import export as write

    with progress("features", "compounds") as report:
        card = write(study, storage_url(storage), to, trial=trial, progress=report)
    validation = f"val_{card.validation.metric}"
    test = card.test and card.test.scores.get(card.validation.metric)
    facts = {
        "folder": str(to),
        "study": card.trained.study,
        "trial": card.trained.trial,
        "family": card.trained.family,
        validation: card.validation.value,
        f"test_{card.validation.metric}": "sealed" if test is None and format == "table" else test,
        "target": card.target,
    }
    units = {validation: card.validation.unit, "target": f"({card.unit})"}
    if test is not None:
        units[f"test_{card.validation.metric}"] = card.validation.unit
    detail(facts, format, units)
    paths = (source.path for source in mentioned(*card.own))
    files = "".join(f" --family-file {path}" for path in paths)
    print(f"\nNext: fesearch predict {to} Fe2O3{files}", file=sys.stderr)
