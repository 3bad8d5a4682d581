"""Trials one after another in this process: no start-up, no parallelism, the same numbers.

A search that is to stop ends a training step at its next pause, such as the end of a batch. A step
that never ends nor pauses holds up the search: no one is there to end it. A step that ends this
process ends the search, and the trial is counted by whoever resumes it.
"""

import math

from fesearch.nets.threads import restored
from fesearch.record import Decision, TrialSpec
from fesearch.search import threads
from fesearch.search.brief import Brief
from fesearch.search.checkpoint import written_at
from fesearch.search.core import Core
from fesearch.search.faults import TrialError
from fesearch.search.worker import Halted, Worker
from fesearch.split import Development

LATE_GRACE = 7.0
"""Seconds beyond the deadline of a search after which a step is ended at its next pause."""


def drive(core: Core, data: Development, most: float = math.inf) -> None:
    """Run trials until the core has no further one, or is better served by others.

    Args:
        most: seconds of work left beyond which the rest is for others; the trial in training then
            waits to go on from its checkpoint.

    Returns:
        whether nothing is left to others.
    """
    brief, settings = Brief(core, most), core.settings
    with restored(needed=settings.family.gpu), threads.limited(settings.threads):
        while not brief.over and (spec := core.suggest()) is not None:
            try:
                _train(core, spec, data, brief)
            except TrialError as error:
                core.fault(spec.number, error.cause, error.message)
                brief.stepped(Decision.STOP)
            except Halted:
                core.halted(spec.number)


def _train(core: Core, spec: TrialSpec, data: Development, brief: Brief) -> None:
    def complain(line: str) -> None:
        core.note(f"trial {spec.number}: {line}")

    def halting() -> bool:
        return core.stopping or core.late(LATE_GRACE) or brief.over

    worker = Worker(spec, data, complain, halting)
    if not core.survived(spec.number, written_at(spec)):
        return
    brief.begins(spec)
    decision = Decision.CONTINUE
    while decision is Decision.CONTINUE and not brief.over:
        decision = core.report(spec.number, worker.step())
        brief.stepped(decision)
    if decision is Decision.CONTINUE:
        core.halted(spec.number)
    worker.save()
