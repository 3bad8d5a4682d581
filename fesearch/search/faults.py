"""Faults of a trial that are not its config's doing: what kind they are, and what they are called.

Standard library only: the kinds are told by name and words, so that no library has to be imported
to ask whether an error is one of its own.
"""

import errno
import re
from enum import StrEnum

from fesearch.errors import FesearchError, first_line

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NO_MEMORY = re.compile(
    r"out of memory|low on memory|can't allocate memory|cannot allocate memory|bad_alloc|"
    r"bad allocation",
    re.IGNORECASE,
)
_FULL = re.compile(r"\[Errno (?:28|122)\]|os error (?:28|122)\b|No space left on device")


class Cause(StrEnum):
    """What kind of fault ended a training; it decides what becomes of the trial."""

    ERROR = "error"
    """An exception in the family: it would come again."""
    MEMORY = "memory"
    """Too little memory of the host or the GPU: alone there may be enough."""
    DISK = "disk"
    """What a trial must leave cannot be written: no other trial could leave it either."""
    LOST = "lost"
    """The process died, or its machine did: a checkpoint goes on elsewhere."""
    TIME = "time"
    """It took longer than a trial may."""


class TrialError(FesearchError):
    """A training that a fault ended."""

    def __init__(self, message: str, hint: str, cause: Cause = Cause.ERROR) -> None:
        super().__init__(message, hint)
        self.cause = cause


def cause_of(error: BaseException) -> Cause:
    """The kind of an exception that came out of a family: want of memory, or any other."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & {"MemoryError", "OutOfMemoryError"} or _NO_MEMORY.search(str(error)):
        return Cause.MEMORY
    return Cause.ERROR


def is_full(error: BaseException) -> bool:
    """Whether an error, or a text of one, says that a disk or a quota is full."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _NO_SPACE
    return bool(_FULL.search(str(error)))


def unwritable(what: str, error: OSError) -> str:
    """One line on what cannot be written and why."""
    return f"{what} cannot be written: {error.strerror or first_line(error)}"
