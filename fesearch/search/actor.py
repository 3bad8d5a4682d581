"""Ray's actor around a worker.

A module of its own, for a worker process imports all that it imports: nothing here may need Optuna
or a database.
"""

from collections.abc import Sequence
from typing import Any

from ray import tune

from fesearch.nets.memory import let_go
from fesearch.own import Source, run
from fesearch.record import TrialSpec
from fesearch.search import threads
from fesearch.search.faults import TrialError
from fesearch.search.worker import Worker
from fesearch.split import Development


class Trial(tune.Trainable):  # type: ignore[misc]
    """Trains one trial after the other; they come to it by ``reset_config``."""

    def setup(self, config: dict[str, Any], data: Development, own: Sequence[Source]) -> None:
        self._spec: TrialSpec = config["spec"]
        threads.pin(self._spec.threads)
        for source in own:
            run(source)
        self._data = data
        self._worker: Worker | None = None
        self._complaints: list[str] = []

    def step(self) -> dict[str, Any]:
        complaints = self._complaints = []
        try:
            if self._worker is None:
                self._worker = Worker(self._spec, self._data, self._complain)
            return {"report": self._worker.step(), "complaints": complaints}
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
