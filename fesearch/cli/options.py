"""Options that several commands share, so that each is spelled and explained once."""

from typing import Annotated

import typer

from fesearch.cli.output import Format, PaperFormat

FormatOption = Annotated[Format, typer.Option("--format", help="How to print it.")]

PaperFormatOption = Annotated[
    PaperFormat,
    typer.Option("--format", help="How to print it; markdown and latex are for papers."),
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


def group() -> typer.Typer:
    """A group of commands, such as ``fesearch data``; its help line is the one in ``COMMANDS``."""
    return typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=False)
