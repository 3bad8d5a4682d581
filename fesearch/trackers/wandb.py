"""Weights & Biases: a run a trial, grouped by study; where to is said by wandb's own settings.

``wandb login`` or WANDB_API_KEY names the account, WANDB_PROJECT the project (default: fesearch),
WANDB_MODE=offline leaves files in the study's folder, for nodes without a network.
"""

import hashlib
import math
import os
from typing import Any

from fesearch.optional import require
from fesearch.record import Report, TrialResult, TrialSpec, TrialState
from fesearch.tracker import Service, Subject


class _Runs:
    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._wandb = require("wandb", "wandb")
        self._runs: dict[int, Any] = {}

    def began(self, spec: TrialSpec) -> None:
        if spec.number in self._runs:
            return
        subject = self._subject
        mark = hashlib.sha256(subject.mark.encode()).hexdigest()[:16]
        subject.folder.mkdir(parents=True, exist_ok=True)
        offline = os.environ.get("WANDB_MODE") == "offline"
        self._runs[spec.number] = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", "fesearch"),
            group=subject.name,
            name=f"{subject.name} {spec.number}",
            id=f"{mark}-{spec.number}",
            config=dict(spec.config),
            tags=[spec.family],
            dir=str(subject.folder),
            resume=None if offline else "allow",
            reinit="create_new",
            settings=self._wandb.Settings(silent=True, console="off", x_disable_stats=True),
        )

    def reported(self, number: int, report: Report) -> None:
        metric, resource = self._subject.metric, self._subject.resource
        values = {
            metric: report.raw,
            f"best_{metric}": report.best,
            "seconds": report.seconds,
            resource: report.resource,
        }
        finite = {k: v for k, v in values.items() if v is not None and math.isfinite(v)}
        self._runs[number].log(finite, step=report.resource)

    def ended(self, result: TrialResult) -> None:
        run = self._runs.pop(result.number, None)
        if run is None:
            return
        run.summary.update({"state": result.state.value, "reason": result.reason})
        run.finish(exit_code=1 if result.state is TrialState.FAIL else 0)

    def close(self) -> None:
        for run in self._runs.values():
            run.finish()


TRACKER = Service("wandb", "Weights & Biases", "wandb", _Runs)
