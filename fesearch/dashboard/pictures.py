"""Analyses for pages: made in threads of their own, kept as long as what they show is the same."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Pending
from dataclasses import dataclass
from typing import Any, TypeAlias

from fesearch.analysis import ANALYSES, Analysis
from fesearch.errors import FesearchError, first_line
from fesearch.report.page import pictures
from fesearch.report.sections import Missing, sections
from fesearch.store.glance import Pulse
from fesearch.subject import Subject

WAIT_SECONDS = 10.0
"""That a visitor waits for an analysis before a page says that it is being made."""
KEPT = 128
"""Analyses kept, some 200 kB each."""
FRESH_SECONDS = 60.0
"""For which that of a running study is shown again, though it has gone on."""
AT_ONCE, MOST_WAITING = 2, 64
_log = logging.getLogger(__name__)

Key: TypeAlias = tuple[str, tuple[int, ...]]


Drawn: TypeAlias = Mapping[str, Any]
"""An analysis as a template prints it, see ``report.page.pictures``."""


@dataclass(frozen=True)
class _Job:
    pulses: tuple[Pulse, ...]
    since: float
    future: "Future[Drawn]"


class Pictures:
    """Analyses of studies and exported models, by what is asked and of whom."""

    def __init__(self) -> None:
        self._workers = ThreadPoolExecutor(AT_ONCE, "pictures")
        self._jobs: OrderedDict[Key, _Job] = OrderedDict()
        self._lock = threading.Lock()
        self._drawing = threading.Lock()  # matplotlib draws for one thread at a time

    def get(
        self,
        analysis: Analysis,
        pulses: Sequence[Pulse],
        subjects: Callable[[], Sequence[Subject]],
        wait: float = WAIT_SECONDS,
    ) -> Drawn | None:
        """The analysis; None while it is being made.

        Args:
            pulses: of its studies, as they are now; each begins with the study's id, that of an
                exported model with a number below zero.
            subjects: the studies or the model, asked for only if it is to be made.
            wait: at most so many seconds.
        """
        key: Key = (analysis.name, tuple(int(one[0] or 0) for one in pulses))
        with self._lock:
            job = self._jobs.get(key)
            if job is None or self._stale(job, tuple(pulses)):
                if sum(not one.future.done() for one in self._jobs.values()) >= MOST_WAITING:
                    return None
                future = self._workers.submit(self._make, analysis, subjects)
                job = _Job(tuple(pulses), time.monotonic(), future)
                self._jobs[key] = job
            self._jobs.move_to_end(key)
            while len(self._jobs) > KEPT:
                self._jobs.popitem(last=False)
        try:
            return job.future.result(wait)
        except Pending:
            return None

    def close(self) -> None:
        """Make no more of them."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _stale(self, job: _Job, pulses: tuple[Pulse, ...]) -> bool:
        """Whether it shows what was long ago; one being made is never made twice."""
        late = time.monotonic() - job.since > FRESH_SECONDS
        return job.future.done() and job.pulses != pulses and late

    def _make(self, analysis: Analysis, subjects: Callable[[], Sequence[Subject]]) -> Drawn:
        try:
            found, missing = sections(analysis, subjects())
            with self._drawing:
                return pictures(found, missing, f"s{ANALYSES.names().index(analysis.name)}")
        except FesearchError as error:
            return pictures([], [Missing(analysis, error.message, error.hint)], "")
        except Exception as error:  # noqa: BLE001  a page of other pictures is to be shown
            _log.warning("The analysis '%s' failed: %s", analysis.name, first_line(error))
            return pictures([], [Missing(analysis, f"It failed: {first_line(error)}", "")], "")
