"""Whether a process lives: told at once where it can be seen, and not guessed where it cannot."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fesearch.store import process

HERE = socket.gethostname()

pytestmark = pytest.mark.skipif(process.born() is None, reason="this system has no /proc")


@pytest.fixture
def other() -> "Iterator[tuple[subprocess.Popen[str], str]]":
    """Another process, and what it says of its birth."""
    program = "from fesearch.store import process; print(process.born(), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        yield child, child.stdout.readline().strip()
        child.kill()


def test_a_process_lives_until_it_is_killed(other: "tuple[subprocess.Popen[str], str]") -> None:
    child, born = other
    assert process.lives(HERE, child.pid, born) is True
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert process.lives(HERE, child.pid, born) is False  # nobody has asked how it ended yet
    child.wait()
    assert process.lives(HERE, child.pid, born) is False


def test_another_process_of_the_same_number_is_not_it() -> None:
    place, _, ticks = (process.born() or "").rpartition(" ")
    assert process.lives(HERE, os.getpid(), f"{place} {ticks}") is True
    assert process.lives(HERE, os.getpid(), f"{place} {int(ticks) - 1}") is False


@pytest.mark.parametrize("born", [None, "", "12345", "boot:1 12345"])
def test_of_another_kernel_or_namespace_nothing_is_said(born: str | None) -> None:
    assert process.lives(HERE, os.getpid(), born) is None


def test_of_another_host_nothing_is_said() -> None:
    assert process.lives("elsewhere", os.getpid(), process.born()) is None


def test_without_proc_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    born = process.born()
    monkeypatch.setattr(process, "PROC", tmp_path)
    assert process.born() is None
    assert process.lives(HERE, os.getpid(), born) is None


def test_a_process_that_is_hidden_from_us_is_not_taken_for_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    born = process.born()
    monkeypatch.setattr(process, "_stat", lambda pid: None)
    assert process.lives(HERE, os.getpid(), born) is None
