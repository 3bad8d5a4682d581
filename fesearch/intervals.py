"""Prediction intervals that hold without an assumption about the errors: split conformal ones.

Lei et al., "Distribution-Free Predictive Inference for Regression", J. Am. Stat. Assoc. 113, 1094
(2018), doi:10.1080/01621459.2017.1307116: a new row, exchangeable with the n calibration rows, is
within the k-th smallest of their absolute errors with probability ``level`` or more, where
k = ⌈(n + 1) level⌉. Where an ensemble has a spread, errors are divided by it first (their section
5.2), so that intervals are wider where its members disagree.

Here the calibration rows are the validation part, which also chose the model and where its training
stopped. Its errors are a little too small for that, so intervals cover a little less than they say;
what they cover of the test part is measured with ``Calibration.coverage``.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import numpy as np

from fesearch.arrays import Arrays, Layout, broken, check, check_finite
from fesearch.errors import InputError

LEVELS = (0.5, 0.8, 0.9, 0.95)
"""Those that cards and reports show."""


@dataclass(frozen=True)
class Coverage:
    """What the intervals of one level did on rows with known targets.

    Attributes:
        level: share that they should cover.
        covered: share that they do.
        rows: number of rows.
        width: mean, from lower to upper, in the unit of the target.
    """

    level: float
    covered: float
    rows: int
    width: float


@dataclass(frozen=True, eq=False)
class Calibration:
    """The errors of a model on rows that it was not trained on.

    Attributes:
        scores: (n,) float64, ascending; absolute errors in the unit of the target, or where there
            is a floor, absolute errors / (spread + floor).
        floor: keeps intervals from vanishing where the members agree by chance; in the unit of the
            target. None: there is no spread, and all intervals are of one width.
    """

    scores: np.ndarray
    floor: float | None = None

    @classmethod
    def of(
        cls, truth: np.ndarray, prediction: np.ndarray, spread: np.ndarray | None = None
    ) -> "Calibration":
        """The calibration by n rows.

        Args:
            truth, prediction: (n,).
            spread: (n,) standard deviation between the members of an ensemble. The floor is its
                median; one that is zero is no spread.
        """
        errors = np.abs(np.asarray(prediction, np.float64) - truth)
        floor = None if spread is None else float(np.median(spread))
        if spread is None or not floor:
            return cls(np.sort(errors))
        return cls(np.sort(errors / (spread + floor)), floor)

    @classmethod
    def from_arrays(cls, arrays: Arrays, *, rows: int, floor: float | None) -> "Calibration":
        """The calibration that ``arrays()`` gave, with what the card says of it.

        Raises:
            InputError: they are not the ascending errors of so many rows.
        """
        check(arrays, {"scores": Layout((rows,), np.dtype(np.float64))}, "calibration")
        check_finite(arrays, "calibration")
        scores = arrays["scores"]
        if not rows or scores[0] < 0 or (np.diff(scores) < 0).any():
            raise broken("The scores of the calibration are not ascending errors.")
        if floor is not None and floor <= 0:
            raise broken(f"The floor of the calibration is {floor:g}.")
        return cls(scores, floor)

    def arrays(self) -> dict[str, np.ndarray]:
        """Its array by name."""
        return {"scores": self.scores}

    def half_width(self, level: float, spread: np.ndarray | None = None) -> np.ndarray:
        """Half of the width of intervals, in the unit of the target.

        Args:
            level: share of rows that they are to cover, between 0 and 1.
            spread: (n,) of the rows asked for, where there is a floor.

        Returns:
            (n,), or () where all are of one width.

        Raises:
            InputError: the level is none, or there are too few calibration rows for it.
        """
        score = self.scores[self._place(level) - 1]
        if self.floor is None:
            return np.asarray(score)
        assert spread is not None, "a floor is there because there was a spread"
        return np.asarray(score * (spread + self.floor))

    def coverage(
        self,
        level: float,
        truth: np.ndarray,
        prediction: np.ndarray,
        spread: np.ndarray | None = None,
    ) -> Coverage:
        """How many of n other rows are within their intervals, and how wide these are.

        Raises:
            InputError: as ``half_width``.
        """
        half = self.half_width(level, spread)
        inside = np.abs(np.asarray(prediction, np.float64) - truth) <= half
        return Coverage(level, float(inside.mean()), len(inside), 2 * float(np.mean(half)))

    def coverages(
        self, truth: np.ndarray, prediction: np.ndarray, spread: np.ndarray | None = None
    ) -> list[Coverage]:
        """The same of each level in ``LEVELS`` that there are calibration rows enough for."""
        return [self.coverage(one, truth, prediction, spread) for one in self.levels]

    @property
    def levels(self) -> list[float]:
        """Those in ``LEVELS`` that there are calibration rows enough for."""
        most = Fraction(len(self.scores), len(self.scores) + 1)
        return [level for level in LEVELS if Fraction(repr(level)) <= most]

    def _place(self, level: float) -> int:
        """Which of the scores bounds a level, from 1; exact, as 0.9 is not in floating point."""
        if not 0 < level < 1:
            raise InputError(
                f"An interval cannot cover a share of {level:g}.",
                "Give a number between 0 and 1, such as --interval 0.9",
            )
        asked = Fraction(repr(float(level)))
        place = ceil((len(self.scores) + 1) * asked)
        if place > len(self.scores):
            most = Fraction(len(self.scores), len(self.scores) + 1)
            raise InputError(
                f"An interval that covers {level:g} takes {ceil(asked / (1 - asked))} validation "
                f"rows; this model was calibrated on {len(self.scores)}.",
                f"Give --interval {int(most * 1000) / 1000:g} or less.",
            )
        return place
