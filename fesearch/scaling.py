"""Scaling of features and target by the training rows alone."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from fesearch.arrays import Arrays, Layout, broken, check, check_finite, columns

RANGES: Mapping[str, tuple[float, float]] = {
    "sigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "relu": (0.0, 1.0),
}
"""Where an output activation wants its target: an output ReLU cannot give a negative energy."""


@dataclass(frozen=True)
class Scaling:
    """How features and target enter and leave a network.

    Neither paper states a target scaling; ours is declared: mean and standard deviation without an
    output activation, else the training range laid on the range of the activation.

    Attributes:
        x_mean: (d,) float32; mean of the finite training values of each feature.
        x_factor: (d,) float32; 1 / standard deviation, and 0 for a constant feature.
        y_offset: () float64, y_scale: () float64; target = output × scale + offset.
    """

    x_mean: np.ndarray
    x_factor: np.ndarray
    y_offset: np.ndarray
    y_scale: np.ndarray

    @classmethod
    def of(
        cls,
        x: np.ndarray,
        y: np.ndarray,
        output_activation: str | None = None,
        *,
        standardise: bool = True,
    ) -> "Scaling":
        """The scaling for training features (n, d) and target (n,).

        Args:
            output_activation: what the target is laid out for.
            standardise: the features; without, they stay as they are (but not finite becomes 0).
        """
        if standardise:
            each = [_mean_and_factor(column) for column in columns(x)]
        else:
            each = [(0.0, 1.0)] * x.shape[1]
        mean, factor = np.array(each, np.float32).reshape(-1, 2).T
        if output_activation is None:
            offset, scale = np.mean(y), np.std(y)
        else:
            low, high = RANGES[output_activation]
            scale = (np.max(y) - np.min(y)) / (high - low)
            offset = np.min(y) - low * scale
        return cls(
            np.ascontiguousarray(mean),
            np.ascontiguousarray(factor),
            np.array(offset, np.float64),
            np.array(scale if scale > 0 else 1.0, np.float64),
        )

    @classmethod
    def from_arrays(cls, arrays: Arrays, *, width: int) -> "Scaling":
        """The scaling that ``arrays()`` gave.

        Raises:
            InputError: names, shapes or types differ, a number is not finite, or a scale below zero
                or one of the target that is zero.
        """
        features, number = Layout((width,), np.dtype("f4")), Layout((), np.dtype("f8"))
        check(
            arrays,
            {"x_mean": features, "x_factor": features, "y_offset": number, "y_scale": number},
            "scaling",
        )
        check_finite(arrays, "scaling")
        if (arrays["x_factor"] < 0).any() or arrays["y_scale"] <= 0:
            raise broken("The scaling has a scale that no data have: it is zero or below.")
        return cls(**arrays)

    def arrays(self) -> dict[str, np.ndarray]:
        """Its four arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def features(self, x: np.ndarray) -> np.ndarray:
        """Features (n, d) as the network takes them, float32; not finite becomes 0, the mean."""
        with np.errstate(over="ignore", invalid="ignore"):
            scaled: np.ndarray = x.astype(np.float32, copy=False) - self.x_mean
            scaled *= self.x_factor
        known = np.isfinite(scaled)
        if not known.all():
            scaled[~known] = 0.0
        return scaled

    def target(self, y: np.ndarray) -> np.ndarray:
        """Target (n,) as the network is trained to give it, float32."""
        scaled: np.ndarray = ((y - self.y_offset) / self.y_scale).astype(np.float32)
        return scaled

    def prediction(self, output: np.ndarray) -> np.ndarray:
        """Outputs (n,) of the network in the unit of the target, float64."""
        with np.errstate(over="ignore"):
            result: np.ndarray = output.astype(np.float64) * self.y_scale + self.y_offset
        return result


def _mean_and_factor(column: np.ndarray) -> tuple[float, float]:
    """Mean and 1 / SD of the finite values; one column at a time, in double precision."""
    known = np.isfinite(column)
    if not known.all():
        column = column[known]
    if column.size == 0:
        return 0.0, 0.0
    values = column.astype(np.float64)
    mean = np.mean(values, keepdims=True)
    spread = float(np.std(values, mean=mean))
    constant = column.min() == column.max() or spread < float(np.finfo(np.float32).tiny)
    return float(mean[0]), 0.0 if constant else 1.0 / spread
