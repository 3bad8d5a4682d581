"""From the rows of a source to a data set: bad rows are named, the good ones cleaned and kept.

Rows come one by one and are kept column by column, so that memory is that of the data set. Where
any row is bad the table is refused whole, or the bad rows go to a file of their own when asked.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fesearch import cells, cleaning, source
from fesearch.cells import BadRowError
from fesearch.dataset import Dataset, Step, make
from fesearch.errors import InputError, counted, quoted
from fesearch.paths import checked_name
from fesearch.rejects import Rejects, rejects_file
from fesearch.rows import Gathered, Row, Rows
from fesearch.source import RawRow, RawTable, no_column
from fesearch.structure import formula_of, from_cell

_SHOWN = 3  # bad rows named in an error
_LISTED = 1000  # columns that are remembered for an error


@dataclass(frozen=True)
class Wanted:
    """What the columns of a table mean.

    Attributes:
        targets: column -> unit.
        formula: column; without it the formula is taken from the structure.
        structure: column of pymatgen's JSON, as text or object, or of paths of CIF files; it may
            be empty in places where there is a formula.
        id: column of distinct row ids; without it rows are called by their reduced formula.
        columns: kept as text; may be empty.
        numbers: numeric columns of the user's own, features; may be empty.
        where: (column, value): only rows with this value are taken.
        missing: words that stand for nothing, such as NULL.
        nan_is_compound: the formula NaN is sodium with nitrogen; else it may be nothing as pandas
            writes it, and a row with it and no structure is bad.
    """

    targets: Mapping[str, str]
    formula: str | None = None
    structure: str | None = None
    id: str | None = None
    columns: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    where: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    nan_is_compound: bool = False

    def __iter__(self) -> Iterator[str]:
        """The names of all columns there must be."""
        named = (self.formula, *self.targets, *self.columns, *self.numbers, self.structure, self.id)
        yield from (name for name in named if name is not None)
        yield from (name for name, _ in self.where)


def read(
    path: Path | str,
    name: str,
    wanted: Wanted,
    *,
    steps: Sequence[str] = (),
    rejects: Path | None = None,
    **notes: str,
) -> Dataset:
    """The rows of a file as a data set; nothing but the rejects is kept on disk.

    Args:
        path: its ending says how it is read; see ``source.reader``.
        name: of the data set.
        steps, rejects, notes: as for ``collect``; the source is the file's name, if not given.

    Raises:
        InputError: as ``collect``; or the file cannot be read.
    """
    path = Path(path)
    if rejects is not None and rejects.exists() and path.exists() and rejects.samefile(path):
        raise InputError(f"'{rejects}' is the file to read.", "Give --drop-bad another name.")
    notes["source"] = notes.get("source") or path.name
    with source.reader(path).open(path) as table:
        return collect(
            name,
            table,
            wanted,
            origin=str(path),
            steps=steps,
            rejects=rejects,
            folder=path.parent,
            **notes,
        )


def collect(
    name: str,
    table: RawTable,
    wanted: Wanted,
    *,
    origin: str,
    steps: Sequence[str] = (),
    rejects: Path | None = None,
    folder: Path = Path(),
    **notes: str,
) -> Dataset:
    """A data set of the rows of a table.

    Args:
        name: of the data set.
        wanted: what the columns mean.
        origin: what the table is called in messages, such as its path.
        steps: of cleaning, in order, as ``cleaning`` has them.
        rejects: CSV file for the bad rows, which are then left out; without it any bad row refuses
            the table.
        folder: what paths of CIF files start from.
        notes: title, source, licence, citation.

    Raises:
        InputError: a wrong wish, step or column; no rows; bad rows, which are counted, the first
            of them named by line and reason; or a step of cleaning that leaves none.
    """
    checked_name("data set", name)
    _check(wanted)
    cleaners = cleaning.parse(steps, targets=wanted.targets, ids=wanted.id is not None)
    if table.columns:
        _check_columns(wanted, origin, table.columns)
    with rejects_file(rejects, table.columns) as file:
        intake = _Intake(wanted, origin, folder, file)
        rows = intake.run(table, repeated_ids=cleaning.settles_ids(cleaners))
        rows, taken = cleaning.clean(rows, cleaners)
        return make(
            name,
            rows.formulas,
            rows.targets,
            wanted.targets,
            ids=rows.ids,
            reduced=rows.reduced,
            columns=rows.columns,
            numbers=rows.numbers,
            structures=rows.structures,
            steps=[*intake.steps(), *taken],
            **notes,
        )


def _check(wanted: Wanted) -> None:
    """Refuse what cannot be wished for."""
    if not wanted.targets:
        raise InputError("No target column was given.", "Name one: --target COL")
    for target, unit in wanted.targets.items():
        if not unit:
            raise InputError(f"The target '{target}' has no unit.", "Say it, such as eV/atom.")
    if wanted.formula is None and wanted.structure is None:
        raise InputError(
            "No column of formulas or structures was given.",
            "Name one: --formula COL or --structure COL",
        )
    numeric = [*wanted.targets, *wanted.numbers]
    twice = [name for name, count in Counter(numeric).items() if count > 1]
    if twice:
        raise InputError(
            f"The column {quoted(twice[0])} is wanted as a number twice, or as a target too.",
            "Name each column once in --target and --numbers.",
        )


def _check_columns(wanted: Wanted, origin: str, columns: Sequence[str]) -> None:
    """Refuse columns that a table does not have."""
    for name in wanted:
        if not name or name not in columns:
            raise no_column(origin, name, columns)


class _Intake:
    """A table being taken in: the good rows so far, and what became of the others."""

    def __init__(self, wanted: Wanted, origin: str, folder: Path, rejects: Rejects | None) -> None:
        self.wanted, self.origin, self.folder, self.rejects = wanted, origin, folder, rejects
        self.names = tuple(dict.fromkeys(wanted))
        self.good = Gathered(tuple(wanted.targets), wanted.numbers, wanted.columns)
        self.places: dict[str, str] = {}  # id -> where it stands
        self.count = self.bad = 0
        self.reasons: list[str] = []  # of the first bad rows
        self.passed_over = [0] * len(wanted.where)  # rows that each condition took

    def run(self, table: RawTable, *, repeated_ids: bool) -> Rows:
        """Take in all rows.

        Raises:
            InputError: there is none, or a bad one and no file for it.
        """
        unseen = set() if table.columns else set(self.names)
        known: set[str] = set()  # columns, for a message: not all, should each row have others
        narrow = None if self.rejects else table.only
        for row in narrow(self.names) if narrow else table.rows:
            self.count += 1
            if unseen and row.cells:
                unseen.difference_update(row.cells)
                known.update(row.cells if len(known) < _LISTED else ())
            try:
                self._take(row, repeated_ids)
            except BadRowError as reason:
                self._reject(row, str(reason))
        if unseen and known:
            name = next(name for name in self.names if name in unseen)
            raise no_column(self.origin, name, sorted(known))
        self._refuse(header=bool(table.columns))
        return self.good.rows()

    def _take(self, raw: RawRow, repeated_ids: bool) -> None:
        """Keep a row, unless it is bad or not asked for."""
        if raw.fault:
            raise BadRowError(raw.fault)
        for place, (name, value) in enumerate(self.wanted.where):
            if not cells.has(name, raw.cells.get(name), value):
                self.passed_over[place] += 1
                return
        row = self._row(raw)
        if self.wanted.id is not None and not repeated_ids:
            if row.id in self.places:
                raise BadRowError(
                    f"{self.wanted.id} {quoted(row.id)} is on {self.places[row.id]} too"
                )
            self.places[row.id] = raw.place
        self.good.add(row)

    def _row(self, raw: RawRow) -> Row:
        """What the cells of a row mean."""
        wanted = self.wanted
        found = {name: cells.cell(raw.cells, name, wanted.missing) for name in self.names}
        structure = self._structure(found)
        formula, reduced = self._formula(found, structure)
        row = Row(
            id="" if wanted.id is None else cells.text(wanted.id, found[wanted.id]),
            formula=formula,
            reduced=reduced,
            targets=[cells.number(name, found[name]) for name in wanted.targets],
            numbers=[cells.number_or_nan(name, found[name]) for name in wanted.numbers],
            columns=[cells.text(name, found[name]) for name in wanted.columns],
            structure=structure,
        )
        if wanted.id is not None and not row.id:
            raise BadRowError(f"{wanted.id} is missing")
        return row

    def _structure(self, found: Mapping[str, Any]) -> str:
        """The structure of a row; "" for none."""
        name = self.wanted.structure
        value = None if name is None else found[name]
        if value is None or value != value:  # a table of pandas has NaN for nothing
            return ""
        if not isinstance(value, str | Mapping):
            raise BadRowError(f"{name} is {cells.kind(value)}, not a structure")
        try:
            return from_cell(value, self.folder)
        except InputError as error:
            raise BadRowError(error.message.rstrip(".")) from None

    def _formula(self, found: Mapping[str, Any], structure: str) -> tuple[str, str]:
        """The formula of a row as given, and reduced; structure and formula agree."""
        inside = formula_of(structure) if structure else ""
        if self.wanted.formula is None:
            return inside, cells.reduced(str(self.wanted.structure), inside)
        formula = cells.text(self.wanted.formula, found[self.wanted.formula])
        if formula == "NaN" and not (inside or self.wanted.nan_is_compound):
            raise BadRowError(
                "'NaN' is nothing or a compound: say --missing NaN, or write the compound as Na1N1"
            )
        reduced = cells.reduced(self.wanted.formula, formula)
        if inside and cells.reduced(str(self.wanted.structure), inside) != reduced:
            raise BadRowError(f"{quoted(formula)} has a structure of {quoted(inside)}")
        return formula, reduced

    def _reject(self, row: RawRow, reason: str) -> None:
        self.bad += 1
        if len(self.reasons) < _SHOWN:
            self.reasons.append(f"{row.place}: {reason}")
        if self.rejects is not None:
            self.rejects.add(row, reason)

    def _refuse(self, header: bool) -> None:
        """Refuse a table with bad rows that may not be left out, or without any good one."""
        if self.bad and (self.rejects is None or not self.good):
            more = f"; and {self.bad - _SHOWN} more" if self.bad > _SHOWN else ""
            raise InputError(
                f"{self.bad} of {counted(self.count, 'row')} of {self.origin} cannot be used: "
                f"{'; '.join(self.reasons)}{more}.",
                "Nothing was imported. Correct or remove these rows and import again."
                if self.rejects is None
                else "No row is good: nothing was imported, and no file of rejects written.",
            )
        if not self.count:
            raise InputError(
                f"{self.origin} has {'a header and ' if header else ''}no rows.",
                "Give a file with at least one row.",
            )
        if not self.good:
            wanted = " and ".join(f"{name}={value}" for name, value in self.wanted.where)
            raise InputError(
                f"Of the {counted(self.count, 'row')} of {self.origin} none has {wanted}.",
                "Look at the values of that column, or leave out --where.",
            )

    def steps(self) -> list[Step]:
        """What took rows before any cleaning."""
        taken = [
            (f"where:{name}={value}", rows)
            for (name, value), rows in zip(self.wanted.where, self.passed_over, strict=True)
        ]
        taken += [("drop-bad", self.bad)] if self.bad else []
        steps, before = [], self.count
        for text, rows in taken:
            steps.append(Step(text, before, before - rows))
            before -= rows
        return steps
