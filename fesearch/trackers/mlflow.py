"""MLflow: an experiment a study, a run a trial, at the server or file of MLFLOW_TRACKING_URI."""

import math

from fesearch.optional import require
from fesearch.record import Report, TrialResult, TrialSpec, TrialState
from fesearch.tracker import Service, Subject

_STUDY, _TRIAL = "fesearch.study", "fesearch.trial"
_STATUS = {
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "KILLED",
    TrialState.FAIL: "FAILED",
}


class _Runs:
    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._client = require("mlflow.tracking", "mlflow").MlflowClient()
        found = self._client.get_experiment_by_name(subject.name)
        self._experiment = (
            found.experiment_id if found else self._client.create_experiment(subject.name)
        )
        self._runs: dict[int, str] = {}

    def began(self, spec: TrialSpec) -> None:
        if spec.number in self._runs:
            return
        tags = {_STUDY: self._subject.mark, _TRIAL: str(spec.number)}
        asked = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        earlier = self._client.search_runs([self._experiment], asked, max_results=1)
        if earlier:
            self._runs[spec.number] = earlier[0].info.run_id
            self._client.update_run(earlier[0].info.run_id, status="RUNNING")
            return
        name = f"{self._subject.name} {spec.number}"
        tags |= {"family": spec.family, "unit": self._subject.unit}
        run = self._client.create_run(self._experiment, tags=tags, run_name=name)
        self._runs[spec.number] = run.info.run_id
        for key, value in spec.config.items():
            self._client.log_param(run.info.run_id, key, "none" if value is None else value)

    def reported(self, number: int, report: Report) -> None:
        metric = self._subject.metric
        values = {metric: report.raw, f"best_{metric}": report.best, "seconds": report.seconds}
        for name, value in values.items():
            if value is not None and math.isfinite(value):
                self._client.log_metric(self._runs[number], name, value, step=report.resource)

    def ended(self, result: TrialResult) -> None:
        run = self._runs.pop(result.number, None)
        if run is None:
            return
        self._client.set_tag(run, "state", result.state.value)
        if result.reason:
            self._client.set_tag(run, "reason", result.reason)
        self._client.set_terminated(run, _STATUS[result.state])

    def close(self) -> None:
        """What runs stays so at the server: it may go on."""


TRACKER = Service("mlflow", "MLflow", "mlflow", _Runs)
