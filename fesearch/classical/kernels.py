"""Models that are sums of kernels around training rows: how they are kept and predict."""

from collections.abc import Callable, Mapping

import numpy as np

from fesearch.arrays import Arrays, Layout, check, check_finite, prefixed, section
from fesearch.scaling import Scaling

PORTION = 1 << 28
"""Bytes of one block of kernel values: bounds the memory of a prediction."""


def rbf(a: np.ndarray, b: np.ndarray, gamma: float) -> np.ndarray:
    """exp(-gamma·|a - b|²), (n, m) float64, for rows (n, d) and (m, d) float64."""
    found: np.ndarray = a @ b.T
    found *= -2.0
    found += np.einsum("ij,ij->i", a, a)[:, None]
    found += np.einsum("ij,ij->i", b, b)
    np.maximum(found, 0.0, out=found)
    found *= -gamma
    np.exp(found, out=found)
    return found


def laplacian(a: np.ndarray, b: np.ndarray, gamma: float) -> np.ndarray:
    """exp(-gamma·|a - b|₁), (n, m) float64, for rows (n, d) and (m, d) float64."""
    from scipy.spatial.distance import cdist

    found: np.ndarray = cdist(a, b, "cityblock")
    found *= -gamma
    np.exp(found, out=found)
    return found


Kernel = Callable[[np.ndarray, np.ndarray, float], np.ndarray]

KERNELS: Mapping[str, Kernel] = {"rbf": rbf, "laplacian": laplacian}


def solve_ridge(
    x: np.ndarray, y: np.ndarray, kernel: Kernel, gamma: float, alpha: float
) -> np.ndarray:
    """Weights (n,) of kernel ridge regression, (K + alpha)⁻¹ y, in one n × n matrix of memory."""
    from scipy.linalg import cho_factor, cho_solve

    n = len(x)
    matrix = np.empty((n, n))
    for rows in portions(n, n):
        matrix[rows] = kernel(x[rows], x, gamma)
    matrix[np.diag_indices(n)] += alpha
    # transposed it is the same matrix, in the order LAPACK overwrites without a copy
    factor = cho_factor(matrix.T, lower=True, overwrite_a=True, check_finite=False)
    found: np.ndarray = cho_solve(factor, y, check_finite=False)
    return found


def kernel_arrays(
    scaling: Scaling, rows: np.ndarray, weights: np.ndarray, intercept: float
) -> Arrays:
    """A model as ``KernelPredictor`` takes it; rows (m, d) in standardised units."""
    return {
        "rows": np.array(rows, np.float32),
        "weights": np.array(weights, np.float64),
        "intercept": np.array(intercept, np.float64),
        **prefixed(scaling.arrays(), "scaling."),
    }


class KernelPredictor:
    """A weighted sum of kernels around rows; implements ``family.Predictor``.

    Args:
        arrays: rows (m, d), weights (m,), intercept () and the scaling.
        kernel: one of ``KERNELS``.
        gamma: of the kernel, in 1 / d.
        width: number of features, d.
        threads: of BLAS.

    Raises:
        InputError: the arrays are not such a model of this width.
    """

    def __init__(
        self, arrays: Arrays, *, kernel: str, gamma: float, width: int, threads: int
    ) -> None:
        own = {name: array for name, array in arrays.items() if not name.startswith("scaling.")}
        count = np.size(own.get("weights", ()))
        expected = {
            "rows": Layout((count, width), np.dtype(np.float32)),
            "weights": Layout((count,), np.dtype(np.float64)),
            "intercept": Layout((), np.dtype(np.float64)),
        }
        check(own, expected, "model")
        check_finite(own, "model")
        self._rows = own["rows"].astype(np.float64)
        self._weights, self._intercept = own["weights"], own["intercept"]
        self._scaling = Scaling.from_arrays(section(arrays, "scaling."), width=width)
        self._kernel, self._gamma, self._threads = KERNELS[kernel], gamma / width, threads

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Predictions (n,) float64 in the unit of the target."""
        from threadpoolctl import threadpool_limits

        output = np.zeros(len(x))
        with threadpool_limits(self._threads):
            for rows in portions(len(x), len(self._rows)):
                features = self._scaling.features(x[rows]).astype(np.float64)
                values = self._kernel(features, self._rows, self._gamma)
                output[rows] = values @ self._weights + self._intercept
        return self._scaling.prediction(output)


def portions(count: int, against: int) -> list[slice]:
    """Slices of ``count`` rows whose kernels with ``against`` others fit into ``PORTION``."""
    size = max(1, PORTION // (8 * max(1, against)))
    return [slice(start, start + size) for start in range(0, count, size)]
