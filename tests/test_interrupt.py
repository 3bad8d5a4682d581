"""Signals that stop a search: what counts as one, and what as a second."""

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from fesearch.search import interrupt
from fesearch.search.core import INTERRUPTED
from fesearch.search.halt import Halt


def again(number: int) -> None:
    """Have this process get a signal; Python hears it at once."""
    os.kill(os.getpid(), number)


@pytest.fixture(autouse=True)
def hangup() -> Iterator[None]:
    """As in a terminal: SIGHUP is not ignored, as it is under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the clock on."""
    now = [0.0]
    monkeypatch.setattr("fesearch.search.interrupt.time.monotonic", lambda: now[0])

    def on(seconds: float) -> None:
        now[0] += seconds

    return on


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_comes_twice_at_once_is_one(number: int, later: Callable[[float], None]) -> None:
    """A batch system tells all processes, and the script of the job passes it on."""
    halt = Halt()
    with interrupt.stops(halt):
        again(signal.SIGTERM)
        assert halt.reason == INTERRUPTED
        later(interrupt._AT_ONCE)
        again(number)
        later(0.1)
        with pytest.raises(KeyboardInterrupt):
            again(number)


def test_a_second_ctrl_c_ends_at_once(later: Callable[[float], None]) -> None:
    halt = Halt()
    with interrupt.stops(halt):
        again(signal.SIGINT)
        assert halt.reason == INTERRUPTED
        with pytest.raises(KeyboardInterrupt):
            again(signal.SIGINT)


def test_afterwards_signals_do_what_they_did() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with interrupt.stops(Halt()):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
