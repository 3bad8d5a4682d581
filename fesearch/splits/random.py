"""Rows drawn at random: 81:9:10 of Hong and Liu, 9:1 of IRNet with a validation part."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fesearch import groups, options
from fesearch.errors import InputError
from fesearch.groups import Groups
from fesearch.splitspec import SplitSpec

if TYPE_CHECKING:
    from fesearch.dataset import Dataset


@dataclass(frozen=True)
class RandomSplit(SplitSpec):
    """Groups of rows in an order drawn by ``seed`` fill test, then validation, then training.

    A group goes wholly to one part, so that the test and validation parts have their share of
    the rows or more by less than the largest group, and training has the rest.

    Attributes:
        seed: of the draw, a whole number.
        fractions: of the rows in train, val and test, in any proportion; test may be 0. Two
            numbers are train and test: a tenth of the first then validates (9:1 is 81:9:10).
        group: what stays on one side; see ``groups.by``.
    """

    kind = "random"

    seed: int = 0
    fractions: tuple[float, float, float] = (81, 9, 10)
    group: str = "formula"

    def __post_init__(self) -> None:
        self._set(
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
        groups.refuse_few(dataset)
        _, val, test = map(options.exact, self.fractions)
        count, total = len(dataset), sum(map(options.exact, self.fractions))
        in_test = groups.first(np.ones(count, dtype=bool), count * test / total, self.salt)
        in_val = groups.first(~in_test, count * val / total, self.salt)
        return np.select([in_test, in_val], ["test", "val"], "train")


KIND = RandomSplit


def read_fractions(given: object) -> tuple[float, float, float]:
    """Train, val, test from "81:9:10" or a list of three numbers, or of two, train and test.

    Raises:
        InputError: they are other than that, or leave no rows to train or validate on.
    """
    words = given.split(":") if isinstance(given, str) else given
    try:
        numbers = [float(word) for word in words]  # type: ignore[attr-defined]
        if len(numbers) == 2:
            numbers = [9 * numbers[0], numbers[0], 10 * numbers[1]]
        train, val, test = numbers
    except (TypeError, ValueError, OverflowError):
        raise InputError(
            f"The split fractions are {given!r}.",
            "Give three numbers, such as 81:9:10, or train and test, such as 9:1.",
        ) from None
    if not (0 < train < np.inf and 0 < val < np.inf and 0 <= test < np.inf):
        raise InputError(
            f"The split fractions {train:g}:{val:g}:{test:g} leave no rows to train on or to "
            f"validate on, or are negative.",
            "Give train:val:test with train and val above 0, such as 81:9:10 or 90:10:0.",
        )
    return train, val, test
