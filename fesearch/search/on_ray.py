"""Trials as Ray Tune trials: Ray places them and carries reports, the core decides.

Tune's scheduler hook hands each report to the core; Tune's searcher asks it for trials. Nothing of
Tune's own state is used again: a search resumes from our store with a fresh Tuner.
"""

import logging
import math
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.air._internal import usage
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from fesearch import hardware, raysession
from fesearch.own import Source
from fesearch.record import Decision
from fesearch.search import oom, room, shared
from fesearch.search.actor import Trial
from fesearch.search.core import Core
from fesearch.search.faults import Cause, is_full, of_actor
from fesearch.search.settings import Settings
from fesearch.split import Development

_log = logging.getLogger(__name__)

GRACE = 60.0
"""Seconds beyond its time limit after which a trial that does not report is ended: it may have
been at imports, or is about to report."""
LATE_GRACE = 15.0
"""The same beyond the deadline of a search; it can be resumed, and what comes next has to fit."""
_SECONDS_OF_A_STEP = 5.0  # of Tune's loop; a longer one was held up, and reports may be waiting
_SECONDS_TO_HALT = 8.0  # before those that are late are ended, for their checkpoints
_SECONDS_TO_LET_GO = 5.0  # of memory, by trials that were stopped for one that must be alone

_HALT = "halt"
_OF_PROCESS = "process"
"""In what Ray says of an actor whose process died, and not of one whose node did."""
_ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",  # the new one prints on stdout even when silent
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    # The files of a lost node may go before its workers do: a trial that begins in a folder that is
    # gone would fail for it, and not go on elsewhere.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
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
        by_gpu = hardware.trials_on(self.gpus, self.gpus_per_trial) if self.gpus else by_cpu
        return max(1, min(by_cpu, by_gpu))

    def concurrent_on(self, cpus: int, gpus: int) -> int:
        """Of these, how many may be on a node with so many CPU cores and GPUs."""
        by_cpu = min(cpus, self.cpus or cpus) // self.cpus_per_trial
        by_gpu = hardware.trials_on(min(gpus, self.gpus), self.gpus_per_trial)
        return min(by_cpu, by_gpu) if self.gpus else by_cpu

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
    """Run trials on the Ray of this process until the core has no further one.

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
        here, scratch = resources.address is None, scratch.resolve()
        if not here:
            for node in shared.check(scratch.parent):
                _check_room(node, core.settings, resources, data)
        link = _Link(core, scratch / _HALT, here)
        link.say_halt("")
        trainable = tune.with_parameters(Trial, data=data, own=own, halt=link.halt)
        trainable = tune.with_resources(trainable, resources.of_trial())
        _fit(link, trainable, resources.concurrent(raysession.cores()), scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _check_room(
    node: shared.Node, settings: Settings, resources: Resources, data: Development
) -> None:
    """Refuse a node on which trials have no room; warn where those of some configs have none."""
    there = min(resources.concurrent_on(node.cpus, node.gpus), settings.trials)
    if not there:
        return
    room.check_node(node.name, node.memory, settings.family, data, there)
    if not resources.gpus or node.gpu_memory is None:
        return
    gpu, share = f"a GPU of the node {node.name}", resources.gpus_per_trial
    memory, (family, space) = node.gpu_memory, (settings.family, settings.space)
    if said := room.check_gpu(gpu, memory, family, space, settings.firsts(), data, share):
        _log.warning("%s.", said)


class _Unsaved:
    """Tune pickles its parts for a restore of its own, which is never called: the store serves."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Link:
    """What Tune's hooks share: the core, whose trial is which, and what the core raised.

    Tune would make text of an error, the traceback included.

    Args:
        halt: the file that halts trials within a step, where it is.
        here: all trials are on this host.
    """

    def __init__(self, core: Core, halt: Path, here: bool) -> None:
        self.core = core
        self.halt = halt
        self.numbers: dict[str, int] = {}
        self._here = here
        self._kills: dict[str, int | None] = {}
        self.overdue: set[str] = set()
        self.stopped_at = -math.inf
        self.error: Exception | None = None

    def say_halt(self, text: str) -> bool:
        """What the file says by which trials halt: nothing, or that they are to; if it could."""
        with suppress(OSError):  # a disk that is full: until it is not, they end their steps
            self.halt.parent.mkdir(parents=True, exist_ok=True)
            self.halt.write_text(text)
            return True
        return False

    @contextmanager
    def noting(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.error = self.error or error
            raise

    def given(self, trial_id: str, number: int) -> None:
        """Tune has a trial of the core."""
        self.numbers[trial_id] = number
        self._kills[trial_id] = oom.kills() if self._here else None

    def lost(self, trial: Any) -> tuple[Cause, str]:
        """Why an actor is gone, as far as Ray and the kernel say."""
        cause, reason = of_actor(_said(trial))
        if cause is not Cause.LOST or _OF_PROCESS not in reason:
            return cause, reason
        before, now = self._kills[trial.trial_id], oom.kills()
        if before is None or now is None:
            return Cause.KILLED, reason
        if now > before:
            return Cause.MEMORY, "the kernel killed its worker, as the host was out of memory"
        return cause, reason


class _Suggestions(_Unsaved, Searcher):  # type: ignore[misc]
    """Gives Tune the core's trials."""

    def __init__(self, link: _Link) -> None:
        super().__init__()
        self._link = link

    def suggest(self, trial_id: str) -> Any:
        """A trial; None where there is none now, and Tune asks again, or FINISHED."""
        core, since = self._link.core, time.monotonic() - self._link.stopped_at
        if core.clears_the_way and since < _SECONDS_TO_LET_GO:
            return None
        with self._link.noting():
            spec = core.suggest()
            if spec is None:
                return Searcher.FINISHED if core.done else None
        self._link.given(trial_id, spec.number)
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
        number, core = self._link.numbers[trial.trial_id], self._link.core
        with self._link.noting():
            for line in result["complaints"]:
                core.note(f"trial {number}: {line}")
            if "fault" in result:
                core.fault(number, result["fault"], result["reason"])
                decision = Decision.STOP
            elif "report" not in result:
                core.halted(number)
                decision = Decision.STOP
            else:
                decision = core.report(number, result["report"])
        if decision is Decision.CONTINUE:
            return str(TrialScheduler.CONTINUE)
        self._link.stopped_at = time.monotonic()
        return str(TrialScheduler.STOP)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        number, core = self._link.numbers[trial.trial_id], self._link.core
        cause, reason = self._link.lost(trial)
        self._link.stopped_at = time.monotonic()
        with self._link.noting():
            if trial.trial_id in self._link.overdue:
                core.overdue(number)
            else:
                core.fault(number, cause, reason)


class _Deadlines(_Unsaved, tune.Callback):  # type: ignore[misc]
    """Halts the trials of a search that is to stop, and ends the actors that give no sign of life.

    A trial that can pause within a step is halted there; one that cannot ends its step. One that
    takes longer than a trial may take is ended.

    While the driver itself is held up, by a database that is away or a signal that halts it, it
    hears of none: that time does not count. Beyond the deadline of the search all are ended that
    have not reported; their trials are interrupted, and go on when it is resumed.
    """

    def __init__(self, link: _Link, limit: float | None) -> None:
        self._link = link
        self._patience = math.inf if limit is None else limit + GRACE
        self._signs: dict[str, tuple[float, Any]] = {}
        self._halting = False
        self._began_step = math.inf
        self._went_on = -math.inf

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        self._signs[trial.trial_id] = time.monotonic(), trial

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: Any, **info: Any
    ) -> None:
        self._signs[trial.trial_id] = time.monotonic(), trial

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        self._signs.pop(trial.trial_id, None)

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        self._signs.pop(trial.trial_id, None)

    def on_step_begin(self, iteration: int, trials: Any, **info: Any) -> None:
        now = time.monotonic()
        if (held_up := now - self._began_step - _SECONDS_OF_A_STEP) > 0:
            self._signs = {
                one: (min(seen + held_up, now), trial) for one, (seen, trial) in self._signs.items()
            }
            self._went_on = now
        self._began_step = now
        self._halt(now)
        earliest, late = now - self._patience, self._is_late(now, LATE_GRACE)
        for trial_id, (seen, trial) in list(self._signs.items()):
            if late or seen < earliest:
                del self._signs[trial_id]
                if not late:
                    self._link.overdue.add(trial_id)
                ray.kill(trial.temporary_state.ray_actor)

    def _halt(self, now: float) -> None:
        """Tell the trials, wherever they are, whether to end their training at the next pause."""
        halting = self._link.core.halting or self._is_late(now, LATE_GRACE - _SECONDS_TO_HALT)
        said = _HALT if halting else ""  # empty: the deadline has been moved
        if halting != self._halting and self._link.say_halt(said):
            self._halting = halting

    def _is_late(self, now: float, grace: float) -> bool:
        """Whether the search should have ended; its deadline may change while it runs."""
        return now > max(self._link.core.latest, self._went_on) + grace


