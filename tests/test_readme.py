"""What the README and the docstrings say in Python is run, as it stands there."""

import doctest
import importlib
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from lab import write_data
from matbenched import local

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)


SMALL = {
    '"irnet"': '"decision_tree", preset="full", runner="inline"',
    "trials=50": "trials=3",
    "trials=200": 'trials=2, runner="inline"',
    '"smoke"': '"ridge"',
    "matbench_expt_gap": "matbench_steels",
    "task.load()": "task.df = local(task)",
}
"""What is typed in a search of hours, or downloads -> the same of seconds."""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a file of one's own, in which a reader types them."""
    write_data(tmp_path / "mine.csv")
    monkeypatch.chdir(tmp_path)
    for variable in ("FESEARCH_STORAGE", "FESEARCH_ARTIFACTS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("FESEARCH_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.slow
def test_the_blocks_of_the_readme_run_one_after_the_other() -> None:
    assert BLOCKS
    names: dict[str, object] = {"local": local}
    for number, block in enumerate(BLOCKS):
        if "matbench" in block and find_spec("matbench") is None:
            continue  # it takes a package of its own
        for typed, small in SMALL.items():
            block = block.replace(typed, small)
        exec(compile(block, f"README.md, block {number}", "exec"), names)


@pytest.mark.parametrize("module", ["fesearch.api", "fesearch.regressor"])
def test_examples_in_docstrings_give_what_they_say(module: str) -> None:
    found = doctest.testmod(importlib.import_module(module))
    assert found.attempted >= 1
    assert found.failed == 0
