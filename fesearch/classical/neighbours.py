"""The mean of the nearest training rows."""

from typing import Any

import numpy as np

from fesearch.arrays import Arrays, Layout, broken, check, check_finite, section
from fesearch.scaling import Scaling

ROWS = 8192
"""Rows whose neighbours are looked for at once: bounds the memory of a prediction."""


class NeighboursPredictor:
    """Training rows and their targets; implements ``family.Predictor``.

    Args:
        arrays: rows (m, d) in standardised units, target (m,), and the scaling.
        neighbours: how many nearest rows are averaged; all where there are no more.
        metric: euclidean or manhattan.
        by_distance: whether a row counts by the inverse of its distance, an equal one alone.
        width: number of features, d.
        threads: of OpenMP and BLAS.

    Raises:
        InputError: the arrays are not such a model of this width.
    """

    def __init__(
        self,
        arrays: Arrays,
        *,
        neighbours: int,
        metric: str,
        by_distance: bool,
        width: int,
        threads: int,
    ) -> None:
        from sklearn.neighbors import NearestNeighbors

        own = {name: array for name, array in arrays.items() if not name.startswith("scaling.")}
        count = np.size(own.get("target", ()))
        expected = {
            "rows": Layout((count, width), np.dtype(np.float32)),
            "target": Layout((count,), np.dtype(np.float64)),
        }
        check(own, expected, "model")
        check_finite(own, "model")
        if count == 0:
            raise broken("The model has no training row.")
        self._target = own["target"]
        self._scaling = Scaling.from_arrays(section(arrays, "scaling."), width=width)
        self._by_distance, self._threads = by_distance, threads
        self._search: Any = NearestNeighbors(
            n_neighbors=min(neighbours, count), algorithm="brute", metric=metric, n_jobs=1
        ).fit(own["rows"])

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Predictions (n,) float64 in the unit of the target."""
        from threadpoolctl import threadpool_limits

        output = np.zeros(len(x))
        with threadpool_limits(self._threads):
            for start in range(0, len(x), ROWS):
                rows = slice(start, start + ROWS)
                distance, index = self._search.kneighbors(self._scaling.features(x[rows]))
                output[rows] = self._mean(distance, self._target[index])
        return output

    def _mean(self, distance: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Means (n,) of targets (n, k) at distances (n, k)."""
        if not self._by_distance:
            return np.asarray(target.mean(axis=1))
        equal = distance == 0
        with np.errstate(divide="ignore"):
            inverse = 1.0 / distance
        weights = np.where(equal.any(axis=1, keepdims=True), equal, inverse)
        return np.asarray(np.average(target, axis=1, weights=weights))
