"""Means of trees grown some at a time, so that a search can stop a poor forest early."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from fesearch.arrays import Arrays, Layout, broken, check, columns, layout, prefixed, section
from fesearch.classical.trees import Trees
from fesearch.seeds import derive
from fesearch.split import Development

Ensemble: TypeAlias = Callable[..., Any]
"""A class of scikit-learn whose fitted objects have trees in ``estimators_``, to be averaged."""


class ForestLearner:
    """A forest in training; implements ``family.Learner``.

    Trees are grown in chunks, each a scikit-learn ensemble with a seed of its own, and kept as
    arrays; a forest taken up again goes on with the seed of its next chunk.

    Args:
        ensemble: what grows a chunk, such as scikit-learn's RandomForestRegressor.
        growth: keyword arguments of it.
        data: training and validation rows.
        step: trees in a chunk.
        seed: of bootstrap samples and of the features tried at each split.
        threads: trees grown at once; the forest does not depend on it.
    """

    def __init__(
        self,
        ensemble: Ensemble,
        growth: dict[str, Any],
        data: Development,
        *,
        step: int,
        seed: int,
        threads: int,
    ) -> None:
        self._ensemble, self._growth = ensemble, growth
        self._step, self._seed, self._threads = step, seed, threads
        self._data, self._medians = data, medians(data.train_x)
        self._sum = np.zeros(len(data.val_y))
        self._chunks: list[Trees] = []

    @property
    def parameters(self) -> int:
        """Nodes of all trees so far."""
        return sum(chunk.nodes for chunk in self._chunks)

    @cached_property
    def _rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Features of training and validation rows, none of them missing."""
        return filled(self._data.train_x, self._medians), filled(self._data.val_x, self._medians)

    def release(self) -> None:
        """See ``family.Releasing``."""
        vars(self).pop("_rows", None)

    def advance(self) -> np.ndarray:
        """Grow one chunk; predictions (n_val,) float64 of the whole forest after it."""
        from joblib import parallel_config

        chunk = self._ensemble(
            **self._growth,
            n_estimators=self._step,
            random_state=derive(self._seed, "chunk", len(self._chunks)),
            n_jobs=self._threads,
        )
        x, val_x = self._rows
        with parallel_config("threading"):  # processes would each copy the rows
            chunk.fit(x, self._data.train_y)
        trees = Trees.of(chunk.estimators_, getattr(chunk, "estimators_features_", None))
        trees.add(val_x, self._sum)
        self._chunks.append(trees)
        return self._sum / sum(chunk.count for chunk in self._chunks)

    def model(self) -> Arrays:
        """The trees, and what stands for a missing feature; nothing is copied."""
        return forest_arrays(self._medians, self._chunks)

    def checkpoint(self) -> Arrays:
        """The model and the sum of its trees' validation predictions."""
        return {**self.model(), "sum": self._sum.copy()}

    def restore(self, checkpoint: Arrays) -> None:
        """Go on from a checkpoint of the same config and data.

        Raises:
            InputError: it is not a checkpoint of this config.
        """
        rest = dict(checkpoint)
        total = rest.pop("sum", np.zeros(0))
        check({"sum": total}, {"sum": layout(self._sum)}, "checkpoint")
        _, self._chunks = parts(rest, width=len(self._medians))
        self._sum = total.copy()


class ForestPredictor:
    """A grown forest; implements ``family.Predictor``.

    Args:
        arrays: what ``ForestLearner.model`` gave.
        width: number of features.

    Raises:
        InputError: the arrays are not a forest of this width.
    """

    def __init__(self, arrays: Arrays, *, width: int) -> None:
        self._medians, self._chunks = parts(arrays, width=width)
        if not self._chunks:
            raise broken("The forest has no tree.")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Predictions (n,) float64: the mean over all trees, as scikit-learn computes it."""
        x = filled(x, self._medians)
        total = np.zeros(len(x))
        for chunk in self._chunks:
            chunk.add(x, total)
        return total / sum(chunk.count for chunk in self._chunks)


def forest_arrays(middle: np.ndarray, chunks: Sequence[Trees]) -> Arrays:
    """Medians (d,) and chunks as ``ForestPredictor`` takes them; nothing is copied."""
    found: dict[str, np.ndarray] = {"medians": middle}
    for index, chunk in enumerate(chunks):
        found |= prefixed(chunk.arrays(), f"chunk{index}.")
    return found


def parts(arrays: Arrays, *, width: int) -> tuple[np.ndarray, list[Trees]]:
    """Medians and checked chunks of a forest's arrays.

    Raises:
        InputError: they are not a forest of this width.
    """
    chunks: list[Trees] = []
    rest = set(arrays)
    while found := section(arrays, f"chunk{len(chunks)}."):
        rest -= prefixed(found, f"chunk{len(chunks)}.").keys()
        chunks.append(Trees.from_arrays(found, width=width))
    expected = {"medians": Layout((width,), np.dtype(np.float32))}
    check({name: arrays[name] for name in rest}, expected, "forest")
    if not np.isfinite(arrays["medians"]).all():
        raise broken("A median of the forest is not finite.")
    return arrays["medians"], chunks


def medians(x: np.ndarray) -> np.ndarray:
    """The median of the finite values of each feature, (d,) float32; 0 where there is none."""
    found = np.zeros(x.shape[1], np.float32)
    for place, values in enumerate(columns(x)):
        values = values[np.isfinite(values)]
        if values.size:
            found[place] = np.median(values)
    return found


def filled(x: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Features (n, d) as float32, those that are not finite replaced by ``by`` (d,)."""
    x = x.astype(np.float32, copy=False)
    known = np.isfinite(x)
    return x if known.all() else np.where(known, x, by)
