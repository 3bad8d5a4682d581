"""Which process a lease is of, and whether it lives, where that can be seen at all.

A name of a host is no proof that its processes are to be seen from here: containers and nodes may
share one. So a process is known by its start, in the ticks of one run of one kernel, too, and by
the namespace that its number is of.
"""

import os
import socket
from pathlib import Path

PROC = Path("/proc")
_GONE = ("Z", "X")  # states of proc(5) in which nothing runs any more


def born() -> str | None:
    """Where and when this process began, in one text; None where the kernel does not say."""
    place, stat = _place(), _stat(os.getpid())
    return f"{place} {_ticks(stat)}" if place and stat else None


def lives(host: str, pid: int, born: str | None) -> bool | None:
    """Whether a process runs; None for one that cannot be seen from here.

    Args:
        born: what ``born`` said there.
    """
    place, _, ticks = (born or "").rpartition(" ")
    if not place or (host, place) != (socket.gethostname(), _place()):
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is another user's
    stat = _stat(pid)
    if stat is None:
        return None  # hidden from us
    return stat[0] not in _GONE and _ticks(stat) == ticks


def _place() -> str:
    """The run of the kernel and the namespace of process numbers; empty where they are not told."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{(PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _stat(pid: int) -> list[str] | None:
    """What proc(5) says of a process, from its state on; None where it says nothing."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _ticks(stat: list[str]) -> str:
    return stat[19]  # starttime, field 22; the state is field 3
