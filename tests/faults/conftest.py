"""Fixtures of the fault tests."""

from collections.abc import Callable
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
def said(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints what a test has done, in the long form, whose figures are in the README."""

    def say(line: str) -> None:
        if IS_LONG:
            with capsys.disabled():
                print(f"\n{line}: none finished lost, twice or changed, none left RUNNING")

    return say
