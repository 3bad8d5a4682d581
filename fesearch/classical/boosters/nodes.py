"""Nodes of one tree as arrays from elsewhere: whether a walk down them can leave the tree."""

import re

import numpy as np

from fesearch.arrays import broken

NUMBERS = re.compile(r"(?:-?[0-9]++(?: -?[0-9]++)*+)?")


def whole_numbers(words: str, count: int, what: str) -> np.ndarray:
    """``count`` whole numbers with single spaces between them, (count,) int64.

    Raises:
        InputError: it is anything else; ``what`` names the list.
    """
    if NUMBERS.fullmatch(words):
        found = np.fromstring(words, np.int64, sep=" ")  # one too large becomes the largest
        if found.size == count:
            return found
    raise broken(f"The list '{what}' of a booster is not {count} whole numbers.")


def check_features(feature: np.ndarray, width: int) -> None:
    """Refuse splits that look at a feature outside 0 … width - 1."""
    if feature.size and not (feature.min() >= 0 and feature.max() < width):
        raise broken(f"A split of a booster looks at a feature outside 0 … {width - 1}.")


def check_children(parent: np.ndarray, child: np.ndarray, nodes: int) -> None:
    """Refuse children (n,) that come before their parent, or more or less than once each.

    Every node but the first is a child, so that a walk from the first one ends in this tree.
    """
    if np.any(child <= parent) or not np.array_equal(np.sort(child), np.arange(1, nodes)):
        raise broken("A node of a booster has a child before itself or outside its tree.")
