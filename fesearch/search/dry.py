"""What a study would be and take, found out without starting it."""

from dataclasses import dataclass

from fesearch import estimate, hardware
from fesearch.duration import duration
from fesearch.estimate import Range
from fesearch.nets.device import gpu_count
from fesearch.paths import artifacts_dir
from fesearch.search import burst, resources, room
from fesearch.search.prepare import Prepared, Progress, prepare
from fesearch.search.settle import settled
from fesearch.study import Study


@dataclass(frozen=True)
class Outlook:
    """What a study would take on this machine.

    Attributes:
        configs: measured.
        parallel: trials side by side.
        seconds, memory, disk: by the clock; bytes.
        trials: that end within its time limit; None where it has none.
        free_memory, free_disk: bytes there are.
        warnings: what will not do, each with what to type.
    """

    prepared: Prepared
    configs: int
    parallel: int
    seconds: Range
    trials: Range | None
    memory: Range
    disk: Range
    free_memory: float
    free_disk: float
    warnings: tuple[str, ...]


def run(study: Study, progress: Progress | None = None) -> Outlook:
    """Prepare a study as its start would, train a few of its configs for a step or two, and stop.

    Nothing is written but features, to the cache.

    Raises:
        InputError: its start would refuse it.
    """
    study = study.in_full()
    resources.check(study)
    study = settled(study).study
    prepared = prepare(study, progress)
    samples = burst.measure(prepared)
    limit = None if study.time_limit is None else duration(study.time_limit)
    plan = burst.plan(prepared, room.parallel(study, resources.cores(study)), limit)
    memory, disk = estimate.memory(samples, plan), estimate.disk(samples, plan)
    free_memory, free_disk = hardware.memory().free, room.room(artifacts_dir())
    warnings = []
    if study.gpus and not gpu_count():
        warnings.append(
            "There is no GPU here, so steps were measured on the CPU: trials on the cluster's GPUs "
            "take less time. For a better estimate repeat it on one of its nodes"
        )
    if study.address is None and memory.high > free_memory:
        fewer = max(1, int(plan.parallel * free_memory / memory.high))
        warnings.append(
            f"Memory may not suffice for {plan.parallel} trials side by side: add --cpus "
            f"{fewer * study.cpus_per_trial}"
        )
    if disk.high > free_disk:
        warnings.append(
            f"The disk of {artifacts_dir()} may become full: add --set keep=1, or "
            f"--set disk_limit={_half(free_disk)}, or set FESEARCH_ARTIFACTS to another disk"
        )
    return Outlook(
        prepared=prepared,
        configs=len(samples),
        parallel=plan.parallel,
        seconds=estimate.seconds(samples, plan),
        trials=estimate.trials_in_time(samples, plan),
        memory=memory,
        disk=disk,
        free_memory=free_memory,
        free_disk=free_disk,
        warnings=tuple(warnings),
    )


def _half(free: float) -> str:
    """Half of what is free, as ``disk_limit`` takes it."""
    return f"{max(int(free / 2e6), 1)}MB"
