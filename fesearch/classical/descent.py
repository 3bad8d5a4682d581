"""A linear model fitted by stochastic gradient descent, an epoch at a time."""

from functools import cached_property
from typing import Any

import numpy as np

from fesearch.arrays import Arrays, Layout, broken, check, layout
from fesearch.classical.linear import LinearPredictor, linear_arrays
from fesearch.classical.onefit import standardised
from fesearch.scaling import Scaling
from fesearch.seeds import derive
from fesearch.split import Development


class DescentLearner:
    """scikit-learn's SGDRegressor in training; implements ``family.Learner``.

    Args:
        options: keyword arguments of SGDRegressor.
        data: training and validation rows.
        seed: from which that of each epoch's order of rows is derived.
        threads: of BLAS, which only predicts: the descent itself has one.
    """

    def __init__(
        self, options: dict[str, Any], data: Development, *, seed: int, threads: int
    ) -> None:
        from sklearn.linear_model import SGDRegressor

        self._data, self._width = data, data.width
        self._scaling = Scaling.of(data.train_x, data.train_y)
        self._seed, self._threads = seed, threads
        self._sgd: Any = SGDRegressor(**options)
        self._epochs = 0

    @property
    def parameters(self) -> int:
        """Coefficients and the intercept."""
        return self._width + 1

    @cached_property
    def _rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Features and target of the training rows, standardised."""
        _, x, y = standardised(self._data.train_x, self._data.train_y)
        return x, y

    def release(self) -> None:
        """See ``family.Releasing``."""
        vars(self).pop("_rows", None)

    def advance(self) -> np.ndarray:
        """One epoch; predictions (n_val,) float64, huge but finite if the descent diverges."""
        self._sgd.random_state = derive(self._seed, "epoch", self._epochs)
        self._epochs += 1
        self._sgd.partial_fit(*self._rows)
        predict = LinearPredictor(self.model(), width=self._width, threads=self._threads)
        return predict(self._data.val_x)

    def model(self) -> Arrays:
        """Coefficients, intercept and scaling, copied."""
        return linear_arrays(self._scaling, self._sgd.coef_, float(self._sgd.intercept_[0]))

    def checkpoint(self) -> Arrays:
        """The model, the number of epochs, and that of updates, which the learning rate is of."""
        if self._epochs == 0:
            return {}
        counts = {"epochs": np.array(self._epochs), "updates": np.array(float(self._sgd.t_))}
        return {**self.model(), **counts}

    def restore(self, checkpoint: Arrays) -> None:
        """Go on from a checkpoint of the same config and data.

        Raises:
            InputError: it is not a checkpoint of this config.
        """
        if not checkpoint:
            return
        model = dict(checkpoint)
        expected = {"epochs": layout(np.array(0)), "updates": Layout((), np.dtype(np.float64))}
        counts = {name: model.pop(name) for name in expected if name in model}
        check(counts, expected, "checkpoint")
        LinearPredictor(model, width=self._width, threads=self._threads)
        if counts["epochs"] < 1 or not counts["updates"] >= 1:
            raise broken("The checkpoint counts less than one epoch.")
        self._sgd.random_state = 0
        x, y = self._rows
        self._sgd.partial_fit(x[:1], y[:1])  # makes the places for what is put there
        self._sgd.coef_ = model["coef"].copy()
        self._sgd.intercept_ = model["intercept"].reshape(1).copy()
        self._sgd.t_ = float(counts["updates"])
        self._epochs = int(counts["epochs"])
