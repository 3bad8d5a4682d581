"""Options that several commands share, so that each is spelled and explained once."""

from typing import Annotated, Any

import typer

from fesearch.cli.output import Format, PaperFormat

FormatOption = Annotated[Format, typer.Option("--format", help="How to print it.")]

PaperFormatOption = Annotated[
    PaperFormat,
    typer.Option("--format", help="How to print it; markdown and latex are for papers."),
]

BesideOption = Annotated[
    str | None,
    typer.Option(
        "--beside",
        help="Published values to show beside it: a table of `name,test_mae[,division,source]`, or "
        "mp_e_form_folds, which comes with fesearch.",
    ),
]

StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        help="The study database, as an SQLAlchemy URL.",
        show_default="$FESEARCH_STORAGE, or sqlite:///fesearch.db",
    ),
]

StudyArgument = Annotated[
    str, typer.Argument(help="Its name, as in `fesearch study list`.", metavar="NAME")
]

FamilyFileOption = Annotated[
    list[str] | None,
    typer.Option(
        "--family-file",
        help="A Python file of yours that declares FAMILY, METRIC or FEATURE_SET. It is run.",
    ),
]


def elsewhere(address: str | None, gpus: int | None, cpus: int | None) -> dict[str, Any]:
    """The keys of ``study.PLACE`` that are given; the address "local" is none."""
    given = {"address": address, "gpus": gpus, "cpus": cpus}
    place = {key: value for key, value in given.items() if value is not None}
    return {**place, "address": None} if address == "local" else place


def group() -> typer.Typer:
    """A group of commands, such as ``fesearch data``; its help line is the one in ``COMMANDS``."""
    return typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=False)
