"""TensorBoard: event files in the study's folder, a run a trial, written with tensorboardX."""

import math
from typing import Any

from fesearch.optional import require
from fesearch.record import Report, TrialResult, TrialSpec
from fesearch.tracker import Service, Subject

_FOLDER = "tensorboard"


class _Files:
    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._library = require("tensorboardX", "tensorboard")
        self._writers: dict[int, Any] = {}

    def began(self, spec: TrialSpec) -> None:
        if spec.number not in self._writers:
            logdir = self._subject.folder / _FOLDER / f"{spec.number:06d}"
            self._writers[spec.number] = self._library.SummaryWriter(logdir=str(logdir))

    def reported(self, number: int, report: Report) -> None:
        metric = self._subject.metric
        values = {metric: report.raw, f"best_{metric}": report.best, "seconds": report.seconds}
        for name, value in values.items():
            if value is not None and math.isfinite(value):
                self._writers[number].add_scalar(name, value, report.resource)

    def ended(self, result: TrialResult) -> None:
        writer = self._writers.pop(result.number, None)
        if writer is None:
            return
        said = f"{result.state.value} {result.reason}".strip()
        writer.add_text("end", said, result.resource)
        if result.value is not None:
            # A folder of its own: the panel of hyperparameters takes one set of them a run.
            config = {name: "none" if v is None else v for name, v in result.config.items()}
            best = {f"best_{self._subject.metric}": result.value}
            writer.add_hparams(config, best, name="end", global_step=result.resource)
        writer.close()

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()


TRACKER = Service("tensorboard", "TensorBoard", "tensorboardX", _Files)
