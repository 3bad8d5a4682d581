"""How sure a mean over divisions is, from the predictions that looks at its members have left."""

from collections.abc import Sequence

import numpy as np

from fesearch.predictions import Predictions
from fesearch.statistics import bootstrap_interval_of_means, in_blocks

BLOCKS = 2000
"""Formulas beyond so many are drawn in blocks."""


def interval(members: Sequence[Sequence[Predictions]]) -> tuple[float, float]:
    """The 95 % interval of the mean over members of the MAE, from formulas drawn with replacement.

    A formula that several members test is drawn with its rows in all of them.

    Args:
        members: the predictions of each member's test rows, one a seed.
    """
    each = [one for member in members for one in member]
    block = in_blocks(_formulas(each), BLOCKS)
    member = np.repeat(
        np.repeat(np.arange(len(members)), [len(seeds) for seeds in members]),
        [len(one.rows) for one in each],
    )
    sums, counts = np.zeros((2, int(block.max()) + 1, len(members)))
    np.add.at(sums, (block, member), np.concatenate([one.errors for one in each]))
    np.add.at(counts, (block, member), 1.0)
    return bootstrap_interval_of_means(sums, counts)


def _formulas(each: Sequence[Predictions]) -> np.ndarray:
    """A label for each row of all in turn, equal where any of them knows the formula to be."""
    rows = np.concatenate([one.rows for one in each])
    theirs, count = np.empty(len(rows), np.int64), 0
    for at, one in zip(np.cumsum([len(one.rows) for one in each]), each, strict=True):
        known, groups = np.unique(one.groups, return_inverse=True)
        theirs[at - len(groups) : at] = groups + count
        count += len(known)
    _, places = np.unique(rows, return_inverse=True)
    labels, before = places, None
    while before is None or (labels != before).any():
        before = labels
        labels = _least(_least(labels, theirs), places)
    return labels


def _least(labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """For each row the least label in its group."""
    least = np.full(int(groups.max()) + 1, labels.max())
    np.minimum.at(least, groups, labels)
    return np.asarray(least[groups])
