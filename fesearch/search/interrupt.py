"""Ctrl-C, SIGTERM, SIGHUP: the first stops a search in good order, the second ends it at once.

After both it can be resumed.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from fesearch.search.core import INTERRUPTED, Core
from fesearch.search.halt import Halt


@contextmanager
def stops(core: Core | Halt) -> Iterator[None]:
    """While a search runs, Ctrl-C stops it at its trials' next reports, with their checkpoints.

    So do SIGTERM, which batch systems send before they kill, and SIGHUP, which a terminal sends
    that is closed (unless it is ignored, as under ``nohup``). A second signal of any kind raises
    KeyboardInterrupt, which waits for nothing but what has to be let go of.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread alone
        return
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    if before[signal.SIGHUP] is signal.SIG_IGN:
        del before[signal.SIGHUP]

    def interrupt(number: int, frame: FrameType | None) -> None:
        for one in before:
            signal.signal(one, signal.default_int_handler)
        core.stop(INTERRUPTED)

    for one in before:
        signal.signal(one, interrupt)
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
