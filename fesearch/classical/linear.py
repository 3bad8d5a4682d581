"""Linear models of standardised features: three ways to fit them, one way to keep them."""

import logging
import warnings
from collections.abc import Callable

import numpy as np

from fesearch.arrays import Arrays, Layout, check, check_finite, prefixed, section
from fesearch.classical.onefit import FitOnce, standardised
from fesearch.scaling import Scaling
from fesearch.split import Development

_log = logging.getLogger(__name__)

ROUNDING = 1e-6
"""Directions of features whose spread is below this share of the largest are rounding: features
are float32 (1.2e-7), and magpie has ranges that are exactly a maximum less a minimum."""
MOST_SWEEPS = 100_000
"""Of coordinate descent: a hundred times scikit-learn's, a few seconds on 300 features."""
TOLERANCE = 1e-6
"""Of coordinate descent: the duality gap, as a share of the target's sum of squares, it ends at."""
ROWS = 65536
"""Rows predicted at once: bounds the memory of a prediction."""

Solve = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Coefficients (d,) for centred features (n, d) and target (n,), all float64."""


def least_squares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Coefficients (d,) of least squared error; the smallest ones where features are dependent.

    By the products of features: an eighth of the time that their singular values take.
    """
    spread, directions = np.linalg.eigh(x.T @ x)  # squared, the largest last
    kept = spread > ROUNDING**2 * spread[-1]
    directions = directions[:, kept]
    found: np.ndarray = directions @ ((directions.T @ (x.T @ y)) / spread[kept])
    return found


def ridge(x: np.ndarray, y: np.ndarray, *, alpha: float) -> np.ndarray:
    """Coefficients (d,) of least |y - x·w|² + alpha·|w|²."""
    products = x.T @ x
    products[np.diag_indices_from(products)] += alpha
    found: np.ndarray = np.linalg.solve(products, x.T @ y)
    return found


def elastic_net(x: np.ndarray, y: np.ndarray, *, alpha: float, l1_ratio: float) -> np.ndarray:
    """Coefficients (d,) of least |y - x·w|²/2n + alpha·(l1_ratio·|w|₁ + (1 - l1_ratio)·|w|²/2).

    Where coordinate descent has not ended after ``MOST_SWEEPS``, what it has is taken and logged.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import ElasticNet

    net = ElasticNet(
        alpha=alpha,
        l1_ratio=l1_ratio,
        fit_intercept=False,
        precompute=True,  # the products of features, once, instead of the rows in every sweep
        max_iter=MOST_SWEEPS,
        tol=TOLERANCE,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        net.fit(x, y)
    if net.n_iter_ >= MOST_SWEEPS:
        _log.warning(
            "coordinate descent with alpha %g had not converged after %d sweeps", alpha, MOST_SWEEPS
        )
    found: np.ndarray = net.coef_
    return found


def learner_of(data: Development, solve: Solve, *, threads: int) -> FitOnce:
    """A learner that fits a linear model in one step."""

    def fit() -> Arrays:
        scaling, x, y = standardised(data.train_x, data.train_y)
        mean = x.mean(axis=0)  # of rounding and clipping
        x -= mean
        coef = solve(x, y - y.mean())
        return linear_arrays(scaling, coef, y.mean() - mean @ coef)

    return FitOnce(
        fit,
        lambda arrays: LinearPredictor(arrays, width=data.width, threads=threads),
        data.val_x,
        counted=("coef", "intercept"),
        threads=threads,
    )


def linear_arrays(scaling: Scaling, coef: np.ndarray, intercept: float) -> Arrays:
    """A linear model as ``LinearPredictor`` takes it; coef (d,), in standardised units."""
    return {
        "coef": np.array(coef, np.float64),
        "intercept": np.array(intercept, np.float64),
        **prefixed(scaling.arrays(), "scaling."),
    }


class LinearPredictor:
    """A linear model of standardised features; implements ``family.Predictor``.

    Args:
        arrays: coef (d,), intercept () and the scaling, as ``linear_arrays`` gives them.
        width: number of features, d.
        threads: of BLAS.

    Raises:
        InputError: the arrays are not a linear model of this width.
    """

    def __init__(self, arrays: Arrays, *, width: int, threads: int) -> None:
        own = {name: array for name, array in arrays.items() if not name.startswith("scaling.")}
        float64 = np.dtype(np.float64)
        check(own, {"coef": Layout((width,), float64), "intercept": Layout((), float64)}, "model")
        check_finite(own, "model")
        self._coef, self._intercept = own["coef"], own["intercept"]
        self._scaling = Scaling.from_arrays(section(arrays, "scaling."), width=width)
        self._threads = threads

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Predictions (n,) float64 in the unit of the target."""
        from threadpoolctl import threadpool_limits

        output = np.zeros(len(x))
        with threadpool_limits(self._threads):
            for start in range(0, len(x), ROWS):
                rows = slice(start, start + ROWS)
                features = self._scaling.features(x[rows]).astype(np.float64)
                output[rows] = features @ self._coef + self._intercept
        return self._scaling.prediction(output)
