"""Ray's actor around a worker.

A module of its own, for a worker process imports all that it imports: nothing here may need Optuna
or a database.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ray import tune

from fesearch.nets.memory import let_go
from fesearch.own import Source, run
from fesearch.record import TrialSpec
from fesearch.search import threads
from fesearch.search.faults import TrialError
from fesearch.search.worker import Halted, Worker
from fesearch.split import Development

SECONDS_BETWEEN_LOOKS = 1.0


class _Asked:
    """Whether a file says that trials are to halt; it is read each second.

    It lies among the checkpoints, which every node sees. On a network file system, what a file says
    is as it is when it is opened, but whether there is one may be known from a minute ago: so it
    is there from the beginning, and empty until trials are to halt.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._looked_at = time.monotonic()

    def __call__(self) -> bool:
        now = time.monotonic()
        if now - self._looked_at < SECONDS_BETWEEN_LOOKS:
            return False
        self._looked_at = now
        try:
            return bool(self._file.read_bytes())
        except OSError:  # it could not be made, or is not seen yet
            return False


class Trial(tune.Trainable):  # type: ignore[misc]
    """Trains one trial after the other; they come to it by ``reset_config``."""

    def setup(
        self, config: dict[str, Any], data: Development, own: Sequence[Source], halt: Path
    ) -> None:
        self._spec: TrialSpec = config["spec"]
        threads.pin(self._spec.threads)
        for source in own:
            run(source)
        self._data = data
        self._halt = halt
        self._worker: Worker | None = None
        self._complaints: list[str] = []

    def step(self) -> dict[str, Any]:
        complaints = self._complaints = []
        try:
            if self._worker is None:
                asked = _Asked(self._halt)
                self._worker = Worker(self._spec, self._data, self._complain, asked)
            return {"report": self._worker.step(), "complaints": complaints}
        except Halted:
            self._worker = None  # its checkpoint is of a moment that it cannot go on from
            return {"complaints": complaints}
        except TrialError as error:
            self._worker = None  # there is nothing to go on from
            return {"fault": error.cause, "reason": error.message, "complaints": complaints}

    def _complain(self, line: str) -> None:
        self._complaints.append(line)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.cleanup()
        self._spec = new_config["spec"]
        return True

    def cleanup(self) -> None:
        if self._worker is not None:
            self._worker.save()
            self._worker = None
        let_go()
