"""Trials one after another in this process: no start-up, no parallelism, the same numbers.

A search that is to stop ends a training step at its next pause, such as the end of a batch. A step
that never ends nor pauses holds up the search: no one is there to end it. A step that ends this
process ends the search, and the trial is counted by whoever resumes it.
"""

from fesearch.record import Decision, TrialSpec
from fesearch.search import threads
from fesearch.search.checkpoint import written_at
from fesearch.search.core import Core
from fesearch.search.faults import TrialError
from fesearch.search.worker import Halted, Worker
from fesearch.split import Development


def drive(core: Core, data: Development) -> None:
    """Run trials until the core has no further one."""
    with threads.limited(core.settings.threads):
        while (spec := core.suggest()) is not None:
            try:
                _train(core, spec, data)
            except TrialError as error:
                core.fault(spec.number, error.cause, error.message)
            except Halted:
                core.halted(spec.number)


def _train(core: Core, spec: TrialSpec, data: Development) -> None:
    def complain(line: str) -> None:
        core.note(f"trial {spec.number}: {line}")

    worker = Worker(spec, data, complain, lambda: core.stopping)
    if not core.survived(spec.number, written_at(spec)):
        return
    while core.report(spec.number, worker.step()) is Decision.CONTINUE:
        pass
    worker.save()
