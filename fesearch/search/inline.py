"""Trials one after another in this process: no start-up, no parallelism, the same numbers.

A training step that never ends holds up the search: no one is there to end it.
"""

from fesearch.record import Decision, TrialSpec
from fesearch.search import threads
from fesearch.search.core import Core
from fesearch.search.faults import TrialError
from fesearch.search.worker import Worker
from fesearch.split import Development


def drive(core: Core, data: Development) -> None:
    """Run trials until the core has no further one."""
    with threads.limited(core.settings.threads):
        while (spec := core.suggest()) is not None:
            try:
                _train(core, spec, data)
            except TrialError as error:
                core.fault(spec.number, error.cause, error.message)


def _train(core: Core, spec: TrialSpec, data: Development) -> None:
    worker = Worker(spec, data, lambda line: core.note(f"trial {spec.number}: {line}"))
    while core.report(spec.number, worker.step()) is Decision.CONTINUE:
        pass
    worker.save()
