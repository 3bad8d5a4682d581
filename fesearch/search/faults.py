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
    r"^MemoryError|out of memory|can't allocate memory|cannot allocate memory|bad_alloc|"
    r"bad allocation",
    re.IGNORECASE,
)
_TASK = "ray::"
"""In the first line of what Ray says of an exception, which came out of a call of its."""
_DEAD = re.compile(r"The actor is dead because (.+?)\.(?:\s|$)")
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
    KILLED = "killed"
    """The process died, perhaps for want of memory: it cannot be told from other deaths."""


class TrialError(FesearchError):
    """A training that a fault ended."""

    def __init__(self, message: str, hint: str, cause: Cause = Cause.ERROR) -> None:
        super().__init__(message, hint)
        self.cause = cause


def cause_of(error: BaseException) -> Cause:
    """The kind of an exception that came out of a family: a full disk, no memory, or any other."""
    if is_full(error):
        return Cause.DISK
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & {"MemoryError", "OutOfMemoryError"} or _NO_MEMORY.search(str(error)):
        return Cause.MEMORY
    return Cause.ERROR


def is_of_gpu(reason: str) -> bool:
    """Whether the memory that a trial ran out of was that of a GPU, as torch says it."""
    return "CUDA" in reason or "HIP" in reason


def is_of_ray(error: BaseException) -> bool:
    """Whether Ray ends its worker by an exception, as it does at SIGTERM: no family has exited."""
    return isinstance(error, SystemExit) and hasattr(error, "ray_terminate_msg")


def of_actor(said: str) -> tuple[Cause, str]:
    """The kind of a fault that took Ray's actor away, and a line on it.

    Args:
        said: by Ray, in many lines: a traceback where an exception came out of the actor.
    """
    lines = said.splitlines() or ["no message"]
    if _TASK in lines[0]:
        return cause_of(RuntimeError(lines[-1])), lines[-1]
    if "running low on memory" in said:  # by Ray's memory monitor, which killed the actor
        return Cause.MEMORY, "Ray killed its worker, as the node was running low on memory"
    why = _DEAD.search(said)
    return Cause.LOST, why[1] if why else lines[0]


def is_full(said: object) -> bool:
    """Whether an error, or the text of one, says that a disk or a quota is full."""
    if isinstance(said, OSError) and said.errno is not None:
        return said.errno in _NO_SPACE
    return bool(_FULL.search(str(said)))


def unwritable(what: str, error: OSError) -> str:
    """One line on what cannot be written and why."""
    return f"{what} cannot be written: {error.strerror or first_line(error)}"
