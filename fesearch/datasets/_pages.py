"""Pages of a download, kept until the data set is: what broke off goes on where it was."""

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fesearch.errors import InputError
from fesearch.paths import atomic_write, cache_dir


@contextmanager
def kept_pages(name: str, asked: str) -> Iterator[Path]:
    """The folder for the pages of a query; a block that ends well has no more use for it.

    A second process is kept from the same pages; a killed one keeps nobody away.

    Args:
        name: of the data set.
        asked: all that makes a query another one.

    Raises:
        InputError: another process is at it.
    """
    folder = cache_dir() / name / hashlib.sha256(asked.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"Another process is fetching the same entries of {name}.",
                "Wait for it; then the data set is there: fesearch data list",
            ) from None
        yield folder
        shutil.rmtree(folder, ignore_errors=True)


def write(path: Path, page: Any) -> None:
    """Keep a page, whole or not at all."""
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(page), encoding="utf-8")


def read(path: Path) -> Any:
    """A page that ``write`` kept."""
    return json.loads(path.read_text(encoding="utf-8"))
