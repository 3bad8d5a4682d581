"""Divisions that others have made, as columns of roles: the folds of a benchmark, for instance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fesearch import options
from fesearch.errors import InputError
from fesearch.groups import Groups
from fesearch.registry import unknown
from fesearch.splitspec import Role, SplitSpec

if TYPE_CHECKING:
    from fesearch.dataset import Dataset


@dataclass(frozen=True)
class ColumnSplit(SplitSpec):
    """The roles stand in a text column of the data set; an empty cell is a row not used.

    ``train`` draws by reduced formula; whether formulas cross the parts is up to the column.

    Attributes:
        column: its name, or the names of several, each of which is a member. They hold train, val
            (or valid, validation) and test. In the text form names have + between them, and a +
            in a name is written %2B.
    """

    kind = "column"

    column: str | tuple[str, ...] = ()

    _WORDS: ClassVar[Mapping[str, Role]] = {
        "": "",
        "train": "train",
        "val": "val",
        "valid": "val",
        "validation": "val",
        "test": "test",
    }

    def __post_init__(self) -> None:
        given = (self.column,) if isinstance(self.column, str) else self.column
        if not isinstance(given, list | tuple) or not given or not all(map(_is_name, given)):
            raise InputError("A split by column names no column.", "Type: --split column:NAME")
        self._set(column=tuple(given))
        super().__post_init__()

    @classmethod
    def _read(cls, text: str) -> dict[str, Any]:
        names, _, rest = text.partition(",")
        column = tuple(map(options.unescaped, names.split("+")))
        return {"column": column} | super()._read(rest)

    def __str__(self) -> str:
        return self._text("+".join(options.escaped(name, also="+") for name in self.column))

    @property
    def count(self) -> int | None:
        return len(self.column) if len(self.column) > 1 else None

    @property
    def salt(self) -> str:
        return self.column[self.drawn_as]

    @property
    def grouping(self) -> str:
        return "formula"

    def roles(self, dataset: "Dataset", groups: Groups) -> np.ndarray:
        name = self.column[self.drawn_as]
        if name not in dataset.columns:
            listing = f"fesearch data show {dataset.name}"
            raise unknown("column of roles", name, dataset.columns, listing)
        cells = dataset.columns[name]
        wrong = [row for row, cell in enumerate(cells) if cell not in self._WORDS]
        if wrong:
            word = cells[wrong[0]]
            ids = [dataset.ids[row] for row in wrong if cells[row] == word]
            raise InputError(
                f"Column '{name}' says '{word}' in {len(ids)} row(s): {_few(ids)}.",
                "Each cell is train, val, test or empty (row not used).",
            )
        return np.array([self._WORDS[cell] for cell in cells], dtype="<U5")


KIND = ColumnSplit


def _is_name(given: object) -> bool:
    return isinstance(given, str) and given != ""


def _few(words: Sequence[str], most: int = 5) -> str:
    rest = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + rest
