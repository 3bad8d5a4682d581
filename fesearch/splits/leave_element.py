"""How much of an element a model must have seen: Hong and Liu, Fig. 4."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fesearch import formula, groups, options
from fesearch.errors import InputError
from fesearch.groups import Groups
from fesearch.registry import unknown
from fesearch.splits.random import RandomSplit, read_fractions
from fesearch.splitspec import SplitSpec

if TYPE_CHECKING:
    from fesearch.dataset import Dataset


@dataclass(frozen=True)
class LeaveElementSplit(SplitSpec):
    """The division of ``random``, with few training and validation rows of one element.

    Of the training and validation rows with the element a share is kept and the rest is not used;
    a larger share contains a smaller one. The test part is that of ``random``, whatever the share,
    so that errors at different shares are errors on the same rows.

    Attributes:
        element: its symbol.
        kept: share of these rows, from 0 to 1, by groups in an order drawn by ``seed``.
        seed, fractions, group: as of ``random``.
    """

    kind = "leave_element"

    element: str = ""
    kept: float = 0.1
    seed: int = 0
    fractions: tuple[float, float, float] = (81, 9, 10)
    group: str = "formula"

    def __post_init__(self) -> None:
        example = "--split leave_element:element=Mg,kept=0.1"
        if not self.element:
            raise InputError("A split by element names none.", f"Type: {example}")
        if self.element not in formula.ELEMENTS:
            raise unknown("element", str(self.element), formula.ELEMENTS, example)
        wanted = "a share from 0 to 1, such as kept=0.1"
        self._set(
            kept=options.number("kept", self.kept, lambda share: 0 <= share <= 1, wanted),
            seed=options.whole("seed", self.seed, example=0),
            fractions=read_fractions(self.fractions),
            group=groups.checked(self.group),
        )
        super().__post_init__()

    @property
    def salt(self) -> str:
        return str(self.seed)

    @property
    def grouping(self) -> str:
        return self.group

    def roles(self, dataset: "Dataset", groups: Groups) -> np.ndarray:
        symbol = re.compile(rf"{self.element}(?![a-z])")
        having = np.array([symbol.search(text) is not None for text in dataset.reduced])
        if not having.any():
            raise InputError(
                f"No row of '{dataset.name}' contains {self.element}.",
                f"See its elements: fesearch data show {dataset.name}",
            )
        roles = RandomSplit(self.seed, self.fractions, self.group).roles(dataset, groups)
        seen = having & (roles != "test")
        wanted = int(seen.sum()) * options.exact(self.kept)
        roles[seen & ~groups.first(seen, wanted, f"kept|{self.salt}")] = ""
        return roles


KIND = LeaveElementSplit
