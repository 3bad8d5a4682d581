"""Regression trees as arrays: compact to keep, checked before use, predicted with NumPy alone.

A forged scikit-learn tree can crash the process, and pickles run code; these arrays can do neither.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from fesearch.arrays import Arrays, Layout, broken, check

ROWS = 65536
"""Rows that walk a tree at once: bounds the memory of a prediction."""


@dataclass(frozen=True)
class Trees:
    """Some trees, their nodes one after another in scikit-learn's order, depth first.

    In that order the left child of a split stands right behind it, so only the right one is kept.

    Attributes:
        offsets: (trees + 1,) int64; the nodes of tree t are offsets[t] … offsets[t + 1] - 1.
        right: (nodes,) int32; right child, counted from the tree's first node; 0 in a leaf.
        feature: (nodes,) int32; the feature a split looks at; -1 in a leaf.
        number: (nodes,) float64; a split's threshold (left if feature <= threshold), or a leaf's
            prediction in the unit of the target.
    """

    offsets: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    number: np.ndarray

    @property
    def count(self) -> int:
        """Number of trees."""
        return len(self.offsets) - 1

    @property
    def nodes(self) -> int:
        """Number of nodes of all trees."""
        return len(self.right)

    @classmethod
    def of(cls, estimators: Any, columns: Any = None) -> "Trees":
        """The trees of fitted scikit-learn regressors of one target.

        Args:
            columns: for each tree, the features (d,) it was given, by number; None: all.
        """
        trees = [estimator.tree_ for estimator in estimators]
        for tree in trees:
            split = np.flatnonzero(tree.feature >= 0)
            if not np.array_equal(tree.children_left[split], split + 1):
                raise RuntimeError("scikit-learn no longer numbers the nodes of a tree depth first")
        leaf = [tree.feature < 0 for tree in trees]
        pairs = list(zip(trees, leaf, strict=True))
        looked_at = [tree.feature for tree in trees]
        if columns is not None:
            looked_at = [
                given[np.maximum(f, 0)] for given, f in zip(columns, looked_at, strict=True)
            ]
        return cls(
            offsets=np.cumsum([0, *(tree.node_count for tree in trees)], dtype=np.int64),
            right=np.concatenate(
                [np.where(end, 0, t.children_right) for t, end in pairs],
                dtype="i4",
                casting="unsafe",
            ),
            feature=np.concatenate(
                [np.where(end, -1, f) for end, f in zip(leaf, looked_at, strict=True)],
                dtype="i4",
                casting="unsafe",
            ),
            number=np.concatenate(
                [np.where(end, t.value[:, 0, 0], t.threshold) for t, end in pairs]
            ),
        )

    @classmethod
    def from_arrays(cls, arrays: Arrays, *, width: int) -> "Trees":
        """The trees that ``arrays()`` gave, for features (n, width).

        Raises:
            InputError: a walk down them could leave a tree, go round, or read no feature.
        """
        count, nodes = (np.size(arrays.get(name, ())) for name in ("offsets", "right"))
        whole = Layout((nodes,), np.dtype(np.int32))
        expected = {
            "offsets": Layout((count,), np.dtype(np.int64)),
            "right": whole,
            "feature": whole,
            "number": Layout((nodes,), np.dtype(np.float64)),
        }
        check(arrays, expected, "forest")
        trees = cls(**arrays)
        trees._check_offsets()
        trees._check_nodes(width)
        return trees

    def arrays(self) -> dict[str, np.ndarray]:
        """Its four arrays by name, not copied."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def add(self, x: np.ndarray, total: np.ndarray) -> None:
        """Add each tree's predictions for x (n, width) float32, finite, to total (n,) float64."""
        for start in range(0, len(x), ROWS):
            rows = slice(start, start + ROWS)
            for tree in range(self.count):
                self._add_one(tree, x[rows], total[rows])

    def each(self, x: np.ndarray) -> np.ndarray:
        """The prediction of each tree, (n, trees) float64, for x (n, width) float32, finite."""
        found = np.zeros((self.count, len(x)))
        for tree in range(self.count):
            self._add_one(tree, x, found[tree])
        return found.T

    def _add_one(self, tree: int, x: np.ndarray, total: np.ndarray) -> None:
        nodes = slice(self.offsets[tree], self.offsets[tree + 1])
        right, feature, number = self.right[nodes], self.feature[nodes], self.number[nodes]
        walking = np.arange(len(x))
        at = np.zeros(len(x), np.int64)
        while walking.size:
            looked_at = feature[at]
            ended = looked_at < 0
            total[walking[ended]] += number[at[ended]]
            going = ~ended
            walking, at, looked_at = walking[going], at[going], looked_at[going]
            to_left = x[walking, looked_at] <= number[at]
            at = np.where(to_left, at + 1, right[at])

    def _check_offsets(self) -> None:
        rising = bool(np.all(self.offsets[1:] > self.offsets[:-1]))  # a difference could overflow
        if self.count < 1 or not rising or (self.offsets[0], self.offsets[-1]) != (0, self.nodes):
            raise broken("The offsets of the forest do not divide its nodes into trees.")

    def _check_nodes(self, width: int) -> None:
        sizes = np.diff(self.offsets)
        index = np.arange(self.nodes) - np.repeat(self.offsets[:-1], sizes)
        size = np.repeat(sizes, sizes)
        leaf = self.feature == -1
        if np.any((self.feature < -1) | (self.feature >= width)):
            raise broken(f"A node of the forest looks at a feature outside 0 … {width - 1}.")
        if np.any(~leaf & ((self.right <= index + 1) | (self.right >= size))):
            raise broken("A node of the forest has a child before itself or outside its tree.")
        if np.any(leaf & (self.right != 0)):
            raise broken("A leaf of the forest has a child.")
        if not np.isfinite(self.number).all():
            raise broken("A threshold or prediction of the forest is not finite.")
