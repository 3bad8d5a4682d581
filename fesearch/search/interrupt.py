"""Ctrl-C, SIGTERM, SIGHUP: the first stops a search in good order, the second ends it at once.

After both it can be resumed.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from fesearch.search.core import INTERRUPTED, Core
from fesearch.search.halt import Halt

_AT_ONCE = 5.0  # seconds


@contextmanager
def stops(core: Core | Halt) -> Iterator[None]:
    """While a search runs, Ctrl-C stops it at its trials' next reports, with their checkpoints.

    So do SIGTERM, which batch systems send before they kill, and SIGHUP, which a terminal sends
    that is closed (unless it is ignored, as under ``nohup``). A second signal of any kind raises
    KeyboardInterrupt, which waits for nothing but what has to be let go of; SIGTERM and SIGHUP are
    one with another of them that came ``_AT_ONCE`` before, for batch systems send them to a process
    and to the script that passes them on.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread alone
        return
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    if before[signal.SIGHUP] is signal.SIG_IGN:
        del before[signal.SIGHUP]

    first: list[tuple[int, float]] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        if not first:
            first.append((number, time.monotonic()))
            core.stop(INTERRUPTED)
            return
        earlier, at = first[0]
        if signal.SIGINT in (earlier, number) or time.monotonic() - at > _AT_ONCE:
            signal.default_int_handler(number, frame)

    for one in before:
        signal.signal(one, interrupt)
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