def _said(trial: Any) -> str:
    """What Ray said of a trial that ended in an error, which Tune keeps in a file alone."""
    file = trial.error_file
    _, _, text = Path(file).read_text(errors="replace").partition("\n") if file else ("", "", "")
    return text.strip()


def _fit(link: _Link, trainable: Any, concurrent: int, scratch: Path) -> None:
    core = link.core
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
            callbacks=[_Deadlines(link, core.settings.trial_time_limit)],
            verbose=0,
        ),
    )
    try:
        with _uncounted():
            tuner.fit()
    except Exception as error:
        if link.error is not None:
            raise link.error from None
        if not is_full(error):
            raise
        core.stop(f"the disk is full: Ray Tune's files under {scratch} cannot be written")


@contextmanager
def _uncounted() -> Iterator[None]:
    """Tune counts for its makers who uses MLflow and Weights & Biases, and imports both for it.

    That takes seconds where they are installed, before the first trial.
    """
    before = usage.tag_callbacks
    usage.tag_callbacks = lambda callbacks: False
    try:
        yield
    finally:
        usage.tag_callbacks = before


def counted(address: str) -> list[tuple[int, int]]:
    """CPU cores and GPUs of each node of a running cluster.

    Raises:
        InputError: there is no cluster at the address.
    """
    with raysession.session(address=address):
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        return [(int(node.get("CPU", 0)), int(node.get("GPU", 0))) for node in nodes]
