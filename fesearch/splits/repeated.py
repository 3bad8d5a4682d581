"""Several random divisions: Hong and Liu report mean and deviation over five."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fesearch import groups, options
from fesearch.groups import Groups
from fesearch.splits.random import RandomSplit, read_fractions
from fesearch.splitspec import SplitSpec

if TYPE_CHECKING:
    from fesearch.dataset import Dataset


@dataclass(frozen=True)
class RepeatedSplit(SplitSpec):
    """Independent random divisions; member i is the one of ``random`` with ``seed`` + i.

    Attributes:
        divisions: how many, at least 2.
        seed: of the first.
        fractions, group: as of ``random``.
    """

    kind = "repeated"

    divisions: int = 5
    seed: int = 0
    fractions: tuple[float, float, float] = (81, 9, 10)
    group: str = "formula"

    def __post_init__(self) -> None:
        self._set(
            divisions=options.whole("divisions", self.divisions, least=2, example=5),
            seed=options.whole("seed", self.seed, example=0),
            fractions=read_fractions(self.fractions),
            group=groups.checked(self.group),
        )
        super().__post_init__()

    @property
    def count(self) -> int:
        return self.divisions

    @property
    def salt(self) -> str:
        return self._drawn.salt

    @property
    def _drawn(self) -> RandomSplit:
        return RandomSplit(self.seed + self.drawn_as, self.fractions, self.group)

    @property
    def grouping(self) -> str:
        return self.group

    def roles(self, dataset: "Dataset", groups: Groups) -> np.ndarray:
        return self._drawn.roles(dataset, groups)


KIND = RepeatedSplit
