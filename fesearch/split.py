"""Divisions of rows into training, validation and test, and the view of them a trial may have."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Development:
    """What a trial may see of a division: training and validation rows, never the test part.

    Attributes:
        train_x: (n_train, d) float32 features; rows in the order of stable row ids.
        train_y: (n_train,) float64 target, in its own unit.
        val_x: (n_val, d) float32.
        val_y: (n_val,) float64.
    """

    train_x: np.ndarray
    train_y: np.ndarray
    val_x: np.ndarray
    val_y: np.ndarray

    @property
    def width(self) -> int:
        """Number of features, d."""
        return int(self.train_x.shape[1])
