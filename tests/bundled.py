"""Bundles that tests change, with sums that agree with what was changed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fesearch.bundle import open_bundle
from fesearch.bundlefiles import SUMS, checksums
from fesearch.errors import InputError


def refused(folder: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        open_bundle(folder)
    return caught.value


def vouched(folder: Path) -> Path:
    """The folder with sums that agree with its files: a forger can compute them too."""
    (folder / SUMS).write_text(checksums(folder))
    return folder


def edit(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
