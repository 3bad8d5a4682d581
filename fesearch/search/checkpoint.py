"""Checkpoints of a trial on disk: the last, the one before, and its end, each whole or not at all.

The end is for another trial, which goes on from there.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from fesearch.arrays import Arrays
from fesearch.paths import atomic_write
from fesearch.record import Report, TrialSpec

CHECKPOINT = "checkpoint.safetensors"
BEFORE = f"before-{CHECKPOINT}"
END = "end.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """Where a training stood: all it needs to go on, and what it had last reported.

    Attributes:
        report: None within the first step.
    """

    arrays: Arrays
    report: Report | None

    @property
    def after(self) -> str:
        """What it goes on after, in words."""
        return str(self.report.resource) if self.report else "a part of its first step"


def write_checkpoint(spec: TrialSpec, checkpoint: Checkpoint) -> None:
    """Write what ``spec``'s training needs to go on, and keep the checkpoint before.

    Whatever stops it, a checkpoint that was whole is left.

    Raises:
        OSError: it cannot be written.
    """
    assert spec.folder is not None
    last = spec.folder / CHECKPOINT
    with atomic_write(last) as path:
        path.write_bytes(_written(spec, checkpoint))
        if last.exists():
            last.replace(spec.folder / BEFORE)


def write_end(spec: TrialSpec, checkpoint: Checkpoint) -> None:
    """Keep where a trial ended.

    Raises:
        OSError: it cannot be written.
    """
    assert spec.folder is not None
    with atomic_write(spec.folder / END) as path:
        path.write_bytes(_written(spec, checkpoint))


def folder_of(study: Path, number: int) -> Path:
    """The folder of a trial in the folder of its study."""
    return study / f"{number:06d}"


def read_parents_end(spec: TrialSpec) -> Checkpoint | None:
    """Where the trial ended that ``spec`` goes on from; None without one, or if it is not kept."""
    if spec.folder is None or spec.parent is None:
        return None
    return _read(folder_of(spec.folder.parent, spec.parent) / END, described(spec))


def _written(spec: TrialSpec, checkpoint: Checkpoint) -> bytes:
    """A checkpoint as it stands in its file."""
    from safetensors.numpy import save

    arrays = {name: np.asarray(a, order="C") for name, a in checkpoint.arrays.items()}
    said = {
        "trial": described(spec),
        "report": json.dumps(checkpoint.report and asdict(checkpoint.report)),
        "sha256": _digest(arrays),
    }
    return save(arrays, metadata=said)


def read_checkpoints(spec: TrialSpec) -> Iterator[Checkpoint | None]:
    """A trial's checkpoints, the last one first; None for one that is not whole, or not its own."""
    if spec.folder is not None:
        for name in (CHECKPOINT, BEFORE):
            if (spec.folder / name).exists():
                yield _read(spec.folder / name, described(spec))


def written_at(spec: TrialSpec) -> str:
    """When the last checkpoint of a trial was written, in words."""
    try:
        at = (spec.folder or Path()).joinpath(CHECKPOINT).stat().st_mtime
    except OSError:
        return "no checkpoint"
    return f"its checkpoint is of {datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def described(spec: TrialSpec) -> str:
    """What a checkpoint must agree with to be of use."""
    return json.dumps(
        {"family": spec.family, "config": dict(spec.config), "seed": spec.seed}, sort_keys=True
    )


def _read(file: Path, trial: str) -> Checkpoint | None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as opened:
            said = opened.metadata() or {}
            if said.get("trial") != trial:
                return None
            arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        if said["sha256"] != _digest(arrays):
            return None
        report = json.loads(said["report"])
        return Checkpoint(arrays, None if report is None else Report(**report))
    except (OSError, SafetensorError, ValueError, LookupError, TypeError):
        return None


def _digest(arrays: Arrays) -> str:
    """A hash of the numbers: a file may keep its form while bits of it change."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode())
        digest.update(arrays[name].reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
