"""Boosted trees grown some rounds at a time, so that a search can stop a poor config early.

A step is a booster of its own: fresh, of so many rounds, fitted to what the boosters before it
leave of the target, whose summed predictions it takes as its margins. The trees are those of one
long training but for their random draws, features and target are binned once, and a checkpoint is
exact in any package, because nothing of a booster but its predictions passes to the next one.
"""

import hashlib
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import numpy as np

from fesearch.arrays import Arrays, Layout, broken, check, layout
from fesearch.seeds import derive
from fesearch.space import Config
from fesearch.split import Development

Booster: TypeAlias = Any
"""Some rounds of trees, as their package has them."""

LARGEST = 1 << 28
"""Bytes of one booster at most: twice those of 50 trees of 65,536 leaves."""

DIGEST = 32
"""Bytes of SHA-256 before each booster: a package may crash on one that is cut short or damaged."""

CENTRES: dict[str, Callable[[np.ndarray], np.floating]] = {
    "squared_error": np.mean,
    "absolute_error": np.median,
}
"""The constant of least loss, which the first round starts from."""


class Package(Protocol):
    """What a package of boosted trees is asked for, in words that all of them share."""

    def rows(self, x: np.ndarray) -> Any:
        """Features (n, d) float32, NaN where one is missing, as the boosters take them."""

    def predict(self, booster: Booster, rows: Any) -> np.ndarray:
        """The sum of the booster's trees, (n,), for what ``rows`` gave."""

    def write(self, booster: Booster) -> bytes:
        """The booster in the package's own format."""

    def read(self, content: bytes) -> Booster:
        """The booster of what ``write`` gave.

        Raises:
            InputError: it is not one.
        """

    def width(self, booster: Booster) -> int:
        """The number of features it takes."""

    def leaves(self, booster: Booster) -> int:
        """The number of leaves of all its trees."""

    def grower(self, config: Config, x: np.ndarray, y: np.ndarray) -> "Grow":
        """What grows boosters of a config.

        Args:
            x: (n_train, d) float32, NaN where a feature is missing.
            y: (n_train,) float64; the target less the start value.
        """


class Grow(Protocol):
    """The training rows, binned, and a config: what boosters are grown from."""

    def __call__(
        self, margins: np.ndarray, *, rounds: int, before: int, seed: int
    ) -> tuple[Booster, np.ndarray]:
        """Grow a booster on top of those before it.

        Args:
            margins: (n_train,) float64; the sum of their predictions.
            rounds: trees to grow.
            before: rounds grown already.
            seed: of all draws.

        Returns:
            the booster, and the margins (n_train,) with its trees added.
        """


class BoostedLearner:
    """Boosted trees in training; implements ``family.Learner``.

    Args:
        package: whose trees they are.
        config: a config of the package's family; its ``loss`` is one of ``CENTRES``.
        data: training and validation rows.
        step: rounds of one booster.
        seed: from which that of each booster is derived.
    """

    def __init__(
        self, package: Package, config: Config, data: Development, *, step: int, seed: int
    ) -> None:
        start = float(CENTRES[str(config["loss"])](data.train_y))
        self._package = package
        self._grow = package.grower(config, known(data.train_x), data.train_y - start)
        self._step, self._seed, self._width = step, seed, data.width
        self._start = np.array([start])
        self._margins = np.zeros(len(data.train_y))
        self._val = package.rows(known(data.val_x))
        self._sum = np.full(len(data.val_y), start)
        self._chunks: list[np.ndarray] = []
        self._leaves = 0

    @property
    def parameters(self) -> int:
        """The start value and the leaves of all trees so far."""
        return 1 + self._leaves

    def advance(self) -> np.ndarray:
        """Grow one booster; predictions (n_val,) float64 of all of them after it."""
        booster, margins = self._grow(
            self._margins,
            rounds=self._step,
            before=self._step * len(self._chunks),
            seed=derive(self._seed, "chunk", len(self._chunks)),
        )
        self._chunks.append(packed(self._package.write(booster)))
        self._margins = margins.astype(np.float64)
        self._sum += self._package.predict(booster, self._val)
        self._leaves += self._package.leaves(booster)
        return self._sum.copy()

    def model(self) -> Arrays:
        """The start value (1,) and each booster (bytes,) uint8 as ``packed``; nothing is copied."""
        chunks = {f"chunk{index}": chunk for index, chunk in enumerate(self._chunks)}
        return {"start": self._start, **chunks}

    def checkpoint(self) -> Arrays:
        """The model, and the sums of its trees' predictions for training and validation rows."""
        return {**self.model(), "margins": self._margins, "sum": self._sum.copy()}

    def restore(self, checkpoint: Arrays) -> None:
        """Go on from a checkpoint of the same config and data.

        Raises:
            InputError: it is not a checkpoint of this config.
        """
        expected = {"margins": layout(self._margins), "sum": layout(self._sum)}
        rest = dict(checkpoint)
        sums = {name: rest.pop(name) for name in expected if name in rest}
        check(sums, expected, "checkpoint")
        start, boosters = parts(rest, self._package, width=self._width)
        self._start = np.array([start])
        self._chunks = [rest[f"chunk{index}"] for index in range(len(boosters))]
        self._leaves = sum(self._package.leaves(booster) for booster in boosters)
        self._margins, self._sum = sums["margins"].copy(), sums["sum"].copy()


