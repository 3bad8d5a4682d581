"""``fesearch doctor``: what a search would find here, and what mends it."""

from typing import Annotated

import typer

from fesearch.cli.options import FormatOption, StorageOption
from fesearch.cli.output import Column, show
from fesearch.paths import storage_url


def doctor(
    address: Annotated[
        str | None, typer.Option("--address", help="Of a Ray cluster to look at.")
    ] = None,
    storage: StorageOption = None,
    format: FormatOption = "table",
) -> None:
    """Look at cores, memory, GPUs, packages, database, disks and Ray; exit 1 if one is wrong."""
    from fesearch.doctor import State, examine

    findings = list(examine(storage_url(storage), address))
    rows = [
        {"what": one.what, "state": one.state.value, "found": one.found, "mend": one.mend}
        for one in findings
    ]
    show(rows, ["what", "state", "found", Column("mend", "what to do")], format)
    if any(one.state is State.PROBLEM for one in findings):
        raise typer.Exit(1)
