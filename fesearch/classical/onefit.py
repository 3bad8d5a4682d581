"""Models that are fitted whole in one resource step, and what they need of their rows."""

from collections.abc import Callable, Sequence

import numpy as np

from fesearch.arrays import Arrays
from fesearch.family import Predictor
from fesearch.scaling import Scaling


class FitOnce:
    """A model fitted in a single step; implements ``family.Learner``.

    There is nothing between before and after: a checkpoint is empty or the model, and a further
    step leaves the model as it is.

    Args:
        fit: trains; gives all that prediction needs.
        load: checks what ``fit`` gave and makes a predictor of it.
        val_x: features (n_val, d) of the validation rows.
        counted: the names of the arrays whose numbers are trained ones.
        threads: of BLAS and OpenMP while it is fitted.
    """

    def __init__(
        self,
        fit: Callable[[], Arrays],
        load: Callable[[Arrays], Predictor],
        val_x: np.ndarray,
        *,
        counted: Sequence[str],
        threads: int,
    ) -> None:
        self._fit, self._load, self._val_x = fit, load, val_x
        self._counted, self._threads = counted, threads
        self._arrays: Arrays = {}

    @property
    def parameters(self) -> int:
        """Trained numbers; 0 before the step."""
        return sum(self._arrays[name].size for name in self._counted if self._arrays)

    def advance(self) -> np.ndarray:
        """Fit; predictions (n_val,) float64."""
        from threadpoolctl import threadpool_limits

        if not self._arrays:
            with threadpool_limits(self._threads):
                self._arrays = self._fit()
        return self._load(self._arrays)(self._val_x)

    def model(self) -> Arrays:
        """The fitted arrays, not copied."""
        return self._arrays

    def checkpoint(self) -> Arrays:
        """The model, or nothing before the step."""
        return self._arrays

    def restore(self, checkpoint: Arrays) -> None:
        """Take up a checkpoint.

        Raises:
            InputError: it is not one of this config and width.
        """
        if checkpoint:
            self._load(checkpoint)
        self._arrays = dict(checkpoint)


def standardised(x: np.ndarray, y: np.ndarray) -> tuple[Scaling, np.ndarray, np.ndarray]:
    """The scaling of training rows, and the rows in it, in double precision.

    Returns:
        scaling; features (n, d) float64 of mean 0 and SD 1, a missing one 0; target (n,) float64
        of mean 0 and SD 1, so that penalties and widths carry no unit.
    """
    scaling = Scaling.of(x, y)
    return scaling, scaling.features(x).astype(np.float64), (y - scaling.y_offset) / scaling.y_scale
