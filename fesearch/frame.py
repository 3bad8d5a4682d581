"""Rows that are in memory already: a table of pandas becomes a data set like that of any file."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fesearch import intake, library
from fesearch.dataset import Dataset, renamed
from fesearch.errors import InputError, quoted
from fesearch.intake import Wanted
from fesearch.source import RawRow, RawTable, no_column

if TYPE_CHECKING:
    import pandas as pd

FORMULAS = ("formula", "composition")
"""Names of columns of formulas, in any case, where none is given."""
STRUCTURE = "structure"
ORIGIN = "the table"
_DIGITS = 12  # of the content hash in a name
_SHOWN = 200  # characters of a list of columns


def keep(
    frame: "pd.DataFrame",
    target: str,
    *,
    name: str | None = None,
    unit: str = "eV/atom",
    formula: str | None = None,
    structure: str | None = None,
    id: str | None = None,
    columns: Sequence[str] = (),
    numbers: Sequence[str] = (),
    drop_bad: Path | str | None = None,
) -> Dataset:
    """Import the rows of a table; every command and function knows them by the name of the result.

    Args:
        frame: n rows. Cells may be pymatgen's compositions and structures.
        target: column to learn, in ``unit``.
        name: of the data set; without it one is made of the content: the same rows in any order
            have the same name, and others another.
        formula: column; without it the one that is called "formula" or "composition", else the
            formulas are those of the structures.
        structure: column; without it "structure", where there are no formulas.
        id: column of distinct row ids; see ``intake.Wanted`` for it and those that follow.
        columns: of text, such as predefined divisions.
        numbers: columns of the user's own features.
        drop_bad: CSV file for the rows that cannot be used, which then are left out.

    Raises:
        InputError: there is no such column, or rows cannot be used; the first of them are named
            by their labels in the index. Nothing is kept then.
    """
    names = [str(column) for column in frame.columns]
    if twice := next((one for one in names if names.count(one) > 1), None):
        raise InputError(f"The table has two columns {quoted(twice)}.", "Rename one of them.")
    if formula is None:
        formula = next((one for one in names if one.lower() in FORMULAS), None)
    if formula is None and structure is None:
        structure = next((one for one in names if one.lower() == STRUCTURE), None)
    if formula is None and structure is None:
        raise InputError(
            f"No column of the table is called {' or '.join(FORMULAS)}.",
            f"Name one with formula=… or structure=…; there are: "
            f"{quoted(', '.join(names), _SHOWN)[1:-1]}",
        )
    wanted = Wanted(
        targets={target: unit},
        formula=formula,
        structure=structure,
        id=id,
        columns=tuple(columns),
        numbers=tuple(numbers),
    )
    for column in wanted:
        if column not in names:
            raise no_column(ORIGIN, column, names)
    table = RawTable(names, _rows(frame, wanted))
    rejects = None if drop_bad is None else Path(drop_bad)
    given = name if name is not None else "frame"
    found = intake.collect(
        given, table, wanted, origin=ORIGIN, rejects=rejects, source="a table in Python"
    )
    if name is None:
        found = renamed(found, f"frame-{found.hash[:_DIGITS]}")
    library.save(found)
    return found


def _rows(frame: "pd.DataFrame", wanted: Wanted) -> Iterator[RawRow]:
    """The rows with the columns that are wanted, as plain values; None where there is nothing."""
    names = list(dict.fromkeys(wanted))
    taken = frame.set_axis([str(column) for column in frame.columns], axis=1)[names]
    plain = taken.astype(object).where(taken.notna(), None)
    for label, values in zip(plain.index, zip(*(plain[one] for one in names)), strict=True):  # noqa: B905
        place = f"row {label}" if isinstance(label, int) else f"row {quoted(str(label))}"
        cells = {
            name: _plain(value, name == wanted.structure)
            for name, value in zip(names, values, strict=True)
        }
        yield RawRow(place, cells)


def _plain(value: Any, structure: bool) -> Any:
    """A cell as a file could have it: objects of pymatgen as JSON or as formulas."""
    if value is None or isinstance(value, str | int | float):
        return value
    if structure and hasattr(value, "as_dict"):
        return value.as_dict()
    if not structure and isinstance(said := getattr(value, "formula", None), str):
        return said
    return value.item() if hasattr(value, "item") and not hasattr(value, "__len__") else value
