"""Where files live: the store, the cache, the artifacts; and how a file is written whole."""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import resources
from pathlib import Path

from fesearch.errors import InputError, quoted

_ARTIFACTS: ContextVar[Path | None] = ContextVar("artifacts", default=None)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def storage_url(given: str | None = None) -> str:
    """The SQLAlchemy URL of the store: the argument, FESEARCH_STORAGE, or a file in this folder."""
    return given or os.environ.get("FESEARCH_STORAGE") or "sqlite:///fesearch.db"


def cache_dir() -> Path:
    """The folder for what can be computed again: FESEARCH_CACHE_DIR, or the platform's own."""
    if given := os.environ.get("FESEARCH_CACHE_DIR"):
        return Path(given)
    import platformdirs  # training alone does without it

    return Path(platformdirs.user_cache_dir("fesearch"))


def artifacts_dir() -> Path:
    """The folder for what is kept: FESEARCH_ARTIFACTS, or fesearch-artifacts in this folder."""
    return _ARTIFACTS.get() or Path(os.environ.get("FESEARCH_ARTIFACTS") or "fesearch-artifacts")


def studies_dir() -> Path:
    """Where the folders of all studies are, among what is kept."""
    return (artifacts_dir() / "studies").absolute()


@contextmanager
def artifacts_at(folder: Path | None) -> Iterator[None]:
    """In this block, and in no other thread, what is kept goes to another folder; None: the same.

    The environment is everyone's; what one search in a temporary place is told, another that runs
    beside it in this process must not hear.
    """
    if folder is None:
        yield
        return
    before = _ARTIFACTS.set(folder)
    try:
        yield
    finally:
        _ARTIFACTS.reset(before)


def dashboards() -> Path:
    """Where the templates of pages and panels are: in the package, or beside it in a checkout."""
    inside = Path(str(resources.files("fesearch"))) / "dashboards"
    return inside if inside.is_dir() else inside.parent.parent / "dashboards"


def checked_name(kind: str, name: str) -> str:
    """``name``, if a study or data set can be called so; no path can be made of one.

    Args:
        kind: the noun in the error, such as "study".

    Raises:
        InputError: it has other characters, begins with a dot or dash, or is too long.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"A {kind} cannot be called {quoted(name)}.",
            "Use up to 64 letters, digits, dots, dashes and underscores, "
            "beginning with a letter or digit.",
        )
    return name


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write a file whole or not at all: fill the path this yields, it then takes its place.

    The folder is made if it is missing. Whatever stops the block, ``path`` is as it was before.
    A link is followed, so that the file it leads to is the one replaced.

    Raises:
        OSError: it cannot be written, or there is something that is no file: a device, a pipe.
    """
    path = path.resolve()
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "it is no plain file", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(descriptor)
    partial = Path(name)
    try:
        yield partial
        _to_disk(partial)
        partial.chmod(0o666 & ~_umask())  # mkstemp makes files that only their owner can read
        partial.replace(path)
        _to_disk(path.parent)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Make a folder whole or not at all: fill the one this yields, it then takes its place.

    Raises:
        OSError: it cannot be made, or there is a file or a folder that is not empty already.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield partial
        for inside in (*partial.rglob("*"), partial):
            _to_disk(inside)
        partial.chmod(0o777 & ~_umask())  # mkdtemp makes folders that only their owner can read
        partial.replace(path)
        _to_disk(path.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _to_disk(path: Path) -> None:
    """Make what was written at ``path``, a file or a folder's entries, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
