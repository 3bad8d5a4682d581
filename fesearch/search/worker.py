"""One trial on one worker: train, keep the best weights, leave checkpoints, write a log.

A worker never opens the database. Weights and checkpoint are on disk before the report that
depends on them is answered, so whatever is decided on it, nothing has to be trained again. Nor is
more than a minute of it lost to a kill, within a step too where the learner pauses there. A
checkpoint has the report of the last step beside it and a worker that goes on from there makes it
once more: whoever was to record it may have been killed before. The checkpoint before the last is
kept too, for a last one that is damaged.

A full disk costs as little as it can: a log goes without its line, a trial goes on without a new
checkpoint; only weights that cannot be written end a training.
"""

import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from fesearch.arrays import section
from fesearch.errors import InputError, first_line
from fesearch.family import FAMILIES
from fesearch.model import FittedModel
from fesearch.nets.threads import restored
from fesearch.record import Report, TrialSpec
from fesearch.search.checkpoint import (
    Checkpoint,
    described,
    read_checkpoints,
    read_parents_end,
    write_checkpoint,
    write_end,
)
from fesearch.search.faults import Cause, TrialError, cause_of, is_of_ray, unwritable
from fesearch.split import Development
from fesearch.trial import Running, run

SECONDS_BETWEEN_CHECKPOINTS = 60.0
MODEL, LOG = "model", "trial.log"
_DAMAGED = "its last checkpoint is damaged, of another version or beyond what is on record"


class Halted(Exception):  # noqa: N818  no error: it was asked for
    """A training has ended within a step, and its checkpoint is of that moment."""


class Worker:
    """A trial in progress, a resource step at a time; it goes on from its checkpoint if it has one.

    Without one it begins where its parent ended, or at the start, which leads to the same numbers.

    Args:
        spec: of the trial; its folder is made if there is none.
        data: training and validation rows.
        complain: told in a line what could not be written and is done without.
        halting: whether training is to end at the next pause within a step; asked often.

    Raises:
        TrialError: the family cannot build the model.
    """

    def __init__(
        self,
        spec: TrialSpec,
        data: Development,
        complain: Callable[[str], None] = lambda _: None,
        halting: Callable[[], bool] = lambda: False,
    ) -> None:
        self._spec = spec
        self._halting = halting
        self._rows = data.val_x if data.folds is None else data.train_x
        self._complain = _Once(complain)
        self._log = _Log(spec.folder and spec.folder / LOG, self._complain)
        try:
            beginning, self._running = _begun(spec, data, self._complain, self._look)
        except (Exception, SystemExit) as error:
            if is_of_ray(error):
                raise
            self._log.write(f"cannot begin: {described(spec)}")
            raise self._failed(error) from error
        self._reports = iter(self._running)
        before = beginning.report if beginning else None
        self._saved = before if before and not before.last else None
        self._saved_at = time.monotonic()
        self._last = self._to_repeat = self._saved
        begins = f"goes on after {beginning.after}" if beginning else "begins"
        if spec.parent is not None and beginning is None:
            self._complain(
                f"the end of trial {spec.parent} is not kept, so it trains from the start"
            )
        parent = "" if spec.parent is None else f" as trial {spec.parent}"
        self._log.write(f"{begins}{parent}: {described(spec)}")

    def step(self) -> Report:
        """Train one resource step and report; the first report after a checkpoint is its own.

        Raises:
            TrialError: training failed, as the traceback in the log says, or its weights cannot
                be written.
            Halted: it was to.
        """
        if self._to_repeat is not None:
            repeated, self._to_repeat = self._to_repeat, None
            return repeated
        try:
            return self._trained()
        except (TrialError, Halted):
            raise
        except (Exception, SystemExit) as error:
            if is_of_ray(error):
                raise
            raise self._failed(error) from error

    def _trained(self) -> Report:
        report = next(self._reports)
        may_end = report.last or report.resource in self._spec.rungs
        if may_end:
            report = self._timed(report)
        self._last = report
        if may_end:
            self._save_model(report)
        if self._checkpoint_is_due(report):
            self.save()
        if self._ends_extendable(report):
            self._save_end(report)
        best = "none" if report.best is None else f"{report.best:.6g}"
        ending = f", {report.diverged}" if report.diverged else ""
        self._log.write(
            f"{report.resource}: {self._spec.metric} {report.raw:.6g}, best {best}, "
            f"{report.seconds:.2f} s{ending}"
        )
        return report

    def save(self) -> None:
        """Leave a checkpoint, unless the last one is of this very step or the trial is over.

        Where it cannot be written the one before stays, and training goes on.
        """
        last = self._last
        if last is not None and not last.last and last is not self._saved and self._write():
            self._saved = last

    def _look(self) -> None:
        """Within a step, after each batch: leave a checkpoint if the last one is of long ago."""
        halting = self._halting()
        if halting or self._has_waited():
            self._write()
        if halting:
            self._log.write("halted within a step")
            raise Halted

    def _write(self) -> bool:
        """Whether a checkpoint of this moment could be written."""
        if self._spec.folder is None:
            return False
        self._saved_at = time.monotonic()
        try:
            write_checkpoint(self._spec, Checkpoint(self._running.checkpoint(0), self._last))
        except OSError as error:
            self._complain(unwritable("its checkpoint", error))
            return False
        return True

    def _has_waited(self) -> bool:
        return time.monotonic() - self._saved_at >= SECONDS_BETWEEN_CHECKPOINTS

    def _checkpoint_is_due(self, report: Report) -> bool:
        return report.resource in self._spec.rungs or self._has_waited()

    def _ends_extendable(self, report: Report) -> bool:
        """Whether the trial is at its end, and another one might go on from there."""
        spec = self._spec
        at_end = report.diverged is None and report.resource == spec.steps[-1]
        return at_end and FAMILIES.get(spec.family).extendable(spec.config)

    def _save_end(self, report: Report) -> None:
        if self._spec.folder is None:
            return
        try:
            write_end(self._spec, Checkpoint(self._running.checkpoint(0), report))
        except OSError as error:
            self._complain(unwritable("its end", error))

    def _timed(self, report: Report) -> Report:
        """The report with the latency of the best model so far, if that is asked for."""
        if not self._spec.timed or report.best is None:
            return report
        with restored():  # a network that predicts sets torch's threads, those of training too
            return replace(report, latency=self._running.model(0).latency(self._rows))

    def _save_model(self, report: Report) -> None:
        if self._spec.folder is None or report.best is None:
            return
        try:
            self._running.model(0).save(self._spec.folder / MODEL)
        except OSError as error:
            said = unwritable("its weights", error)
            raise TrialError(said, f"Make room in {self._spec.folder}.", Cause.DISK) from error

    def _failed(self, error: BaseException) -> TrialError:
        self._log.write(traceback.format_exc())
        where = f"see {self._spec.folder / LOG}" if self._spec.folder else "run it alone to see"
        return TrialError(first_line(error), where, cause_of(error))


