"""``fesearch study archive`` and ``replay``: what a study is good for years later."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fesearch.cli.options import FamilyFileOption, FormatOption, StorageOption, StudyArgument
from fesearch.cli.output import Column, detail, progress, show
from fesearch.errors import InputError
from fesearch.paths import storage_url

if TYPE_CHECKING:
    from fesearch.replay import Replayed


def archive_study(
    name: StudyArgument,
    to: Annotated[Path, typer.Option("--to", help="A new file, such as study.zip.")],
    with_data: Annotated[
        bool, typer.Option("--with-data", help="All rows of the data, not their hash alone.")
    ] = False,
    storage: StorageOption = None,
    format: FormatOption = "table",
) -> None:
    """Write a study into one file that can be read, ranked and trained again years later."""
    from fesearch import archive

    with progress("features", "compounds") as report:
        archive.write(name, storage_url(storage), to, with_data=with_data, progress=report)
    detail({"archive": str(to), "bytes": to.stat().st_size}, format)


def replay_study(
    source: Annotated[str, typer.Argument(help="A study, or an archive that ends in .zip.")],
    trials: Annotated[
        str | None, typer.Option("--trials", help="Numbers, such as 0,3,7; all by default.")
    ] = None,
    best: Annotated[
        int | None, typer.Option("--best", min=1, help="The best so many instead.")
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            "--tolerance",
            min=0.0,
            help="Relative. By default 0 with the versions of the record, 1e-6 with others, "
            "0.01 with a GPU.",
        ),
    ] = None,
    family_file: FamilyFileOption = None,
    storage: StorageOption = None,
    format: FormatOption = "table",
) -> None:
    """Train recorded configs again, without a search, and say whether the numbers are the same."""
    from fesearch.replay import replay

    if trials is not None and best is not None:
        raise InputError("--trials and --best are both given.", "Give one of them.")
    with progress("features", "compounds") as report:
        found = replay(
            source,
            storage_url(storage),
            trials=_numbers(trials),
            best=best,
            tolerance=tolerance,
            family_files=family_file or (),
            progress=report,
        )
    columns: list[Column | str] = ["trial", "family", "resource", "old", "new", "difference"]
    show([_row(one) for one in found], [*columns, "tolerance", "within", "device"], format)
    other = [str(one.trial.number) for one in found if not one.same]
    if other:
        print(f"\nNot the same: trial {', '.join(other)}.", file=sys.stderr)
        raise typer.Exit(1)


def _row(one: "Replayed") -> dict[str, Any]:
    return {
        "trial": one.trial.number,
        "family": one.trial.family,
        "resource": one.trial.resource,
        "unit": one.trial.unit,
        "old": one.trial.value,
        "new": one.new,
        "difference": one.difference,
        "tolerance": one.tolerance,
        "within": one.same,
        "device": one.device,
        "config": dict(one.trial.config),
    }


def _numbers(text: str | None) -> list[int]:
    """Trial numbers as typed."""
    if text is None:
        return []
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise InputError(f"--trials is '{text}'.", "Give numbers, as in --trials 0,3,7.") from None
