"""Optional packages: imported, or asked for with the line that installs them."""

import json
import sys
from pathlib import Path

import pytest

from fesearch.errors import InputError
from fesearch.optional import require


def test_imports_what_is_there() -> None:
    assert require("json", "dashboard") is json


def test_asks_for_what_is_missing_with_the_line_that_installs_it() -> None:
    with pytest.raises(InputError) as caught:
        require("no_such_package.part", "dashboard")
    assert caught.value.message == (
        "This needs the package 'no_such_package', which is not installed."
    )
    assert caught.value.hint == "Type: pip install 'fesearch[dashboard]'"


def test_a_package_that_is_there_but_broken_says_so_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_installed.py").write_text("import no_such_dependency")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "half_installed", raising=False)
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        require("half_installed", "dashboard")
