"""What a study would be and take, found out without starting it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from fesearch import estimate, hardware
from fesearch.duration import duration, spelled
from fesearch.estimate import Range
from fesearch.nets.device import gpu_count
from fesearch.paths import artifacts_dir
from fesearch.portfolio import Portfolio
from fesearch.search import burst, resources, room
from fesearch.search.portfolio import of_each, prospects
from fesearch.search.prepare import Prepared, Progress
from fesearch.search.settle import OWN, Prospects, ready
from fesearch.search.shares import first_share, parts
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
        why: what its budget has settled, and why.
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
    why: tuple[str, ...] = ()


@dataclass(frozen=True)
class Total:
    """What a search over many families would take, in the words of ``Outlook``."""

    seconds: Range
    memory: Range
    disk: Range


def run(study: Study, progress: Progress | None = None, prospects: Prospects = OWN) -> Outlook:
    """Prepare a study as its start would, train a few of its configs for a step or two, and stop.

    Nothing is written but features, to the cache.

    Args:
        prospects: what it is likely to get in all, where that is not what it says itself.

    Raises:
        InputError: its start would refuse it.
    """
    study = study.in_full()
    resources.check(study)
    prepared, _, why = ready(study, prospects, progress)
    samples = burst.measure(prepared)
    limit = None if study.time_limit is None else duration(study.time_limit)
    plan = burst.plan(prepared, room.parallel(study, resources.cores(study)), limit)
    trials = estimate.trials_in_time(samples, plan)
    begun = plan.trials if trials is None else min(plan.trials, math.ceil(trials.high) + 1)
    disk = estimate.disk(samples, replace(plan, trials=begun))
    memory = estimate.memory(samples, plan)
    free_memory, free_disk = hardware.memory().free, room.room(artifacts_dir())
    warnings = []
    if study.gpus and not gpu_count():
        warnings.append(
            "There is no GPU here, so steps were measured on the CPU: trials on the cluster's GPUs "
            "take less time. For a better estimate repeat it on one of its nodes"
        )
    if said := room.check_gpus(prepared.study, prepared.space, prepared.development):
        warnings.append(said)
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
        trials=trials,
        memory=memory,
        disk=disk,
        free_memory=free_memory,
        free_disk=free_disk,
        warnings=tuple(warnings),
        why=why,
    )


def run_all(
    portfolio: Portfolio,
    told: Callable[[Outlook], None],
    left_out: Callable[[str, str], None],
    progress: Progress | None = None,
) -> Total:
    """Estimate what each family's first share of a budget would take, and from these the whole.

    Args:
        told: of each family's outlook, once it is known; its data are not kept.
        left_out: told of each family that cannot be trained on these data, and why.

    Raises:
        InputError: the start would refuse it, or no family can be trained.
    """
    for study in portfolio.studies.values():
        resources.check(study)

    def taken(study: Study) -> Total:
        outlook = run(_first_share(portfolio, study), progress, prospects(portfolio))
        told(outlook)
        return Total(outlook.seconds, outlook.memory, outlook.disk)

    each = of_each(portfolio, taken, left_out)
    families = len(portfolio.studies)
    shares = families * sum(parts(families))
    seconds = estimate.shared([one.seconds for one in each], shares)
    return Total(
        seconds=seconds if portfolio.seconds is None else seconds.capped(portfolio.seconds),
        memory=Range(max(one.memory.low for one in each), max(one.memory.high for one in each)),
        disk=estimate.shared([one.disk for one in each], shares),
    )


def _first_share(portfolio: Portfolio, study: Study) -> Study:
    """A family's study with no more to spend than what it gets in the first round."""
    whole = portfolio.seconds is None
    share = first_share(len(portfolio.studies), portfolio.budget, whole=whole)
    budget = {"trials": int(share)} if whole else {"time_limit": spelled(share)}
    return study.model_copy(update=budget)


def _half(free: float) -> str:
    """Half of what is free, as ``disk_limit`` takes it."""
    return f"{max(int(free / 2e6), 1)}MB"
