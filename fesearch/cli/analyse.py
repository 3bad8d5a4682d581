"""``fesearch analyse``: one analysis of studies or exported models, as numbers or a picture."""

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fesearch.cli.options import FormatOption, StorageOption
from fesearch.cli.output import Column, Format, jsonable, page, progress, show
from fesearch.csvrow import write_row
from fesearch.errors import InputError, counted
from fesearch.paths import atomic_write, storage_url

if TYPE_CHECKING:
    from fesearch.analysis import Analysis, Finding, Table

LIST = "list"
LONGEST = 40  # rows of detail in a table on the screen


def analyse(
    kind: Annotated[str, typer.Argument(help="As in `fesearch analyse list`.")],
    subjects: Annotated[
        list[str] | None,
        typer.Argument(help="Studies, or folders of exported models.", metavar="STUDY|DIR…"),
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="File: .png, .svg, .html, .csv or .json.")
    ] = None,
    trial: Annotated[
        int | None, typer.Option("--trial", help="Of a single study, for its best one.")
    ] = None,
    part: Annotated[
        Literal["validation", "test"] | None,
        typer.Option("--part", help="Test only after a look on record (fesearch holdout)."),
    ] = None,
    repeats: Annotated[
        int | None, typer.Option("--repeats", help="Of what is random; 10 by default.")
    ] = None,
    rows: Annotated[
        int | None, typer.Option("--rows", help="At most so many rows; 5000 by default.")
    ] = None,
    bins: Annotated[
        int | None, typer.Option("--bins", help="Of the target; 12 by default.")
    ] = None,
    storage: StorageOption = None,
    format: FormatOption = "table",
) -> None:
    """Analyse studies or exported models: numbers on stdout, a picture or table with --to."""
    from fesearch.analysis import ANALYSES, LISTING
    from fesearch.subject import subject

    if kind == LIST:
        _list(subjects or [], format)
        return
    analysis = ANALYSES.get(kind)
    settings = analysis.settings(part=part, repeats=repeats, rows=rows, bins=bins)
    if not subjects:
        raise InputError("No study is named.", f"Type: {analysis.example}")
    if trial is not None and (len(subjects) > 1 or analysis.reads != "models"):
        raise InputError(
            f"--trial {trial} is of one model, and {len(subjects)} studies are given to "
            f"'{kind}', which reads {analysis.reads}.",
            f"Leave --trial out, or see: {LISTING}",
        )
    write = None if to is None else _writer(to)
    url = storage_url(storage)
    with progress("features", "compounds") as report:
        every = [subject(text, url, trial=trial, progress=report) for text in subjects]
        finding = analysis.find(every, settings)
    if write is not None and to is not None:
        write(analysis, finding, to)
    _print(analysis, finding, format, to)


def _list(subjects: list[str], format: Format) -> None:
    """All analyses, and what to type for each."""
    from fesearch.analysis import ANALYSES

    if subjects:
        raise InputError(
            f"'list' takes no study, as {subjects[0]!r}.", "Type: fesearch analyse list"
        )
    rows = [
        {
            "name": one.name,
            "reads": one.reads,
            "question": one.question,
            "source": one.source,
            "options": [f"--{name}" for name in one.takes],
            "example": one.example,
        }
        for one in ANALYSES
    ]
    show(rows, ["name", "reads", "question", "source"], format)


def _print(analysis: "Analysis", finding: "Finding", format: Format, to: Path | None) -> None:
    """The summary and, as long as it is read, the detail."""
    facts = {"analysis": analysis.name, "file": None if to is None else str(to)}
    facts |= {"note": finding.note}
    detail = list(finding.detail.rows())
    if format == "json":
        facts |= {"summary": list(finding.summary.rows())}  # type: ignore[dict-item]
        page(facts, "detail", detail, [], format)
    elif format == "csv":
        show(detail, _columns(finding.detail), format)
    else:
        page(facts, "", list(finding.summary.rows()), _columns(finding.summary))
        print()
        show(detail[:LONGEST], _columns(finding.detail))
        if len(detail) > LONGEST:
            print(f"… and {counted(len(detail) - LONGEST, 'row')} more; all of them: --format csv")


def _columns(table: "Table") -> list[Column | str]:
    return [Column(one.name, unit=one.unit) for one in table.columns]


def _writer(to: Path) -> "Callable[[Analysis, Finding, Path], None]":
    """What writes a file of that suffix, asked for before the work.

    Raises:
        InputError: there is no such kind of file, or there is a folder.
    """
    if to.suffix.lower() in _TABLES and not to.is_dir():
        return _write_table
    from fesearch import figures

    if to.suffix.lower() not in figures.KINDS and not to.is_dir():
        known = ", ".join([*figures.KINDS, *_TABLES])
        raise InputError(f"'{to}' does not end in {known}.", f"Type: --to {to.with_suffix('.png')}")
    figures.checked(to)
    return _write_figure


def _write_figure(analysis: "Analysis", finding: "Finding", to: Path) -> None:
    from fesearch import figures

    panels = analysis.panels(finding)
    figures.write(
        figures.Sheet(analysis.title, analysis.question, f"Source: {analysis.source}", panels), to
    )


def _write_table(analysis: "Analysis", finding: "Finding", to: Path) -> None:
    text = _TABLES[to.suffix.lower()](analysis, finding)
    try:
        with atomic_write(to) as path:
            path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise InputError(
            f"'{to}' cannot be written: {error.strerror}.", "Choose another --to."
        ) from error


def _csv(analysis: "Analysis", finding: "Finding") -> str:
    text = io.StringIO()
    write_row(text, [column.name for column in finding.detail.columns])
    for row in finding.detail.rows():
        write_row(text, row.values())
    return text.getvalue()


def _json(analysis: "Analysis", finding: "Finding") -> str:
    units = {one.name: one.unit for one in finding.detail.columns if one.unit}
    found: dict[str, Any] = {
        "analysis": analysis.name,
        "note": finding.note,
        "summary": list(finding.summary.rows()),
        "detail": list(finding.detail.rows()),
        "units": units,
    }
    return json.dumps(jsonable(found), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


_TABLES: Mapping[str, Callable[["Analysis", "Finding"], str]] = MappingProxyType(
    {".csv": _csv, ".json": _json}
)
