"""Predictions of rows of a data set, kept in a file: pictures and tests need no new look."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fesearch.arrays import Layout, broken, check, check_finite
from fesearch.paths import atomic_write, studies_dir

SUFFIX = ".safetensors"
NAME = re.compile(rf"[0-9a-f]{{24}}\{SUFFIX}")


def holdout_folder(study: str) -> Path:
    """Where predictions of test parts are, those that models of one study were scored on.

    Args:
        study: name of its folder among the artifacts.
    """
    return studies_dir() / study / "holdout"


def kept(study: str, name: str | None) -> "Predictions | None":
    """Predictions by the name of their file; None where they are not kept here.

    Raises:
        InputError: the file is damaged.
    """
    if name is None or not NAME.fullmatch(name):
        return None
    path = holdout_folder(study) / name
    return Predictions.load(path) if path.is_file() else None


@dataclass(frozen=True, eq=False)
class Predictions:
    """Rows of one data set, what they are and what a model says, in the unit of the target.

    Attributes:
        rows: (n,) int64, places in the data set, which its hash fixes.
        truth: (n,) float64.
        predicted: (n,) float64.
        groups: (n,) int64, equal where the reduced formula is.
    """

    rows: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    groups: np.ndarray

    @property
    def errors(self) -> np.ndarray:
        """Absolute errors, (n,)."""
        return np.asarray(np.abs(self.predicted - self.truth))

    def same_rows(self, other: "Predictions") -> bool:
        """The two are of the same rows, so that they can be compared row by row."""
        same = np.array_equal(self.rows, other.rows) and np.array_equal(self.truth, other.truth)
        return same and np.array_equal(self.groups, other.groups)

    def save(self, folder: Path) -> str:
        """Keep them in a folder under a name that is made of their content.

        Returns:
            the name of the file.
        """
        from safetensors.numpy import save

        content = save({name: np.ascontiguousarray(a) for name, a in vars(self).items()})
        name = hashlib.sha256(content).hexdigest()[:24] + SUFFIX
        with atomic_write(folder / name) as path:
            path.write_bytes(content)
        return name

    @classmethod
    def load(cls, path: Path) -> "Predictions":
        """Read what ``save`` wrote.

        Raises:
            InputError: it cannot be read, is damaged or no such file.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            content = path.read_bytes()
            found = load(content)
        except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
            raise broken(f"The predictions {path} cannot be read: {error}.") from error
        if path.name != hashlib.sha256(content).hexdigest()[:24] + SUFFIX:
            raise broken(f"The predictions {path} are not those that were kept.")
        shape = found["rows"].shape[:1] if "rows" in found else (0,)
        whole, real = np.dtype(np.int64), np.dtype(np.float64)
        kinds = {"rows": whole, "truth": real, "predicted": real, "groups": whole}
        check(found, {name: Layout(shape, kind) for name, kind in kinds.items()}, "predictions")
        check_finite({name: found[name] for name in ("truth", "predicted")}, "predictions")
        return cls(**found)


def of_formulas(
    rows: np.ndarray, reduced: Iterable[str], truth: np.ndarray, predicted: np.ndarray
) -> Predictions:
    """Predictions grouped by formula.

    Args:
        rows: (n,) places in the data set.
        reduced: n reduced formulas.
    """
    numbered: dict[str, int] = {}
    groups = [numbered.setdefault(text, len(numbered)) for text in reduced]
    return Predictions(
        np.asarray(rows, np.int64),
        np.asarray(truth, np.float64),
        np.asarray(predicted, np.float64),
        np.array(groups, np.int64),
    )
