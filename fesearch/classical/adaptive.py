"""AdaBoost.R2: trees grown on rows drawn by how wrong the trees before them were.

Drucker, ICML 1997, "Improving Regressors using Boosting Techniques", in the form scikit-learn's
AdaBoostRegressor has, with seeds of its own for every round.
"""

from functools import cached_property
from typing import Any

import numpy as np

from fesearch.arrays import Arrays, Layout, broken, check, layout
from fesearch.classical.forest import filled, forest_arrays, medians, parts
from fesearch.classical.trees import Trees
from fesearch.seeds import derive
from fesearch.split import Development

ROWS = 8192
"""Rows whose weighted medians are found at once: bounds the memory of a prediction."""


class AdaptiveLearner:
    """AdaBoost.R2 in training; implements ``family.Learner``.

    It ends by itself where a tree is perfect or, by its weighted loss, worse than half: further
    steps add nothing then.

    Args:
        growth: keyword arguments of scikit-learn's DecisionTreeRegressor.
        loss: of a row, from its error as a share of the largest: linear, square or exponential.
        learning_rate: exponent of a tree's effect on the row weights, and factor of its own.
        data: training and validation rows.
        step: rounds of one step, a tree each.
        seed: from which that of each round is derived.
    """

    def __init__(
        self,
        growth: dict[str, Any],
        loss: str,
        learning_rate: float,
        data: Development,
        *,
        step: int,
        seed: int,
    ) -> None:
        self._growth, self._loss, self._rate = growth, loss, learning_rate
        self._step, self._seed = step, seed
        self._medians = medians(data.train_x)
        self._data, self._y = data, data.train_y
        self._row_weights = np.full(len(self._y), 1.0 / len(self._y))
        self._chunks: list[Trees] = []
        self._weights: list[float] = []
        self._val = np.zeros((len(data.val_y), 0))
        self._ended = False

    @property
    def parameters(self) -> int:
        """Nodes and weights of all trees so far."""
        return sum(chunk.nodes + chunk.count for chunk in self._chunks)

    @cached_property
    def _rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Features of training and validation rows, none of them missing."""
        return filled(self._data.train_x, self._medians), filled(self._data.val_x, self._medians)

    def release(self) -> None:
        """See ``family.Releasing``."""
        vars(self).pop("_rows", None)

    def advance(self) -> np.ndarray:
        """Some rounds; predictions (n_val,) float64: the weighted median of all trees."""
        grown = []
        for _ in range(self._step):
            if not self._ended and (tree := self._boost()) is not None:
                grown.append(tree)
        if grown:
            self._keep(Trees.of(grown))
        return weighted_median(self._val, np.array(self._weights))

    def model(self) -> Arrays:
        """The trees with their weights (trees,), and what stands for a missing feature."""
        return {**forest_arrays(self._medians, self._chunks), "weights": np.array(self._weights)}

    def checkpoint(self) -> Arrays:
        """The model, the weights of the training rows, and whether boosting has ended."""
        rows = {"row_weights": self._row_weights.copy(), "ended": np.array(self._ended)}
        return {**self.model(), **rows}

    def restore(self, checkpoint: Arrays) -> None:
        """Go on from a checkpoint of the same config and data.

        Raises:
            InputError: it is not a checkpoint of this config.
        """
        expected = {"row_weights": layout(self._row_weights), "ended": layout(np.array(True))}
        rest = dict(checkpoint)
        rows = {name: rest.pop(name) for name in expected if name in rest}
        check(rows, expected, "checkpoint")
        _, chunks, weights = weighted_parts(rest, width=len(self._medians))
        self._chunks, self._weights, self._val = [], [], self._val[:, :0]
        for chunk in chunks:
            self._keep(chunk)
        self._weights = weights.tolist()
        self._row_weights, self._ended = rows["row_weights"].copy(), bool(rows["ended"])

    def _keep(self, chunk: Trees) -> None:
        self._chunks.append(chunk)
        self._val = np.hstack([self._val, chunk.each(self._rows[1])])

    def _boost(self) -> Any:
        """Grow the tree of one round, weigh it, and weigh the rows anew; None: it is not kept."""
        from sklearn.tree import DecisionTreeRegressor

        # scikit-learn's own draws, so that equal seeds give its trees
        draw = np.random.RandomState(derive(self._seed, "round", len(self._weights)))
        tree = DecisionTreeRegressor(
            **self._growth, random_state=draw.randint(np.iinfo(np.int32).max)
        )
        weights = np.clip(self._row_weights, np.finfo(np.float64).eps, None)
        drawn = draw.choice(len(self._y), size=len(self._y), replace=True, p=weights)
        x, _ = self._rows
        tree.fit(x[drawn], self._y[drawn])
        losses = self._losses(np.abs(tree.predict(x) - self._y))
        mean = float((weights * losses).sum())
        self._ended = mean <= 0 or mean >= 0.5
        if self._ended:
            if mean > 0 and self._weights:
                return None
            self._weights.append(1.0)
            return tree
        beta = mean / (1.0 - mean)
        self._weights.append(self._rate * float(np.log(1.0 / beta)))
        weights *= np.power(beta, (1.0 - losses) * self._rate)
        self._row_weights = weights / weights.sum()
        return tree

    def _losses(self, errors: np.ndarray) -> np.ndarray:
        """Losses (n,) in [0, 1] of absolute errors (n,)."""
        largest = errors.max()
        if largest > 0:
            errors = errors / largest
        if self._loss == "square":
            return errors**2
        if self._loss == "exponential":
            exponential: np.ndarray = 1.0 - np.exp(-errors)
            return exponential
        return errors


class AdaptivePredictor:
    """Trees with weights; implements ``family.Predictor``.

    Args:
        arrays: what ``AdaptiveLearner.model`` gave.
        width: number of features.

    Raises:
        InputError: the arrays are not weighted trees of this width.
    """

    def __init__(self, arrays: Arrays, *, width: int) -> None:
        self._medians, self._chunks, self._weights = weighted_parts(arrays, width=width)
        if not self._chunks:
            raise broken("The ensemble has no tree.")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Predictions (n,) float64: the weighted median of all trees."""
        x = filled(x, self._medians)
        found = np.zeros(len(x))
        for start in range(0, len(x), ROWS):
            rows = slice(start, start + ROWS)
            each = np.hstack([chunk.each(x[rows]) for chunk in self._chunks])
            found[rows] = weighted_median(each, self._weights)
        return found


def weighted_parts(arrays: Arrays, *, width: int) -> tuple[np.ndarray, list[Trees], np.ndarray]:
    """Medians, checked chunks, and the weights (trees,) of all trees.

    Raises:
        InputError: they are not weighted trees of this width.
    """
    rest = dict(arrays)
    weights = rest.pop("weights", None)
    if weights is None:
        raise broken("The ensemble lacks the array 'weights'.")
    middle, chunks = parts(rest, width=width)
    count = sum(chunk.count for chunk in chunks)
    check({"weights": weights}, {"weights": Layout((count,), np.dtype(np.float64))}, "ensemble")
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise broken("A weight of the ensemble is negative or not finite.")
    return middle, chunks, weights


def weighted_median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weighted median (n,) of each row of values (n, m): its smallest with half the weight."""
    order = np.argsort(values, axis=1)
    below = np.cumsum(weights[order], axis=1)
    place = np.argmax(below >= 0.5 * below[:, -1:], axis=1)
    found: np.ndarray = values[np.arange(len(values)), order[np.arange(len(values)), place]]
    return found
