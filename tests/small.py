"""A study of tiny networks, and a watcher that does something to it on the way."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import searched

from fesearch.record import Report, TrialResult, TrialSpec
from fesearch.search import start
from fesearch.search.core import Core
from fesearch.study import Study

SPACE = {
    "depth": 3,
    "width": 0.03125,
    "norm": "none",
    "output_activation": "none",
    "batch_size": 8,
    "optimizer": ["adam", "sgd"],
    "learning_rate": [0.01, 0.001, 0.0001, 1e-5],
}


def small(name: str = "deep", **keys: Any) -> Study:
    """Six tiny networks of at most four epochs, one after the other in this process."""
    given = {
        "family": "irnet",
        "data": searched.DATA,
        "runner": "inline",
        "trials": 6,
        "max_epochs": 4,
        "seed": 3,
        "space": SPACE,
    }
    return Study(name=name, **{**given, **keys})


@contextmanager
def furnished(folder: Path, *studies: Study) -> Iterator[str]:
    """The URL of a store with these studies; this process lives in its folder, with its data."""
    url = f"sqlite:///{folder}/studies.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FESEARCH_STORAGE", url)
        patch.setenv("FESEARCH_ARTIFACTS", str(folder / "artifacts"))
        patch.setenv("FESEARCH_CACHE_DIR", str(folder / "cache"))
        searched.save_data()
        for study in studies:
            start.start(study, url)
        yield url


class Watch:
    """A watcher that counts reports, and does something at one of them."""

    def __init__(self, at: int = -1, do: Callable[[Core], None] = lambda core: None) -> None:
        self.at, self.do = at, do
        self.count = 0
        self.begun: list[tuple[int, bool]] = []
        self.notes: list[str] = []

    def opened(self, core: Core, results: Sequence[TrialResult]) -> None:
        self.core = core

    def began(self, spec: TrialSpec, resumed: bool) -> None:
        self.begun.append((spec.number, resumed))

    def reported(self, number: int, report: Report) -> None:
        self.count += 1
        if self.count == self.at:
            self.do(self.core)

    def noted(self, line: str) -> None:
        self.notes.append(line)

    def ended(self, result: TrialResult) -> None:
        """Nothing to note."""


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("it did not happen in 30 s")


def interrupt(core: Core) -> None:
    """Ctrl-C in this process."""
    os.kill(os.getpid(), signal.SIGINT)


class Killed(BaseException):
    """What no part of the package expects: it stands for the death of the process."""


def deadly(original: Callable[..., Any], passage: int, when: str) -> Callable[..., Any]:
    """``original``, which kills once: at that passage, before or after its work."""
    passages = 0

    def function(*arguments: Any, **options: Any) -> Any:
        nonlocal passages
        passages += 1
        if passages == passage and when == "before":
            raise Killed
        answer = original(*arguments, **options)
        if passages == passage:
            raise Killed
        return answer

    return function
