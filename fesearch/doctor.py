"""What a search would find on this machine, and for whatever is wrong the line that mends it."""

import importlib.metadata
import os
import platform
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from fesearch import hardware
from fesearch.errors import FesearchError, counted, first_line
from fesearch.paths import artifacts_dir, cache_dir, studies_dir

LEAST_MEMORY = 2 << 30
LEAST_DISK = 2 << 30
"""Bytes free below which a small search fails: a worker takes half a gigabyte, Ray's files more."""
_SHM = Path("/dev/shm")  # noqa: S108  where Ray keeps what processes share
_LEAST_SHM = 1 << 28
_GIB = 1 << 30
_UNASKED = ("dev",)  # extras for those who work on fesearch


class State(StrEnum):
    """Of a finding: all well, worth knowing, or a search would stop."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        found: what was seen, in a line.
        mend: what to type where it is not well; may be empty for a note.
    """

    what: str
    state: State
    found: str
    mend: str = ""


def examine(url: str, address: str | None = None) -> Iterator[Finding]:
    """Look at everything, one by one, and leave it as it is; Ray is started for a moment.

    Args:
        url: of the store.
        address: of a Ray cluster to look at in place of starting one.
    """
    looks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("cores", _cores),
        ("memory", _memory),
        ("shared memory", _shared_memory),
        ("gpus", _gpus),
        ("mps", _mps),
        ("packages", _packages),
        ("extras", _extras),
        ("database", lambda: _database(url)),
        ("artifacts", artifacts),
        ("cache", _cache),
        ("ray", lambda: _ray(address)),
    ]
    for what, look in looks:
        try:
            yield from look()
        except FesearchError as error:
            yield Finding(what, State.PROBLEM, error.message, error.hint)
        except Exception as error:  # noqa: BLE001  one look that fails hides no other
            yield Finding(what, State.PROBLEM, first_line(error), "See fesearch --debug study list")


def _cores() -> Iterator[Finding]:
    there, allowed, limit = os.cpu_count() or 1, hardware.allowed_cores(), hardware.core_limit()
    found = f"{hardware.cores()} to use of {there}"
    if allowed < there:
        found += f"; this process may run on {allowed}"
    if limit is not None:
        found += f"; its control group gives it the time of {limit:g}"
    yield Finding("cores", State.OK, found)
    threads = os.environ.get("OMP_NUM_THREADS")
    if threads not in (None, "1"):
        yield Finding(
            "threads",
            State.NOTE,
            f"OMP_NUM_THREADS={threads} is set; trials have --cpus-per-trial threads all the same",
        )


def _memory() -> Iterator[Finding]:
    memory = hardware.memory()
    found = f"{memory.free / _GIB:.1f} GiB free of {memory.total / _GIB:.1f}"
    if memory.free < LEAST_MEMORY:
        mend = "End other programs, or ask for a larger job: sbatch --mem=8G"
        yield Finding("memory", State.PROBLEM, found, mend)
    else:
        yield Finding("memory", State.OK, found)


def _shared_memory() -> Iterator[Finding]:
    if not _SHM.is_dir():
        return
    free = shutil.disk_usage(_SHM).free
    found = f"{free / _GIB:.1f} GiB free in {_SHM}"
    if free < _LEAST_SHM:
        mend = "Start the container with more: docker run --shm-size=4g"
        yield Finding("shared memory", State.NOTE, f"{found}: Ray is slow without it", mend)
    else:
        yield Finding("shared memory", State.OK, found)


def _gpus() -> Iterator[Finding]:
    from fesearch.nets import device

    problem = device.problem()
    if problem is not None:
        yield Finding("gpus", State.PROBLEM, problem.message, problem.hint)
        return
    devices = device.devices()
    if not devices:
        yield Finding("gpus", State.NOTE, "no NVIDIA GPU, or no driver: trials run on the CPU")
    for place, (name, memory) in enumerate(devices):
        yield Finding(f"gpu {place}", State.OK, f"{name}, {memory / _GIB:.0f} GiB")


def _mps() -> Iterator[Finding]:
    from fesearch.nets import device

    folder = hardware.mps()
    if folder is not None:
        yield Finding("mps", State.OK, f"NVIDIA MPS runs, at {folder}")
    elif os.environ.get(hardware.MPS_VARIABLE):
        yield Finding(
            "mps",
            State.PROBLEM,
            f"{hardware.MPS_VARIABLE} is set, but no NVIDIA MPS runs there",
            "Type: nvidia-cuda-mps-control -d (or unset the variable)",
        )
    elif device.devices():
        yield Finding(
            "mps",
            State.NOTE,
            "no NVIDIA MPS runs: trials that share a GPU take turns",
            "To start it: nvidia-cuda-mps-control -d",
        )
    else:
        yield Finding("mps", State.OK, "no NVIDIA MPS runs, and there is no GPU to share")


