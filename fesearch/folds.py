"""One config scored on inner folds of the training part: a model for each, trained side by side.

Each model is trained on all training rows but those of its fold and predicts these, so a step
gives a prediction for every training row, by a model that has not seen it. The score over all of
them is the mean over the folds, weighted by their rows. All stop together, and what the trial
leaves as its model is their mean.

However many folds there are, the features of all rows are in memory once, in Ray's object store
where trials run side by side: a fold knows its rows by their places, and copies them for its turn.
"""

from collections.abc import Callable, Sequence

import numpy as np

from fesearch.arrays import Arrays, Layout, broken, check, prefixed, section
from fesearch.family import Build, Pausing, Predictor, Releasing
from fesearch.seeds import derive
from fesearch.space import Config
from fesearch.split import Development

_PREFIX = "fold.{}."


class _Copied:
    """Features of some training rows of the whole, copied each time they are asked for.

    Args:
        rows: the attribute that has their places.
    """

    def __init__(self, rows: str) -> None:
        self._rows = rows

    def __get__(self, part: "Part | None", owner: type) -> np.ndarray:
        if part is None:
            raise AttributeError("a class has no rows")
        found: np.ndarray = part.whole.train_x[getattr(part, self._rows)]
        return found


class Part(Development):
    """The training rows outside of a fold, with those inside it as validation rows.

    Made by ``part``. What ``dataclasses.replace`` makes of it has the arrays it is given.
    """

    train_x = _Copied("outside")
    val_x = _Copied("inside")
    whole: Development
    outside: np.ndarray
    inside: np.ndarray

    @property
    def width(self) -> int:
        """Number of features, for which no row is copied."""
        return self.whole.width


def part(whole: Development, inside: np.ndarray) -> Part:
    """The part for one fold.

    Args:
        inside: places of the training rows that are in the fold.
    """
    y = whole.train_y
    outside = np.delete(np.arange(len(y)), inside)
    made = object.__new__(Part)
    vars(made).update(whole=whole, outside=outside, inside=inside)
    vars(made).update(train_y=y[outside], val_y=y[inside], folds=None)
    return made


def each(data: Development) -> list[Part]:
    """The part for each fold of data that have them."""
    assert data.folds is not None, "data without folds have a validation part"
    folds = range(data.folds.max() + 1)
    return [part(data, np.flatnonzero(data.folds == fold)) for fold in folds]


class Folded:
    """A learner for each fold, a step of all at a time. Implements ``family.Learner``.

    Between two of them is a pause (``family.Pausing``), and so are those of their own.

    Args:
        build: of the family.
        data: with ``folds``.
        seed: each fold has one of its own that follows from it.
    """

    def __init__(
        self,
        build: Build,
        config: Config,
        data: Development,
        *,
        seed: int,
        threads: int,
        device: str,
    ) -> None:
        self._count = len(data.train_y)
        parts = each(data)
        self._rows = [one.inside for one in parts]
        self._learners = [
            build(config, one, seed=derive(seed, "fold", fold), threads=threads, device=device)
            for fold, one in enumerate(parts)
        ]
        self._found = np.zeros(self._count)
        self._done = 0  # of the folds, those that have made the step, in ``_found``
        self._look: Callable[[], None] = lambda: None

    @property
    def parameters(self) -> int:
        """Of all models together."""
        return sum(learner.parameters for learner in self._learners)

    def advance(self) -> np.ndarray:
        """Train all a step; predictions (n_train,) float64 for the training rows."""
        for fold in range(self._done, len(self._learners)):
            learner = self._learners[fold]
            self._found[self._rows[fold]] = learner.advance()
            self._done = fold + 1
            if isinstance(learner, Releasing):
                learner.release()
            if self._done < len(self._learners):
                self._look()
        found, self._found, self._done = self._found, np.zeros(self._count), 0
        return found

    def on_pause(self, look: Callable[[], None]) -> None:
        """See ``family.Pausing``."""
        self._look = look
        for learner in self._learners:
            if isinstance(learner, Pausing):
                learner.on_pause(look)

    def model(self) -> Arrays:
        """The models' arrays, each with its fold before its name."""
        return _together([learner.model() for learner in self._learners])

    def checkpoint(self) -> Arrays:
        """The checkpoints of all, and the predictions of those that have made a step begun."""
        within = {"folds": np.array(self._done, np.int64), "predictions": self._found.copy()}
        every = _together([learner.checkpoint() for learner in self._learners])
        return {**every, **(within if self._done else {})}

    def restore(self, checkpoint: Arrays) -> None:
        """Go on from a checkpoint; see ``family.Learner``."""
        within = {name: checkpoint[name] for name in ("folds", "predictions") if name in checkpoint}
        if within:
            done, rows = Layout((), np.dtype(np.int64)), Layout((self._count,), np.dtype(float))
            check(within, {"folds": done, "predictions": rows}, "checkpoint")
            if not 0 < within["folds"] < len(self._learners):
                raise broken(
                    f"The checkpoint is after fold {within['folds']} of {len(self._learners)}."
                )
            self._done, self._found = int(within["folds"]), within["predictions"].copy()
        for fold, learner in enumerate(self._learners):
            learner.restore(section(checkpoint, _PREFIX.format(fold)))


class Mean:
    """Predicts the mean of several predictors. Implements ``family.Predictor``."""

    def __init__(self, predictors: Sequence[Predictor]) -> None:
        self.predictors = predictors

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Predictions (n,) float64 for features (n, d)."""
        found: np.ndarray = np.mean([predict(x) for predict in self.predictors], axis=0)
        return found


def parts(arrays: Arrays) -> list[Arrays]:
    """The arrays of the model of each fold; none where the arrays are those of a single model.

    Raises:
        InputError: there is an array beside those of the folds, or a fold is left out.
    """
    found: list[Arrays] = []
    while arrays and (one := section(arrays, _PREFIX.format(len(found)))):
        found.append(one)
    if found and sum(map(len, found)) < len(arrays):
        raise broken(f"The model has arrays beside those of its {len(found)} folds.")
    return found


def _together(arrays: Sequence[Arrays]) -> Arrays:
    return {
        name: array
        for fold, one in enumerate(arrays)
        for name, array in prefixed(one, _PREFIX.format(fold)).items()
    }
