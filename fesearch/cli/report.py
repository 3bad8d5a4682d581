"""``fesearch report``: all there is to see of some studies, on one page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fesearch.cli import published
from fesearch.cli.options import BesideOption, FormatOption, StorageOption
from fesearch.cli.output import detail, progress, say
from fesearch.duration import duration
from fesearch.errors import InputError, counted
from fesearch.paths import storage_url

if TYPE_CHECKING:
    from fesearch.ranking.published import Publication


def report(
    studies: Annotated[
        list[str],
        typer.Argument(
            help="Studies, searches over families too, or folders of exported models; pictures "
            "that compare are of the first study's division.",
            metavar="STUDY|DIR…",
        ),
    ],
    to: Annotated[Path, typer.Option("--to", help="The page, such as report.html.")],
    figures: Annotated[
        Path | None,
        typer.Option("--figures", help="New folder for each figure as PNG and SVG."),
    ] = None,
    every: Annotated[
        str | None,
        typer.Option("--every", help="Write the page again as often (10m) while studies run."),
    ] = None,
    beside: BesideOption = None,
    storage: StorageOption = None,
    format: FormatOption = "table",
) -> None:
    """Write one self-contained page on studies and models. Numbers are of validation, unless
    looked at.
    """
    from fesearch import report as reports
    from fesearch.report.page import checked

    checked(to, figures)
    publication = published.asked(beside)
    if every is not None:
        if figures is not None:
            raise InputError(
                "Figures are written once, and --every writes the page again and again.",
                "Leave --figures out, or --every.",
            )
        _again(studies, to, duration(every, "time between two pages"), storage, publication)
        return
    with progress("features", "compounds") as tell:
        found = reports.collect(
            studies,
            storage_url(storage),
            beside=publication,
            progress=tell,
            begin=lambda analysis: say(f"{analysis.title} …"),
        )
    reports.write(found, to)
    files = reports.write_figures(found, figures) if figures else []
    skipped = [*found.skipped, *(one for model in found.models for one in model.missing)]
    left_out = [f"{one.analysis.name}: {one.why} {one.hint}" for one in skipped]
    left_out += [f"{one.name}: {one.lacks}" for one in found.models if one.lacks]
    facts = {
        "report": str(to),
        "size": to.stat().st_size,
        "figures": None if figures is None else f"{counted(len(files), 'file')} in {figures}",
        "sections": list(dict.fromkeys(section.analysis.name for section in found.sections)),
        "left_out": "\n".join(left_out) if format == "table" else left_out,
        "models": [one.name for one in found.models],
        "best": None,
    }
    if found.tables:
        best = found.best.trial
        facts["best"] = f"{best.study} trial {best.number} ({best.family})"
    detail(facts, format, {"size": "bytes"})


def _again(
    studies: list[str],
    to: Path,
    seconds: float,
    storage: str | None,
    publication: "Publication | None",
) -> None:
    """Write the page until the studies are over; Ctrl-C ends it too, and the page stays."""
    from fesearch import report as reports

    say("Ctrl-C ends it; the page stays.")
    try:
        with progress("features", "compounds") as tell:
            reports.rewrite(
                studies,
                storage_url(storage),
                to,
                seconds,
                beside=publication,
                progress=tell,
                tell=typer.echo,
            )
    except KeyboardInterrupt:
        say(f"Ended; {to} stays as it was written last." if to.exists() else "Ended.")