def _packages() -> Iterator[Finding]:
    yield Finding("python", State.OK, platform.python_version())
    wrong = False
    for wanted, found in _requirements(None):
        if found is None or not wanted.holds(found):
            wrong = True
            yield Finding(
                wanted.name,
                State.PROBLEM,
                f"{found or 'none'} is installed; {wanted.text} is needed",
                f"Type: pip install '{wanted.text}'",
            )
    if not wrong:
        names = ("fesearch", "torch", "ray", "optuna", "numpy")
        said = (f"{name} {importlib.metadata.version(name)}" for name in names)
        yield Finding("packages", State.OK, ", ".join(said))


def _extras() -> Iterator[Finding]:
    extras = importlib.metadata.metadata("fesearch").get_all("Provides-Extra") or []
    for extra in extras:
        missing = [wanted.name for wanted, found in _requirements(extra) if found is None]
        if missing and extra not in _UNASKED:
            yield Finding(
                f"extra {extra}",
                State.NOTE,
                f"not installed: {', '.join(missing)}",
                f"Type: pip install 'fesearch[{extra}]'",
            )


@dataclass(frozen=True)
class _Wanted:
    """A line of what fesearch requires."""

    name: str
    text: str
    holds: Callable[[str], bool]


def _requirements(extra: str | None) -> Iterator[tuple[_Wanted, str | None]]:
    """What fesearch needs, for an extra or in any case, and the version installed."""
    from packaging.requirements import Requirement

    for line in importlib.metadata.requires("fesearch") or []:
        required = Requirement(line)
        of = re.search(r"extra == ['\"](.+?)['\"]", line)
        if (of and of[1]) != extra:
            continue
        brought = f"[{','.join(sorted(required.extras))}]" if required.extras else ""
        text = f"{required.name}{brought}{required.specifier}"
        try:
            found = importlib.metadata.version(required.name)
        except importlib.metadata.PackageNotFoundError:
            found = None
        yield _Wanted(required.name, text, required.specifier.contains), found


def _database(url: str) -> Iterator[Finding]:
    from fesearch.store import upkeep
    from fesearch.store.filesystem import network

    seen = upkeep.examine(url)
    if seen.revision is None:
        found, state = f"{seen.name}: no studies yet; the first one makes it", State.OK
    else:
        found, state = f"{seen.name}: schema {seen.revision}", State.OK
    mend, place = "", "" if seen.file is None else f"; {_room(seen.file)}"
    if seen.file is not None and network(seen.file):
        state, mend = State.NOTE, "For several at once: --storage postgresql://USER@HOST/DB"
        place += ": one host at a time writes to it"
    if seen.stale:
        state, mend = State.NOTE, "Type: fesearch store upgrade"
        found += ", which is not this version's"
    yield Finding("database", state, found + place, mend)


def artifacts() -> Iterator[Finding]:
    """The folder of data and weights, and what no study there owns."""
    yield _folder("artifacts", artifacts_dir(), "FESEARCH_ARTIFACTS")
    left = sorted(studies_dir().glob(".*"))
    if left:
        names = " ".join(shlex.quote(str(folder)) for folder in left)
        yield Finding(
            "artifacts",
            State.NOTE,
            f"{counted(len(left), 'folder')} of studies whose copy was cut off: "
            f"{', '.join(map(str, left))}",
            f"Unless a fesearch store copy is under way, type: rm -r {names}",
        )


def _cache() -> Iterator[Finding]:
    yield _folder("cache", cache_dir(), "FESEARCH_CACHE_DIR")


def _folder(what: str, folder: Path, variable: str) -> Finding:
    """A folder that may not be there yet: room, rights and kind of its file system."""
    nearest = _nearest(folder)
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        found = f"{folder}: you may not write there"
        return Finding(what, State.PROBLEM, found, f"Set {variable} to a folder of yours.")
    found = f"{folder}: {_room(folder)}"
    if shutil.disk_usage(nearest).free < LEAST_DISK:
        mend = f"Make room, or set {variable} to another disk."
        return Finding(what, State.PROBLEM, found, mend)
    return Finding(what, State.OK, found)


def _nearest(path: Path) -> Path:
    """Of a file or folder and those above it, the first that is there."""
    path = path.absolute()
    return path if path.exists() else _nearest(path.parent)


def _room(path: Path) -> str:
    """What is free where a file or folder is or would be, and the kind of its file system."""
    from fesearch.store.filesystem import kind, network

    found = f"{shutil.disk_usage(_nearest(path)).free / _GIB:.1f} GiB free"
    if named := kind(path):
        found += f" on {named}"
    return f"{found}, a network file system" if network(path) else found


def _ray(address: str | None) -> Iterator[Finding]:
    from fesearch import raysession

    version = importlib.metadata.version("ray")
    with raysession.session(None if address else 1, address=address) as cores:
        gpus = raysession.gpus()
        if address is None:
            found = f"{version} starts here"
        else:
            found = (
                f"{version}; the cluster at {address} has {raysession.nodes()} nodes, "
                f"{cores} CPU cores and {gpus} GPUs"
            )
    yield Finding("ray", State.OK, found)
    named = os.environ.get("RAY_ADDRESS")
    if named and address is None:
        yield Finding(
            "ray address",
            State.NOTE,
            f"RAY_ADDRESS={named} is set, but a study joins no cluster unasked",
            f"To look at it, or to use it, add --address {named}",
        )
