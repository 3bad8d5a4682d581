"""A trained model as plain values: safetensors and JSON, checked when read, never a pickle."""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fesearch import plainjson
from fesearch.arrays import Arrays, broken
from fesearch.errors import InputError
from fesearch.family import FAMILIES, Predictor
from fesearch.folds import Mean, parts
from fesearch.paths import atomic_write
from fesearch.space import Value
from fesearch.split import Development

FORMAT = 1
DESCRIPTION = "model.json"
WEIGHTS = "model.safetensors"
WIDEST = 1 << 20
"""More features than any model has: a forged width must not take memory of its size."""
_ROWS_TIMED, _TIMES = 1000, 3
_KEYS = {"format", "family", "config", "width", "sha256"}


@dataclass(frozen=True)
class FittedModel:
    """One trained model, as of its best step.

    Attributes:
        family: name of its family.
        config: parameter -> value.
        width: number of features it takes.
        arrays: its weights or trees, and the scaling of features and target.
    """

    family: str
    config: Mapping[str, Value]
    width: int
    arrays: Arrays

    def predictor(self, *, threads: int = 1, device: str = "cpu") -> Predictor:
        """What predicts, with all arrays checked.

        Raises:
            InputError: no such family, or the arrays are no model of this config and width.
        """
        family = FAMILIES.get(self.family)
        family.check(self.config)
        load = partial(family.load, self.config, width=self.width, threads=threads, device=device)
        folds = parts(self.arrays)
        return Mean([load(arrays) for arrays in folds]) if folds else load(self.arrays)

    def scored(self, data: Development) -> np.ndarray:
        """Predictions for the rows it is scored on, see ``Development.scored_y``.

        A training row in an inner fold is predicted by the model that has not seen it.
        """
        if data.folds is None:
            return self.predict(data.val_x)
        found = np.empty(len(data.train_y))
        for fold, arrays in enumerate(parts(self.arrays)):
            rows = data.folds == fold
            found[rows] = replace(self, arrays=arrays).predict(data.train_x[rows])
        return found

    def predict(self, x: np.ndarray, *, threads: int = 1, device: str = "cpu") -> np.ndarray:
        """Predictions (n,) in the unit of the target, for features (n, width) float32.

        Raises:
            InputError: the features have another width.
        """
        if x.ndim != 2 or x.shape[1] != self.width:
            raise InputError(
                f"The features are {x.shape}, but the model takes {self.width} a row.",
                "Build the features with the feature set the model was trained on.",
            )
        return self.predictor(threads=threads, device=device)(x)

    def latency(self, x: np.ndarray) -> float:
        """Seconds to predict a row on one CPU thread: the best of three times 1,000 rows.

        Args:
            x: (n, width) float32, of which the first 1,000 are predicted, or all if fewer.
        """
        predict, some = self.predictor(), x[:_ROWS_TIMED]
        times = []
        for _ in range(_TIMES):
            began = time.perf_counter()
            predict(some)
            times.append(time.perf_counter() - began)
        return min(times) / len(some)

    def save(self, folder: Path) -> None:
        """Write it into a folder, made if needed; an older model there is replaced."""
        from safetensors.numpy import save

        weights = save({name: np.asarray(a, order="C") for name, a in self.arrays.items()})
        description = {
            "format": FORMAT,
            "family": self.family,
            "config": dict(self.config),
            "width": self.width,
            "sha256": hashlib.sha256(weights).hexdigest(),
        }
        with atomic_write(folder / WEIGHTS) as path:
            path.write_bytes(weights)
        with atomic_write(folder / DESCRIPTION) as path:
            path.write_text(json.dumps(description, indent=2, allow_nan=False))

    @classmethod
    def load(cls, folder: Path) -> "FittedModel":
        """Read what ``save`` wrote, checked so far that it can be used.

        Raises:
            InputError: a file is missing, damaged or not such a model.
        """
        said = _description(folder / DESCRIPTION)
        model = cls(said["family"], said["config"], said["width"], _arrays(folder, said["sha256"]))
        model.predictor()
        return model


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"The model file {path} cannot be read: {error.strerror}.",
            "Give the folder of an exported model.",
        ) from error


def _description(path: Path) -> dict[str, Any]:
    try:
        said = plainjson.loads(_read(path))
    except ValueError as error:
        raise broken(f"The file {path} is not JSON: {error}.") from error
    if not isinstance(said, dict) or said.keys() != _KEYS:
        raise broken(f"The file {path} does not have the keys {', '.join(sorted(_KEYS))}.")
    if said["format"] != FORMAT:
        raise InputError(
            f"The file {path} has format {said['format']!r}; this version reads {FORMAT}.",
            "Use the version of fesearch that wrote it, or a newer one.",
        )
    kinds = {"family": str, "config": dict, "width": int, "sha256": str}
    for key, kind in kinds.items():
        if type(said[key]) is not kind or (kind is int and not 1 <= said[key] <= WIDEST):
            raise broken(f"In the file {path}, '{key}' is {said[key]!r}.")
    return said


def _arrays(folder: Path, sha256: str) -> dict[str, np.ndarray]:
    path = folder / WEIGHTS
    content = _read(path)
    found = _parsed(path, content)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise broken(f"The file {path} is not the one {DESCRIPTION} was written with.")
    return found


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays in a safetensors file, not yet checked.

    Raises:
        InputError: it cannot be read, or is none.
    """
    return _parsed(path, _read(path))


def _parsed(path: Path, content: bytes) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        found: dict[str, np.ndarray] = load(content)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise broken(f"The file {path} is not a safetensors file: {error}.") from error
    return found
