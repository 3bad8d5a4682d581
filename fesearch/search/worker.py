"""One trial on one worker: train, keep the best weights, leave checkpoints, write a log.

A worker never opens the database. Weights and checkpoint are on disk before the report that
depends on them is answered, so whatever is decided on it, nothing has to be trained again. A
checkpoint has the report of its step beside it and a worker that goes on from there makes it once
more: whoever was to record it may have been killed before.
"""

import json
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path

from fesearch.arrays import Arrays
from fesearch.errors import FesearchError, first_line
from fesearch.paths import atomic_write
from fesearch.record import Report, TrialSpec
from fesearch.split import Development
from fesearch.trial import run

SECONDS_BETWEEN_CHECKPOINTS = 60.0
MODEL, CHECKPOINT, LOG = "model", "checkpoint.safetensors", "trial.log"


class TrialError(FesearchError):
    """A trial that a fault ended: an exception in its family, or no memory."""


@dataclass(frozen=True)
class Checkpoint:
    """Where a training stood: all it needs to go on, and what it had just reported."""

    arrays: Arrays
    report: Report


class Worker:
    """A trial in progress, a resource step at a time; it goes on from its checkpoint if it has one.

    Args:
        spec: of the trial; its folder is made if there is none.
        data: training and validation rows.

    Raises:
        TrialError: the family cannot build the model.
    """

    def __init__(self, spec: TrialSpec, data: Development) -> None:
        self._spec = spec
        self._log = _Log(spec.folder and spec.folder / LOG)
        checkpoint = read_checkpoint(spec)
        self._saved = checkpoint.report if checkpoint else None
        self._saved_at = time.monotonic()
        self._last = self._to_repeat = self._saved
        begins = f"goes on after {self._saved.resource}" if self._saved else "begins"
        self._log.write(f"{begins}: {_described(spec)}")
        try:
            self._running = run([spec], data, [checkpoint.arrays if checkpoint else None])
            self._reports = iter(self._running)
        except Exception as error:
            raise self._failed(error) from error

    def step(self) -> Report:
        """Train one resource step and report; the first report after a checkpoint is its own.

        Raises:
            TrialError: training failed; the log has the traceback.
        """
        if self._to_repeat is not None:
            repeated, self._to_repeat = self._to_repeat, None
            return repeated
        try:
            report = next(self._reports)
        except Exception as error:
            raise self._failed(error) from error
        self._last = report
        if report.last or report.resource in self._spec.rungs:
            self._save_model(report)
        if self._checkpoint_is_due(report):
            self.save()
        best = "none" if report.best is None else f"{report.best:.6g}"
        ending = f", {report.diverged}" if report.diverged else ""
        self._log.write(
            f"{report.resource}: {self._spec.metric} {report.raw:.6g}, best {best}, "
            f"{report.seconds:.2f} s{ending}"
        )
        return report

    def save(self) -> None:
        """Leave a checkpoint, unless the last one is of this very step or the trial is over."""
        last = self._last
        if self._spec.folder is None or last is None or last.last or last is self._saved:
            return
        write_checkpoint(self._spec, Checkpoint(self._running.checkpoint(0), last))
        self._saved, self._saved_at = last, time.monotonic()

    def _checkpoint_is_due(self, report: Report) -> bool:
        waited = time.monotonic() - self._saved_at
        return report.resource in self._spec.rungs or waited >= SECONDS_BETWEEN_CHECKPOINTS

    def _save_model(self, report: Report) -> None:
        if self._spec.folder is not None and report.best is not None:
            self._running.model(0).save(self._spec.folder / MODEL)

    def _failed(self, error: Exception) -> TrialError:
        self._log.write(traceback.format_exc())
        where = f"see {self._spec.folder / LOG}" if self._spec.folder else "run it alone to see"
        return TrialError(first_line(error), where)


def write_checkpoint(spec: TrialSpec, checkpoint: Checkpoint) -> None:
    """Write what ``spec``'s training needs to go on, whole or not at all."""
    from safetensors.numpy import save_file

    assert spec.folder is not None
    said = {"trial": _described(spec), "report": json.dumps(asdict(checkpoint.report))}
    with atomic_write(spec.folder / CHECKPOINT) as path:
        save_file(dict(checkpoint.arrays), path, metadata=said)


def read_checkpoint(spec: TrialSpec) -> Checkpoint | None:
    """A trial's checkpoint; None where there is none that is whole, or none of this very trial."""
    from safetensors import SafetensorError, safe_open

    if spec.folder is None:
        return None
    try:
        with safe_open(spec.folder / CHECKPOINT, framework="numpy") as file:
            said = file.metadata() or {}
            if said.get("trial") != _described(spec):
                return None
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return Checkpoint(arrays, Report(**json.loads(said["report"])))
    except (OSError, SafetensorError, ValueError, LookupError, TypeError):
        return None


def _described(spec: TrialSpec) -> str:
    """What a checkpoint must agree with to be of use."""
    return json.dumps(
        {"family": spec.family, "config": dict(spec.config), "seed": spec.seed}, sort_keys=True
    )


class _Log:
    """Lines with their time, appended to a file; nothing where there is no file."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, line: str) -> None:
        if self._path is not None:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{stamp} {line}\n")
