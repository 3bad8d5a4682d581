"""Matrices of features on disk, found by what they were computed from.

A matrix is one ``.npy`` file beside a JSON header that vouches for both by checksum: rows of
float32 in the order models read them can be mapped into memory as they are, where Arrow and Parquet
keep columns, which would have to be copied into rows. Both files appear whole or not at all, the
header last, so that a kill leaves nothing that is taken for features, and two processes that
compute the same write the same.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fesearch.errors import FesearchError
from fesearch.paths import atomic_write, cache_dir

ABANDONED = 3600.0  # seconds after which nobody is still writing a file; a gigabyte takes ten


@dataclass(frozen=True)
class CachedFeatures:
    """One matrix in the cache: its feature set, its file and the bytes on disk."""

    name: str
    path: Path
    bytes: int


def place(name: str, digest: str, content: Iterable[str]) -> Path:
    """Where the matrix of a feature set belongs, whether it is there or not.

    Args:
        name: of the feature set, without options.
        digest: of the feature set.
        content: what each row is computed from, in order.
    """
    key = hashlib.sha256("\n".join([digest, *content]).encode()).hexdigest()
    return _folder() / f"{name}-{key[:32]}.npy"


def prepare(path: Path) -> None:
    """Make the folder of ``path``: a disk that refuses is told before the work, not after it.

    Raises:
        FesearchError: it cannot be made.
    """
    with _writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)


def save(path: Path, matrix: np.ndarray, facts: Mapping[str, Any]) -> None:
    """Write a matrix and what is to be known of it, the latter as JSON.

    Raises:
        FesearchError: the folder cannot be written.
    """
    with _writing(path.parent):
        with atomic_write(path) as partial:
            with partial.open("wb") as file:
                np.save(file, matrix, allow_pickle=False)
            header = {"sha256": _checksum(partial, facts), "facts": facts}
        with atomic_write(_header(path)) as partial:
            partial.write_text(json.dumps(header), encoding="utf-8")


def load(path: Path, shape: tuple[int, int]) -> tuple[np.ndarray, dict[str, Any]] | None:
    """What ``save`` wrote, the float32 matrix on disk rather than in memory and read-only.

    Args:
        shape: of the matrix.

    Returns:
        None where anything of it is missing or damaged.
    """
    try:
        header = json.loads(_header(path).read_text(encoding="utf-8"))
        facts: dict[str, Any] = header["facts"]
        if header["sha256"] != _checksum(path, facts):
            return None
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if matrix.shape != shape or matrix.dtype != np.float32:
        return None
    return matrix, facts


def cached() -> list[CachedFeatures]:
    """What the cache holds, by name."""
    return [
        CachedFeatures(path.name.rpartition("-")[0], path, _size(path) + _size(_header(path)))
        for path in sorted(_folder().glob("*.npy"))
    ]


def clear() -> int:
    """Empty the cache and say how many bytes that freed; what is open elsewhere stays readable.

    Files half written go too, unless somebody may be writing them at this moment.
    """
    freed = 0
    for path in _folder().glob("*"):
        if not path.name.startswith(".") or _age(path) > ABANDONED:
            freed += _size(path)
            path.unlink(missing_ok=True)
    return freed


def _folder() -> Path:
    return cache_dir() / "features"


def _header(path: Path) -> Path:
    return path.with_suffix(".json")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FesearchError(
            f"The features cannot be written to {folder}: {error.strerror}.",
            "Make room there, or name another folder in FESEARCH_CACHE_DIR.",
        ) from error


def _checksum(path: Path, facts: Mapping[str, Any]) -> str:
    """SHA-256 hex of a file and of what is said of it."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(json.dumps(facts, sort_keys=True).encode())
    return digest.hexdigest()
