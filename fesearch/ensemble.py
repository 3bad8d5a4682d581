"""Which models to average: greedy forward selection, with replacement, on the validation part.

Caruana et al., "Ensemble Selection from Libraries of Models", ICML 2004,
doi:10.1145/1015330.1015432: begin with the best model, then add again and again the one, chosen
before or not, that most improves the mean. A model that is chosen often gets a large weight.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fesearch.errors import InputError
from fesearch.metrics import Metric

ROUNDING = 1e-12
"""Of a score."""


@dataclass(frozen=True)
class Selection:
    """What was chosen.

    Attributes:
        picks: (m,) how often each of the m models was.
        score: of the mean, on the rows it was selected by, and therefore too good.
    """

    picks: tuple[int, ...]
    score: float


def select(
    predictions: Sequence[np.ndarray], truth: np.ndarray, metric: Metric, size: int
) -> Selection:
    """Choose ``size`` times among m models; what was chosen after the best mean is left out.

    A mean that is better by no more than rounding is no better: that of one model with itself is.

    Args:
        predictions: of each model, (n,).
        truth: (n,).

    Raises:
        InputError: no model, or a size below 1.
    """
    if not predictions or size < 1:
        raise InputError(
            f"An ensemble of {size} cannot be selected from {len(predictions)} models.",
            "Give --ensemble 1 or more, and a study with usable trials.",
        )
    sign = 1.0 if metric.direction == "minimize" else -1.0
    total = np.zeros(len(truth))
    chosen: list[int] = []
    best, kept = np.inf, 0
    for count in range(1, size + 1):
        scores = [sign * metric(truth, (total + one) / count) for one in predictions]
        pick = int(np.argmin(scores))
        chosen.append(pick)
        total += predictions[pick]
        if kept == 0 or scores[pick] < best - ROUNDING * abs(best):
            best, kept = scores[pick], count
    picks = tuple(chosen[:kept].count(model) for model in range(len(predictions)))
    return Selection(picks, sign * best)


def mean_and_spread(
    predictions: Sequence[np.ndarray], picks: Sequence[int]
) -> tuple[np.ndarray, np.ndarray | None]:
    """The weighted mean of m models and their standard deviation about it, both (n,).

    One model has no spread, and its predictions are its own to the last bit.
    """
    if len(predictions) == 1:
        return predictions[0], None
    weights = [pick / sum(picks) for pick in picks]
    mean, square = np.zeros(len(predictions[0])), np.zeros(len(predictions[0]))
    for weight, one in zip(weights, predictions, strict=True):  # a row's sums, whatever its place
        mean += weight * one
    for weight, one in zip(weights, predictions, strict=True):
        square += weight * np.square(one - mean)
    return mean, np.sqrt(square)
