"""Ctrl-C: the first stops a search so that it can be resumed, the second ends the program."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from fesearch.search.core import Core


@contextmanager
def stops(core: Core) -> Iterator[None]:
    """While a search runs, Ctrl-C stops it at its trials' next reports, with their checkpoints."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread alone
        return
    before = signal.getsignal(signal.SIGINT)

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        core.stop("interrupted")

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