class BoostedPredictor:
    """Boosted trees, ready to predict; implements ``family.Predictor``.

    Args:
        package: whose trees they are.
        arrays: what ``BoostedLearner.model`` gave.
        width: number of features.

    Raises:
        InputError: the arrays are not boosted trees of this package and width.
    """

    def __init__(self, package: Package, arrays: Arrays, *, width: int) -> None:
        self._package = package
        self._start, self._boosters = parts(arrays, package, width=width)
        if not self._boosters:
            raise broken("The boosted trees have no tree.")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Predictions (n,) float64 in the unit of the target: the start value and all trees."""
        total = np.full(len(x), self._start)
        if len(x):  # some packages refuse to predict nothing
            rows = self._package.rows(known(x))
            for booster in self._boosters:
                total += self._package.predict(booster, rows)
        return total


def parts(arrays: Arrays, package: Package, *, width: int) -> tuple[float, list[Booster]]:
    """The start value and the boosters that ``BoostedLearner.model`` gave, read and checked.

    Raises:
        InputError: they are not boosted trees of this package and width.
    """
    names = [f"chunk{index}" for index in range(len(arrays) - 1)]
    bytes_ = {name: Layout((np.size(arrays.get(name, ())),), np.dtype(np.uint8)) for name in names}
    check(arrays, {"start": Layout((1,), np.dtype(np.float64)), **bytes_}, "model")
    start = float(arrays["start"][0])
    if not np.isfinite(start):
        raise broken(f"The boosted trees start from {start}.")
    return start, [_booster(name, arrays[name], package, width) for name in names]


def known(x: np.ndarray) -> np.ndarray:
    """Features (n, d) as float32, NaN where one is not finite: missing, to every package."""
    x = np.ascontiguousarray(x, np.float32)
    finite = np.isfinite(x)
    return x if finite.all() else np.where(finite, x, np.float32(np.nan))


def packed(content: bytes) -> np.ndarray:
    """A booster's bytes behind their digest, (DIGEST + bytes,) uint8."""
    return np.frombuffer(hashlib.sha256(content).digest() + content, np.uint8)


def _booster(name: str, array: np.ndarray, package: Package, width: int) -> Booster:
    if array.size > LARGEST:
        raise broken(f"The booster '{name}' has {array.size} bytes; {LARGEST} are possible.")
    content = array[DIGEST:].tobytes()
    if not content or not np.array_equal(array, packed(content)):
        raise broken(f"The booster '{name}' is damaged.")
    booster = package.read(content)
    found = package.width(booster)
    if found != width:
        raise broken(f"The booster '{name}' takes {found} features, not {width}.")
    return booster
