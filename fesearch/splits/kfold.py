"""Cross-validation: every row is a test row once."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fesearch import groups, options
from fesearch.errors import InputError
from fesearch.groups import FEWEST, Groups
from fesearch.splitspec import SplitSpec

if TYPE_CHECKING:
    from fesearch.dataset import Dataset


@dataclass(frozen=True)
class KFoldSplit(SplitSpec):
    """Groups in an order drawn by ``seed``, cut into k folds; member i has fold i as its test part.

    The groups behind that fold, and from the last on those at the beginning, are the validation
    part, then training. So member 0 of k=10 is ``random`` with fractions=81:9:10 and that seed.
    A group goes wholly to the fold that its first row falls into, so that folds differ from a k-th
    of the rows by less than the largest group.

    Attributes:
        k: how many folds, at least 2.
        seed: of the draw, a whole number.
        val: share of the rows outside the fold that are the validation part.
        group: what stays on one side; see ``groups.by``.
    """

    kind = "kfold"

    k: int = 5
    seed: int = 0
    val: float = 0.1
    group: str = "formula"

    def __post_init__(self) -> None:
        wanted = "a share between 0 and 1, such as val=0.1"
        self._set(
            k=options.whole("k", self.k, least=2, example=5),
            seed=options.whole("seed", self.seed, example=0),
            val=options.number("val", self.val, lambda share: 0 < share < 1, wanted),
            group=groups.checked(self.group),
        )
        super().__post_init__()

    @property
    def count(self) -> int:
        return self.k

    @property
    def salt(self) -> str:
        return f"{self.seed}|{self.member}"

    @property
    def grouping(self) -> str:
        return self.group

    def roles(self, dataset: "Dataset", groups: Groups) -> np.ndarray:
        groups.refuse_few(dataset, max(FEWEST, self.k))
        count = len(dataset)
        before = groups.before(np.ones(count, dtype=bool), str(self.seed))
        fold = before * self.k // count == self.member
        in_test = fold[groups.of]
        if not in_test.any():
            raise InputError(
                f"The division {self} of '{dataset.name}' leaves the test part empty.",
                f"One group has more than a fold of the rows: give less than k={self.k}.",
            )
        tested = int(in_test.sum())
        behind = (before - before[fold].min() - tested) % count
        wanted = math.ceil((count - tested) * options.exact(self.val))
        in_val = ~in_test & (behind < wanted)[groups.of]
        return np.select([in_test, in_val], ["test", "val"], "train")


KIND = KFoldSplit
