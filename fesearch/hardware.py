"""What this process may use of its machine: cores, memory, a shared GPU; standard library only.

A container or a batch system gives a process less than there is. It says so in control groups,
each of which is within another, and the tightest counts.
"""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC, GROUPS = Path("/proc"), Path("/sys/fs/cgroup")
MPS_FOLDER = "/tmp/nvidia-mps"  # noqa: S108  where NVIDIA's daemon listens, unless told otherwise
MPS_VARIABLE = "CUDA_MPS_PIPE_DIRECTORY"
_NVIDIA_SMI = "nvidia-smi"  # comes with the driver, wherever that is installed
_NO_LIMIT = 1 << 60  # the first version of control groups writes a huge number for none


@dataclass(frozen=True)
class Memory:
    """Bytes: all that this process may have, and what of it is free."""

    total: int
    free: int


def allowed_cores() -> int:
    """CPU cores that this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


def core_limit() -> float | None:
    """CPU cores' worth of time that control groups give this process; None for no limit."""
    limits = [quota / period for quota, period in map(_bandwidth, _groups("cpu")) if quota > 0]
    return min(limits, default=None)


def cores() -> int:
    """CPU cores to use: those allowed, or fewer where there is time for fewer; at least one."""
    limit = core_limit()
    return max(1, allowed_cores() if limit is None else min(allowed_cores(), int(limit)))


def memory() -> Memory:
    """What this process may have, and what of it is free."""
    total, free = _machine()
    for group in _groups("memory"):
        limit = _first(group, "memory.max", "memory.limit_in_bytes")
        used = _first(group, "memory.current", "memory.usage_in_bytes")
        if limit is None or limit > _NO_LIMIT:
            continue
        total = min(total, limit)
        # What was read from files counts as used, and is given up when it is needed.
        held = (used or 0) - _cached(group)
        free = min(free, limit - max(held, 0))
    return Memory(total, max(free, 0))


def gpu_memory() -> int | None:
    """Bytes of memory of the smallest GPU that NVIDIA's driver shows; None where it shows none.

    A worker of Ray without a GPU of its own can ask, to whom CUDA shows none.
    """
    try:
        done = subprocess.run(  # noqa: S603  two words of ours
            [_NVIDIA_SMI, "--query-gpu=memory.total", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        return min(map(int, done.stdout.split())) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def mps() -> Path | None:
    """The folder where NVIDIA's MPS daemon listens, if it runs; else None.

    Workers find it by the same variable, which they inherit.
    """
    folder = Path(os.environ.get(MPS_VARIABLE) or MPS_FOLDER)
    pid = _first(folder, "nvidia-cuda-mps-control.pid")
    return folder if pid is not None and (PROC / str(pid)).is_dir() else None


def trials_on(gpus: int, each: float) -> int:
    """Trials side by side on so many GPUs: a share of one is of one GPU, however others fit."""
    return gpus * int(1 / each) if each < 1 else int(gpus / each)


def _machine() -> tuple[int, int]:
    try:
        lines = (PROC / "meminfo").read_text().splitlines()
    except OSError:  # not Linux: all there is
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return total, total
    said = {line.partition(":")[0]: line.partition(":")[2] for line in lines}
    total, free = (1024 * int(said[key].split()[0]) for key in ("MemTotal", "MemAvailable"))
    return total, free


def _groups(controller: str) -> Iterator[Path]:
    """Folders of the control groups of this process, the innermost first."""
    try:
        lines = (PROC / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, names, path = line.split(":", 2)
        if names == "":
            root = GROUPS
        elif controller in names.split(","):
            root = GROUPS / controller if (GROUPS / controller).is_dir() else GROUPS / names
        else:
            continue
        inner = Path(path.lstrip("/"))
        for group in (inner, *inner.parents):  # the last is "."
            yield root / group


def _bandwidth(group: Path) -> tuple[float, float]:
    """Microseconds of CPU time in each period, 0 for no limit, and the period."""
    try:
        quota, period = (group / "cpu.max").read_text().split()
        return (0.0 if quota == "max" else float(quota)), float(period)
    except (OSError, ValueError):
        old, length = (_first(group, f"cpu.cfs_{name}_us") for name in ("quota", "period"))
        return float(max(old or 0, 0)), float(length or 1)


def _cached(group: Path) -> int:
    try:
        lines = (group / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    said = dict(line.split(" ", 1) for line in lines if " " in line)
    # The first version counts the groups within in the total alone, as in the usage.
    return int(said.get("total_inactive_file", said.get("inactive_file", 0)))


def _first(folder: Path, *names: str) -> int | None:
    """The whole number in the first of these files that has one."""
    for name in names:
        try:
            return int((folder / name).read_text())
        except (OSError, ValueError):
            continue
    return None
