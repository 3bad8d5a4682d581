"""``fesearch data import``: a file becomes a data set."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from fesearch import intake, library
from fesearch.cli.options import FormatOption
from fesearch.cli.output import Format, detail, page
from fesearch.dataset import Dataset
from fesearch.errors import InputError, quoted
from fesearch.intake import Wanted
from fesearch.options import unescaped

STEP_COLUMNS = ("step", "before", "taken", "after")
HELP = """Import a file whole, or refuse it naming the rows that are wrong.

CSV (.csv), tab-separated (.tsv, .tab), JSON lines (.jsonl, .ndjson) and Parquet (.parquet) are
read, gzip-compressed or not.

Steps of cleaning are taken in the order given and shown by `fesearch data show`: unique:lowest (or
first, mean) keeps one row a composition, entries:lowest (or first, mean) one an id, compounds no
single elements, elements:Li,O,… only these, without:Xe,… none of these, range:LOW:HIGH and sigma:5
limit the first target. Without unique all polymorphs are kept, and divisions keep them together.

OQMD as people export it comes in by saying what is in it. Spaces in formulas (Al2 O3) are read as
they are. Where NULL stands for nothing say --missing NULL, and with --drop-bad the rows without an
energy go to a file of their own. Where an entry has several fits choose one (--where fit=standard),
or one row of each entry (--id entry_id --clean entries:lowest).
"""


def _option(flag: str, help: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(flag, help=help)
    return option


def import_data(
    file: Annotated[Path, typer.Argument(help="Its ending says how it is read.")],
    name: Annotated[str, _option("--name", "What to call it here.")],
    target: Annotated[list[str], _option("--target", "Column to learn; repeatable.")],
    unit: Annotated[list[str], _option("--unit", "Of the targets, or TARGET=UNIT for each.")],
    formula: Annotated[
        str | None, _option("--formula", "Column of formulas; else they are the structures'.")
    ] = None,
    structure: Annotated[
        str | None, _option("--structure", "Column of pymatgen's JSON, or of paths of CIF files.")
    ] = None,
    id: Annotated[str | None, _option("--id", "Column of distinct row ids.")] = None,
    columns: Annotated[
        str,
        _option("--columns", "More columns to keep as text, such as fold0,fold1; a comma is %2C."),
    ] = "",
    numbers: Annotated[
        str, _option("--numbers", "Columns of numbers of your own, the feature set 'columns'.")
    ] = "",
    where: Annotated[
        list[str] | None, _option("--where", "COL=VALUE: only rows that have it; repeatable.")
    ] = None,
    missing: Annotated[
        list[str] | None, _option("--missing", "A word for nothing, such as NULL; repeatable.")
    ] = None,
    drop_bad: Annotated[
        Path | None, _option("--drop-bad", "CSV file for rows that cannot be used, left out here.")
    ] = None,
    clean: Annotated[
        list[str] | None, _option("--clean", "A step of cleaning, see above; repeatable.")
    ] = None,
    title: Annotated[str, _option("--title", "What it is, for people.")] = "",
    source: Annotated[
        str, _option("--source", "Where it is from; the file's name if left out.")
    ] = "",
    licence: Annotated[str, _option("--licence", "Such as CC-BY 4.0.")] = "",
    citation: Annotated[str, _option("--citation", "What to cite.")] = "",
    format: FormatOption = "table",
) -> None:
    """Import a file whole, or refuse it naming the rows that are wrong."""
    wanted = Wanted(
        _units(unit, target),
        formula=formula,
        structure=structure,
        id=id,
        columns=_listed(columns),
        numbers=_listed(numbers),
        where=tuple(_condition(text) for text in where or ()),
        missing=tuple(missing or ()),
    )
    data = intake.read(
        file,
        library.free_name(name),
        wanted,
        steps=clean or (),
        rejects=drop_bad,
        title=title,
        source=source,
        licence=licence,
        citation=citation,
    )
    library.save(data)
    show_imported(data, format)


def show_imported(data: Dataset, format: Format) -> None:
    """Print what was kept, and what each step took if any did."""
    facts = {"name": data.name, "rows": len(data), "hash": data.hash}
    if data.steps:
        page(facts, "steps", steps_of(data), STEP_COLUMNS, format)
    else:
        detail(facts, format)


def steps_of(data: Dataset) -> list[dict[str, str | int]]:
    """The steps that a data set went through, as rows to print."""
    return [
        {
            "step": step.text,
            "before": step.before,
            "taken": step.before - step.after,
            "after": step.after,
        }
        for step in data.steps
    ]


def _units(given: list[str], targets: list[str]) -> dict[str, str]:
    """Target -> unit, from one unit for all or TARGET=UNIT for each.

    Raises:
        InputError: one of several names no target.
    """
    if len(given) == 1 and "=" not in given[0]:
        return dict.fromkeys(targets, given[0])
    units = dict.fromkeys(targets, "")
    for text in given:
        named = [name for name in targets if text.startswith(f"{name}=")]
        if not named:
            raise InputError(
                f"--unit {quoted(text)} names none of the targets {quoted(', '.join(targets))}.",
                f"Write it like --unit {shlex.quote(f'{targets[0]}=eV/atom')}",
            )
        name = max(named, key=len)  # there may be = in the name of a column
        units[name] = text.removeprefix(f"{name}=")
    return units


def _listed(text: str) -> tuple[str, ...]:
    """The names in a list with commas; a comma in a name is written %2C, and % itself %25."""
    return tuple(unescaped(name) for name in text.split(",") if name.strip())


def _condition(text: str) -> tuple[str, str]:
    column, equals, value = text.partition("=")
    if not equals:
        message = f"--where says '{text}', which is no column and value."
        raise InputError(message, "Write it like --where fit=standard")
    return column, value
