"""What a feature set is: columns computed from a formula alone, kept in a cache by content.

A feature set is one file in ``featuresets/`` that declares ``FEATURE_SET``. It says how one chunk
of formulas becomes rows; repeated formulas, progress and the cache are done here.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from fesearch import formula
from fesearch.errors import FesearchError
from fesearch.paths import atomic_write, cache_dir
from fesearch.registry import Registry

#: Called with (distinct formulas done, distinct formulas in all) as a computation goes on.
Progress: TypeAlias = Callable[[int, int], None]

CHUNK = 2000  # formulas at a time: a tenth of a second, and some 20 MB while they are computed
ABANDONED = 3600.0  # seconds after which nobody is still writing a file; a gigabyte takes ten


@dataclass(frozen=True)
class FeatureSet:
    """Columns that a formula determines.

    Attributes:
        name: as typed, and the name of its module.
        title: one line for people.
        source: where the features are described.
        version: of our own code for it; another one makes another digest.
        names: the d distinct column names.
        rows: m reduced formulas -> (m, d) numbers, each row from its formula alone. NaN where a
            table lacks an element.
        tables: the element tables that ``rows`` reads, as bytes.
    """

    name: str
    title: str
    source: str
    version: str
    names: Callable[[], tuple[str, ...]]
    rows: Callable[[Sequence[str]], np.ndarray]
    tables: Callable[[], Mapping[str, bytes]]

    def digest(self) -> str:
        """SHA-256 hex of name, version and element tables: another one, other features."""
        digest = hashlib.sha256(f"{self.name}\x1f{self.version}".encode())
        for table, content in sorted(self.tables().items()):
            digest.update(f"\x1f{table}\x1f{hashlib.sha256(content).hexdigest()}".encode())
        return digest.hexdigest()

    def compute(self, formulas: Sequence[str], progress: Progress | None = None) -> np.ndarray:
        """Features of n formulas, (n, d) float32; each distinct composition is computed once.

        Args:
            formulas: in any spelling.
            progress: told how far it is.

        Raises:
            InputError: a formula cannot be read, or its features cannot be computed.
        """
        reduced = [formula.reduced(text) for text in formulas]
        place = {text: row for row, text in enumerate(dict.fromkeys(reduced))}
        distinct = list(place)
        matrix = np.empty((len(distinct), len(self.names())), dtype=np.float32)
        tell = progress or (lambda done, total: None)
        tell(0, len(distinct))
        for start in range(0, len(distinct), CHUNK):
            chunk = distinct[start : start + CHUNK]
            matrix[start : start + CHUNK] = self.rows(chunk)
            tell(start + len(chunk), len(distinct))
        if len(distinct) == len(reduced):
            return matrix  # a copy in the same order could be the larger part of all memory
        return matrix[[place[text] for text in reduced]]


FEATURE_SETS: Registry[FeatureSet] = Registry(
    "feature set", FeatureSet, "fesearch.featuresets", "FEATURE_SET", "fesearch features list"
)


@dataclass(frozen=True, eq=False)
class Features:
    """A feature set of some formulas, in their order.

    Attributes:
        name: of the feature set.
        digest: of the feature set, see `FeatureSet.digest`.
        names: the d column names.
        matrix: (n, d) float32, read-only; on disk rather than in memory when it was cached.
        constant: columns with one finite value in all rows.
        non_finite: column -> number of rows in which it is NaN or infinite; others are left out.
    """

    name: str
    digest: str
    names: tuple[str, ...]
    matrix: np.ndarray
    constant: tuple[str, ...]
    non_finite: Mapping[str, int]


@dataclass(frozen=True)
class CachedFeatures:
    """One matrix in the cache: its feature set, its file and the bytes on disk."""

    name: str
    path: Path
    bytes: int


def build(name: str, formulas: Sequence[str], progress: Progress | None = None) -> Features:
    """The feature set called ``name`` of n formulas, from the cache or computed and cached.

    Args:
        formulas: in any spelling; `Dataset.reduced` finds the same cache for every spelling.
        progress: see `FeatureSet.compute`; not called when the cache has it.

    Raises:
        InputError: no such feature set, or see `FeatureSet.compute`.
        FesearchError: the cache cannot be written.
    """
    feature_set = FEATURE_SETS.get(name)
    digest = feature_set.digest()
    key = hashlib.sha256("\n".join([digest, *formulas]).encode()).hexdigest()
    path = _folder() / f"{name}-{key[:32]}.npy"
    found = _load(path, name, digest, len(formulas))
    if found is not None:
        return found
    with _writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)  # refused now rather than after the work
    matrix = feature_set.compute(formulas, progress)
    matrix.setflags(write=False)
    constant, non_finite = _reports(matrix, feature_set.names())
    features = Features(name, digest, feature_set.names(), matrix, constant, non_finite)
    with _writing(path.parent):
        _save(path, features)
    return features


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


def _reports(
    matrix: np.ndarray, names: tuple[str, ...]
) -> tuple[tuple[str, ...], Mapping[str, int]]:
    """Which columns are constant and how often each is not finite."""
    bad = np.count_nonzero(~np.isfinite(matrix), axis=0)
    same = (matrix == matrix[:1]).all(axis=0) & (bad == 0) & (len(matrix) > 0)
    constant = tuple(name for name, found in zip(names, same, strict=True) if found)
    non_finite = {name: int(count) for name, count in zip(names, bad, strict=True) if count}
    return constant, MappingProxyType(non_finite)


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


def _save(path: Path, features: Features) -> None:
    """Write the matrix, then the header that vouches for it by its checksum."""
    with atomic_write(path) as partial:
        with partial.open("wb") as file:
            np.save(file, features.matrix, allow_pickle=False)
        checksum = _checksum(partial)
    header = {
        "sha256": checksum,
        "names": features.names,
        "constant": features.constant,
        "non_finite": dict(features.non_finite),
    }
    with atomic_write(_header(path)) as partial:
        partial.write_text(json.dumps(header), encoding="utf-8")


def _load(path: Path, name: str, digest: str, rows: int) -> Features | None:
    """What `_save` wrote, or None where it is missing or damaged in any way."""
    try:
        header = json.loads(_header(path).read_text(encoding="utf-8"))
        if header["sha256"] != _checksum(path):
            return None
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
        names, constant = tuple(header["names"]), tuple(header["constant"])
        non_finite = MappingProxyType(dict(header["non_finite"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if matrix.shape != (rows, len(names)) or matrix.dtype != np.float32:
        return None
    return Features(name, digest, names, matrix, constant, non_finite)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