def conclude(spec: TrialSpec, value: float | None, width: int) -> bool:
    """Leave what a trial leaves at its end, of one that was interrupted and is to end as it is.

    Args:
        value: on record; a checkpoint beyond it, or before, is of another model.
        width: number of features.

    Returns:
        whether there was a checkpoint that has the model of this value.

    Raises:
        OSError: it cannot be written.
    """
    for checkpoint in read_checkpoints(spec):
        if checkpoint is None or checkpoint.report is None or checkpoint.report.best != value:
            continue
        assert spec.folder is not None, "it has checkpoints"
        best = section(checkpoint.arrays, "best.")
        FittedModel(spec.family, dict(spec.config), width, best).save(spec.folder / MODEL)
        # "last": it is on record, so whatever goes on from there does not make it again.
        write_end(spec, replace(checkpoint, report=replace(checkpoint.report, last=True)))
        return True
    return False


def _begun(
    spec: TrialSpec,
    data: Development,
    complain: Callable[[str], None],
    look: Callable[[], None],
) -> tuple[Checkpoint | None, Running]:
    """A training from the last checkpoint it can go on from, its parent's end, or the start."""
    useless = 0
    for checkpoint in _beginnings(spec):
        try:
            if checkpoint is not None:
                running = run([spec], data, [checkpoint.arrays], look)
                if useless:
                    complain(f"{_DAMAGED}; it goes on after {checkpoint.after}")
                return checkpoint, running
        except InputError:  # whole, but not as this version writes it
            pass
        useless += 1
    if useless:
        complain(f"{_DAMAGED}, so it trains from the start")
    return None, run([spec], data, look=look)


def _beginnings(spec: TrialSpec) -> Iterator[Checkpoint | None]:
    """What a training can go on from, the furthest first; None for what is there but of no use."""
    for checkpoint in read_checkpoints(spec):
        yield checkpoint if checkpoint and not _is_beyond(spec, checkpoint.report) else None
    end = read_parents_end(spec)
    if end is not None:
        yield end


def _is_beyond(spec: TrialSpec, report: Report | None) -> bool:
    """Whether reports between what is on record and a checkpoint would be missing for ever.

    A backup that was restored, or a power cut, leaves a database behind its checkpoints; a driver
    that was killed misses the one report of the checkpoint itself.
    """
    if spec.reached is None or report is None:
        return False
    end = None if spec.reached else read_parents_end(spec)
    reached = end.report.resource if end and end.report else spec.reached
    return report.resource > next((step for step in spec.steps if step > reached), reached)


class _Once:
    """Passes each complaint on once."""

    def __init__(self, complain: Callable[[str], None]) -> None:
        self._complain = complain
        self._heard: set[str] = set()

    def __call__(self, line: str) -> None:
        if line not in self._heard:
            self._heard.add(line)
            self._complain(line)


class _Log:
    """Lines with their time, appended to a file; nothing where there is no file."""

    def __init__(self, path: Path | None, complain: Callable[[str], None]) -> None:
        self._path = path
        self._complain = complain

    def write(self, line: str) -> None:
        if self._path is None:
            return
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{stamp} {line}\n")
        except OSError as error:
            self._complain(unwritable("its log", error))
