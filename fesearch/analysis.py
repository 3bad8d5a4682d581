"""What an analysis is: numbers found in studies or exported models, and the pictures of them.

The numbers come first: ``find`` gives a `Finding`, which can be printed, kept as CSV or JSON, and
drawn by ``panels``. Each analysis is a module of ``analyses/`` that declares ``ANALYSIS``.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from fesearch.errors import InputError
from fesearch.registry import Registry
from fesearch.subject import Subject

if TYPE_CHECKING:
    from fesearch.figures import Panel
    from fesearch.splitspec import SplitSpec

Values: TypeAlias = Sequence[Any]
Reads = Literal["models", "searches", "series"]
LISTING = "fesearch analyse list"


@dataclass(frozen=True)
class Column:
    """A column of a table: what it is called, its values from top to bottom, their unit."""

    name: str
    values: Values
    unit: str = ""

    @property
    def heading(self) -> str:
        """Name and unit, in words."""
        words = self.name.replace("_", " ")
        return f"{words} ({self.unit})" if self.unit else words


@dataclass(frozen=True)
class Table:
    """Columns of one length."""

    columns: tuple[Column, ...]

    def __len__(self) -> int:
        return len(self.columns[0].values)

    def __getitem__(self, name: str) -> Values:
        return next(column.values for column in self.columns if column.name == name)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each row, name -> plain value."""
        names = [column.name for column in self.columns]
        values = zip(*(column.values for column in self.columns), strict=True)
        return (dict(zip(names, row, strict=True)) for row in values)

    def groups(self, name: str) -> dict[Any, "Table"]:
        """The rows of each value of a column, in the order of first occurrence."""
        places: dict[Any, list[int]] = {}
        for place, value in enumerate(self[name]):
            places.setdefault(value, []).append(place)
        return {
            value: Table(
                tuple(
                    Column(one.name, [one.values[row] for row in rows], one.unit)
                    for one in self.columns
                )
            )
            for value, rows in places.items()
        }

    @classmethod
    def of(cls, rows: Sequence[Sequence[Any]], *names: str | tuple[str, str]) -> "Table":
        """A table of rows; a name may stand with its unit."""
        named = [(one, "") if isinstance(one, str) else one for one in names]
        columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * len(named)
        return cls(
            tuple(
                Column(name, values, unit)
                for (name, unit), values in zip(named, columns, strict=True)
            )
        )


@dataclass(frozen=True)
class Finding:
    """What an analysis found.

    Attributes:
        summary: a line a model, a study or a family.
        detail: all numbers a picture is drawn from.
        note: on what the numbers are, in a sentence or two.
        part: of whose rows they are, as in `Settings`; empty where they are of no part.
        undrawn: pictures that there are no numbers for: why, and what to type to have them.
    """

    summary: Table
    detail: Table
    note: str
    part: str = ""
    undrawn: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Settings:
    """What may be asked of an analysis; each takes those its declaration names.

    Attributes:
        part: "validation", or "test" where a look at it is on record.
        repeats: how often something random is done.
        rows: at most so many rows are used, drawn at random.
        bins: number of bins.
    """

    part: Literal["validation", "test"] = "validation"
    repeats: int = 10
    rows: int = 5000
    bins: int = 12


@dataclass(frozen=True)
class Analysis:
    """One kind of analysis.

    Attributes:
        name: as typed, and the name of its module.
        title: a few words.
        question: what it answers, a sentence.
        source: the figure of a paper it is after; "fesearch" where there is none.
        reads: "models" (the best of each study, or exported ones), "searches" (all trials of
            studies) or "series" (several studies that differ in their division).
        example: what to type, the studies it needs included.
        find: subjects and settings -> numbers.
        panels: numbers -> pictures; imports matplotlib.
        takes: names of the settings it reads.
        of_predictions: all that it reads of a model is what that says of the rows of a part, which
            a look at the test part keeps.
        whole: of "series", what the divisions of one have in common: that of a study without what
            they differ in; None for a division that is in no series.
    """

    name: str
    title: str
    question: str
    source: str
    reads: Reads
    example: str
    find: Callable[[Sequence[Subject], Settings], Finding]
    panels: "Callable[[Finding], Sequence[Panel]]"
    takes: tuple[str, ...] = ()
    of_predictions: bool = False
    whole: "Callable[[SplitSpec], SplitSpec | None]" = lambda spec: None

    def settings(self, **given: Any) -> Settings:
        """Settings of what was given; None is not given.

        Raises:
            InputError: the analysis does not read one of them.
        """
        known = {field.name for field in fields(Settings)}
        asked = {name: value for name, value in given.items() if value is not None}
        assert asked.keys() <= known, "a setting that no analysis has"
        for name in asked:
            if name not in self.takes:
                reads = ", ".join(f"--{one}" for one in self.takes) or "none of these options"
                raise InputError(
                    f"The analysis '{self.name}' takes no --{name}.", f"It takes {reads}."
                )
        return Settings(**asked)


ANALYSES: Registry[Analysis] = Registry(
    "analysis", Analysis, "fesearch.analyses", "ANALYSIS", LISTING
)
