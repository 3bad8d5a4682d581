"""What becomes of a trial whose training a fault of the machine ended. Pure."""

from dataclasses import dataclass

from fesearch.record import TrialResult
from fesearch.search.faults import Cause, is_of_gpu
from fesearch.search.settings import Settings

NO_MEMORY = "too little memory"
"""So begins the reason of a trial that is tried again, alone."""


@dataclass(frozen=True)
class Verdict:
    """What is decided of a trial.

    Attributes:
        reason: why, in a line.
        again: it goes on from its checkpoint; else it has failed.
        alone: with no other one in training.
    """

    reason: str
    again: bool = False
    alone: bool = False


def is_alone(standing: TrialResult) -> bool:
    """Whether a trial has run out of memory before, and so is to have all of it now."""
    return standing.reason.startswith(NO_MEMORY)


def told_apart(
    standing: TrialResult, cause: Cause, reason: str, settings: Settings
) -> tuple[Cause, str]:
    """The cause of a fault, and a line on it: one that cannot be told is taken for one that can.

    A worker that may have been killed for want of memory counts as lost, from the second time on
    as out of memory.
    """
    if cause is not Cause.KILLED:
        return cause, reason
    if 0 < standing.retries < settings.retries and not is_alone(standing):
        return Cause.MEMORY, f"perhaps, since {reason} again"
    return Cause.LOST, reason


def verdict(standing: TrialResult, cause: Cause, reason: str, settings: Settings) -> Verdict:
    """What becomes of the trial.

    One that lost its worker goes on from its checkpoint, ``Settings.retries`` times at most; one
    that ran out of memory does so once, alone, unless the memory is that of a GPU which it had to
    itself. Any other fault ends the trial.
    """
    alone = is_alone(standing)
    if cause is Cause.LOST and standing.retries < settings.retries:
        again = f"{NO_MEMORY}, alone now, and " if alone else ""
        lost = f"a lost worker ({standing.retries + 1} of {settings.retries}): {reason}"
        return Verdict(f"{again}{lost}", again=True, alone=alone)
    if cause is Cause.LOST:
        times = f" {standing.retries + 1} times" if standing.retries else ""
        return Verdict(f"the worker was lost{times}: {reason}")
    if cause is Cause.MEMORY and settings.own_gpus and is_of_gpu(reason):
        return Verdict(f"{NO_MEMORY}, with the GPU to itself: {reason}")
    if cause is Cause.MEMORY and not alone:
        return Verdict(f"{NO_MEMORY}, alone now: {reason}", again=True, alone=True)
    if cause is Cause.MEMORY:
        return Verdict(f"{NO_MEMORY}, alone too: {reason}")
    return Verdict(reason)
