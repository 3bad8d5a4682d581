"""CatBoost's binary file: a FlatBuffer of splits, leaves, and the borders of the features.

CatBoost verifies that every list lies in the file, and follows the numbers in the lists. The fields
are numbered as in ``catboost/libs/model/flatbuffers/model.fbs``.
"""

import json

import numpy as np

from fesearch.arrays import broken
from fesearch.classical.boosters.flatbuffer import Table
from fesearch.classical.boosters.nodes import check_features

MARK = b"CBM1"
TREES, INFORMATION, MORE = 1, 2, 3
DIMENSION, SPLITS, SIZES, STARTS, FLOATS, LEAVES, WEIGHTS = 0, 1, 2, 3, 5, 8, 9
STEPS, LEAF_OF, BIASES, BINS = 10, 11, 16, 17
OTHER_FEATURES = (4, 6, 7, 12, 13, 18)
"""Categories, their encodings, texts and embeddings."""

INDEX, FLAT_INDEX, BORDERS, NAME, MISSING = 1, 2, 3, 4, 5
MOST_BORDERS = 254
"""Borders of a feature at most: more of them take more than one byte of a row."""

DEEPEST = 16
NO_LEAF = 0xFFFFFFFF
BIN = np.dtype([("feature", "<u2"), ("flip", "u1"), ("border", "u1")])


def check(content: bytes) -> None:
    """Refuse a booster that CatBoost should not read.

    Raises:
        InputError: it is none, of another kind than ``families/catboost.py`` grows, or a walk down
            its trees could leave them or read no feature.
    """
    try:
        if content[:4] != MARK or int.from_bytes(content[4:8], "little") != len(content) - 8:
            raise ValueError
        _check(Table.root(content[8:]))
    except (ValueError, RecursionError) as error:  # ValueError: of bytes, UTF-8 and JSON
        raise broken("CatBoost cannot read a booster.") from error


def _check(core: Table) -> None:
    if core.vector(MORE, "<u4").size:
        raise broken("A booster has more than trees.")
    for entry in core.tables(INFORMATION):
        value = entry.vector(1, "u1").tobytes().decode()
        if value.startswith("{"):
            json.loads(value)  # as deep as Python reads it, CatBoost reads it too
    trees = core.table(TREES)
    if trees.number(DIMENSION, "<i", 0) != 1 or trees.vector(BIASES, "<f8").size != 1:
        raise broken("A booster has more than one target.")
    if any(trees.vector(field, "<u4").size for field in OTHER_FEATURES):
        raise broken("A booster looks at something else than numbers.")
    _check_splits(trees, _borders(trees))
    _check_walk(trees)


def _borders(trees: Table) -> np.ndarray:
    """Borders of each feature, (d,)."""
    features = trees.tables(FLOATS)
    for number, feature in enumerate(features):
        places = (feature.number(INDEX, "<i", -1), feature.number(FLAT_INDEX, "<i", -1))
        if places != (number, number) or feature.place(NAME) is not None:
            raise broken("The features of a booster have an order or names of their own.")
        if not 0 <= feature.number(MISSING, "<b", 0) <= 2:
            raise broken("A feature of a booster treats missing values in a way of its own.")
    found = np.array([feature.vector(BORDERS, "<f4").size for feature in features], np.int64)
    if np.any(found > MOST_BORDERS):
        raise broken(f"A feature of a booster has more than {MOST_BORDERS} borders.")
    return found


def _check_splits(trees: Table, borders: np.ndarray) -> None:
    """Each split is a border, counted over all features; and by its feature and place there."""
    splits, bins = trees.vector(SPLITS, "<i4"), trees.vector(BINS, BIN)
    if not borders.any():  # as CatBoost leaves trees that were grown where nothing is to be split
        named = splits.any() or bins["feature"].any() or bins["flip"].any()
        if named or bins.shape != splits.shape or np.any(bins["border"] > 1):
            raise broken("The splits of a booster are not those of its borders.")
        return
    check_features(splits, int(borders.sum()))
    ends = np.cumsum(borders[borders > 0])
    feature = np.searchsorted(ends, splits, "right")
    border = splits - np.concatenate([[0], ends])[feature] + 1
    same = [bins["feature"] == feature, bins["border"] == border, bins["flip"] == 0]
    if bins.shape != splits.shape or not np.all(same):
        raise broken("The splits of a booster are not those of its borders.")


def _check_walk(trees: Table) -> None:
    sizes, starts = trees.vector(SIZES, "<i4").astype(np.int64), trees.vector(STARTS, "<i4")
    values, weights = trees.vector(LEAVES, "<f8"), trees.vector(WEIGHTS, "<f8")
    ends = np.cumsum(sizes)
    splits = trees.vector(SPLITS, "<i4").size
    if np.any(sizes < 0) or not np.array_equal(starts, ends - sizes) or sizes.sum() != splits:
        raise broken("The trees of a booster do not divide its splits.")
    if weights.size not in (0, values.size):
        raise broken("The leaves of a booster do not have a weight each.")
    steps = trees.vector(STEPS, "<u4").view("<u2").reshape(-1, 2)  # left, right
    leaf_of = trees.vector(LEAF_OF, "<u4")
    if steps.size or leaf_of.size:
        _check_free(steps, leaf_of, np.repeat(ends, sizes), values.size)
    elif np.any(sizes > DEEPEST) or np.sum(1 << sizes) != values.size:
        raise broken("The leaves of a booster are not those of its trees.")


def _check_free(steps: np.ndarray, leaf_of: np.ndarray, end: np.ndarray, leaves: int) -> None:
    """Nodes with two steps forward to their children, of which 0 ends in the leaf of the node."""
    if not len(steps) == len(leaf_of) == len(end):
        raise broken("The leaves of a booster are not those of its trees.")
    if np.any(np.arange(len(steps))[:, None] + steps >= end[:, None]):
        raise broken("A node of a booster has a child before itself or outside its tree.")
    last = np.any(steps == 0, axis=1)
    if not np.array_equal(leaf_of[last], np.arange(leaves)) or np.any(leaf_of[~last] != NO_LEAF):
        raise broken("A leaf of a booster is not in its tree, or in two places of it.")
