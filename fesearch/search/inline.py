"""Trials one after another in this process: no start-up, no parallelism, the same numbers."""

from fesearch.record import Decision
from fesearch.search.core import Core
from fesearch.search.worker import TrialError, Worker
from fesearch.split import Development


def drive(core: Core, data: Development) -> None:
    """Run trials until the core has no further one."""
    while (spec := core.suggest()) is not None:
        try:
            worker = Worker(spec, data)
            while core.report(spec.number, worker.step()) is Decision.CONTINUE:
                pass
            worker.save()
        except TrialError as error:
            core.fail(spec.number, error.message)
