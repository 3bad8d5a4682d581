"""Processes that the kernel has killed since it ran out of memory: SIGKILL alone says nothing."""

import re
from pathlib import Path

COUNTERS = (
    Path("/proc/vmstat"),
    Path("/sys/fs/cgroup/memory.events"),
    Path("/sys/fs/cgroup/memory/memory.oom_control"),
)
"""Of the machine, and of the control group of a container, in versions 2 and 1 of these."""
_KILLS = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


def kills() -> int | None:
    """A number that rises with each on this host; None where the kernel does not say."""
    found = [int(number) for path in COUNTERS for number in _KILLS.findall(_read(path))]
    return sum(found) if found else None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
