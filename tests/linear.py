"""Small data for tests of training: a linear target, so that any sane model beats its mean."""

import numpy as np

from fesearch.split import Development


def linear(rows: int = 200, width: int = 8, seed: int = 0) -> Development:
    """``rows`` rows, one in five of them for validation; the target has mean -3."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(rows, width)).astype(np.float32)
    y = x.astype(np.float64) @ np.linspace(2.0, -1.0, width) - 3.0
    val = rows // 5
    return Development(train_x=x[val:], train_y=y[val:], val_x=x[:val], val_y=y[:val])
