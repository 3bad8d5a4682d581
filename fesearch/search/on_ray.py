"""Trials as Ray Tune trials: Ray places them and carries reports, the core decides.

Tune's scheduler hook hands each report to the core; Tune's searcher asks it for trials. Nothing of
Tune's own state is used again: a search resumes from our store with a fresh Tuner.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from fesearch import raysession
from fesearch.own import Source, run
from fesearch.record import Decision, TrialSpec
from fesearch.search.core import Core
from fesearch.search.worker import TrialError, Worker
from fesearch.split import Development

_ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",  # the new one prints on stdout even when silent
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}


@dataclass(frozen=True)
class Resources:
    """What trials run on.

    Attributes:
        cpus, gpus: in all; of a cluster at ``address``, None takes all CPUs it has.
        cpus_per_trial, gpus_per_trial: of one trial.
        address: of a running Ray cluster, as ``ray.init`` takes it; None starts Ray here.
    """

    cpus: int | None
    gpus: int = 0
    cpus_per_trial: int = 1
    gpus_per_trial: float = 1.0
    address: str | None = None

    def concurrent(self, cpus: int) -> int:
        """Trials side by side on so many CPU cores."""
        by_cpu = (self.cpus or cpus) // self.cpus_per_trial
        by_gpu = int(self.gpus / self.gpus_per_trial) if self.gpus else by_cpu
        return max(1, min(by_cpu, by_gpu))

    def of_trial(self) -> dict[str, float]:
        """In Ray's words."""
        return {"cpu": self.cpus_per_trial, "gpu": self.gpus_per_trial if self.gpus else 0}


def drive(
    core: Core,
    data: Development,
    resources: Resources,
    scratch: Path,
    own: Sequence[Source] = (),
) -> None:
    """Run trials on Ray until the core has no further one.

    Args:
        core: that decides; what its methods raise is raised here.
        data: put once into Ray's object store.
        resources: to use.
        scratch: folder for Tune's own files. It is removed at the end, and at the beginning too,
            since a driver that was killed has left its own there.
        own: files of the user's own that trials need; their texts go to the workers.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    os.environ.update(_ENVIRONMENT)
    try:
        with raysession.session(resources.cpus, resources.gpus, resources.address) as cpus:
            trainable = tune.with_parameters(Trial, data=data, own=own)
            trainable = tune.with_resources(trainable, resources.of_trial())
            _fit(core, trainable, resources.concurrent(cpus), scratch.resolve())
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class Trial(tune.Trainable):  # type: ignore[misc]
    """Ray's actor around a worker; reused for one trial after the other."""

    def setup(self, config: dict[str, Any], data: Development, own: Sequence[Source]) -> None:
        for source in own:
            run(source)
        self._data = data
        self._spec: TrialSpec = config["spec"]
        self._worker: Worker | None = None

    def step(self) -> dict[str, Any]:
        try:
            if self._worker is None:
                self._worker = Worker(self._spec, self._data)
            return {"report": self._worker.step()}
        except TrialError as error:
            self._worker = None  # there is nothing to go on from
            return {"fault": error.message}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.cleanup()
        self._spec = new_config["spec"]
        return True

    def cleanup(self) -> None:
        if self._worker is not None:
            self._worker.save()
            self._worker = None


class _Unsaved:
    """Tune pickles its parts for a restore of its own, which is never called: the store serves."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Link:
    """What Tune's two hooks share: the core, whose trial is which, and what the core raised.

    Tune would make text of an error, the traceback included.
    """

    def __init__(self, core: Core) -> None:
        self.core = core
        self.numbers: dict[str, int] = {}
        self.error: Exception | None = None

    @contextmanager
    def noting(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.error = self.error or error
            raise


class _Suggestions(_Unsaved, Searcher):  # type: ignore[misc]
    """Gives Tune the core's trials."""

    def __init__(self, link: _Link) -> None:
        super().__init__()
        self._link = link

    def suggest(self, trial_id: str) -> Any:
        with self._link.noting():
            spec = self._link.core.suggest()
        if spec is None:
            return Searcher.FINISHED
        self._link.numbers[trial_id] = spec.number
        return {"spec": spec}

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """The core knows already: every report reaches it through the scheduler."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: a search resumes from our store."""

    def restore(self, checkpoint_path: str) -> None:
        """Never called: see ``save``."""


class _Decisions(_Unsaved, FIFOScheduler):  # type: ignore[misc]
    """Hands each report to the core and its decision to Tune."""

    def __init__(self, link: _Link) -> None:
        super().__init__()
        self._link = link

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        number = self._link.numbers[trial.trial_id]
        with self._link.noting():
            if "fault" in result:
                self._link.core.fail(number, result["fault"])
                return str(TrialScheduler.STOP)
            decision = self._link.core.report(number, result["report"])
        stop = decision is Decision.STOP
        return str(TrialScheduler.STOP if stop else TrialScheduler.CONTINUE)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        error = trial.get_error()
        reason = str(error).strip().splitlines()[0] if str(error or "").strip() else "no message"
        number = self._link.numbers[trial.trial_id]
        with self._link.noting():
            self._link.core.fail(number, f"the worker was lost: {type(error).__name__}: {reason}")


def _fit(core: Core, trainable: Any, concurrent: int, scratch: Path) -> None:
    link = _Link(core)
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=_Suggestions(link),
            scheduler=_Decisions(link),
            num_samples=-1,
            max_concurrent_trials=concurrent,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="study",
            storage_path=str(scratch),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    except Exception:
        if link.error is not None:
            raise link.error from None
        raise


def counted(address: str) -> tuple[int, int]:
    """CPU cores and GPUs of a running cluster.

    Raises:
        InputError: there is no cluster at the address.
    """
    with raysession.session(address=address):
        there = ray.cluster_resources()
        return int(there.get("CPU", 0)), int(there.get("GPU", 0))
