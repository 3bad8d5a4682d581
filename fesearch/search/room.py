"""Room for a study, asked for before it starts: memory for its workers, disk for its files."""

import math
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from fesearch import estimate, hardware
from fesearch.errors import InputError, counted
from fesearch.family import Family
from fesearch.nets import device
from fesearch.paths import artifacts_dir
from fesearch.registry import short_name
from fesearch.space import Config, Float, Int, Space
from fesearch.split import Development
from fesearch.study import Study

RAY_ALONE = 300e6
"""Bytes of Ray's own processes on one machine, at least."""
LEAST_OF_A_WORKER, LEAST_WITH_TORCH = 150e6, 250e6
"""Bytes of its own, before any data, below which no worker is: of Python, Ray and scikit-learn, and
of a network's. Measured with ray 2.60 and torch 2.13: 107 MB for ridge, 163 MB for a forest, 242 MB
with torch, without the connection to Ray; beside them 80 to 120 MB of libraries that all share."""

OF_CUDA = 300e6
"""Bytes of CUDA itself and its libraries on a GPU, for each process, at least: commonly 300 to 500
MB, by card and driver; not measured here."""


def check(study: Study, data: float, parallel: int, ended: int = 0) -> None:
    """Refuse a study for which memory or disk cannot suffice, whatever its configs are.

    What it will really take is for ``--dry-run`` to say: this costs no time.

    Args:
        data: bytes of features and targets, which Ray keeps once.
        parallel: trials side by side; those of a cluster have memory elsewhere, see ``check_node``.
        ended: trials of the study whose files are there already.

    Raises:
        InputError: says what there is, and what to type.
    """
    least, free = data + (0.0 if ray_runs() else RAY_ALONE), hardware.memory().free
    if study.address is None and study.runner != "inline":
        each = least_of_a_worker(study.declared_family())
        workers = int((free - least) // each)
        if workers < 1:
            raise InputError(
                f"Ray and {data / 1e9:.1f} GB of data take {least / 1e9:.1f} GB of memory, and "
                f"{free / 1e9:.1f} GB are free.",
                "End other programs, or run trials here one by one: --set runner=inline",
            )
        if workers < parallel:
            raise InputError(
                f"{parallel} trials side by side take {each * parallel / 1e9:.1f} GB "
                f"of memory at least, and {max(free - least, 0) / 1e9:.1f} GB are free for them.",
                f"Add --cpus {workers * study.cpus_per_trial}, or --cpus-per-trial for fewer.",
            )
    trials = max(study.budget() - ended, 0)
    needed, there = estimate.OF_A_TRIAL * trials, room(artifacts_dir())
    if there < needed:
        raise InputError(
            f"{counted(trials, 'trial', 'takes', 'take')} {needed / 1e6:.0f} MB of disk at least, "
            f"and {there / 1e6:.0f} MB are free at '{artifacts_dir()}'.",
            "Make room, or set FESEARCH_ARTIFACTS to another disk.",
        )


def check_gpus(study: Study, space: Space, data: Development) -> str:
    """Refuse a study one of whose first configs has no room on a GPU beside others that share it.

    Returns:
        what to know where the largest config has none; else an empty text.

    Raises:
        InputError: says what it takes and what there is, and what to type.
    """
    if not study.gpus or study.address is not None:
        return ""
    memory = min((size for _, size in device.devices()[: study.gpus]), default=math.inf)
    family, first = study.declared_family(), study.first_configs()
    return check_gpu("a GPU", memory, family, space, first, data, study.gpus_per_trial)


def check_gpu(
    name: str,
    memory: float,
    family: Family,
    space: Space,
    first: Sequence[Config],
    data: Development,
    share: float,
) -> str:
    """The same of one GPU.

    Args:
        name: in a sentence.
        memory: bytes that it has.
        first: configs that are tried first.
        share: of it, for each trial.

    Raises:
        InputError: see ``check_gpus``.
    """
    from fesearch.nets.footprint import footprint

    sizes = [footprint(family, config, data) for config in first]
    if short_name(family.name) != family.name or None in sizes:
        return ""  # the user's own: nothing is known of it
    least = max(size or 0 for size in sizes)
    sharing = max(1, hardware.trials_on(1, share))
    there = memory / sharing - OF_CUDA
    beside = f"each of {sharing} trials on {name} has" if sharing > 1 else f"{name} has"
    if least > there:
        fitting = int(memory // (least + OF_CUDA))
        fewer = math.floor(1000 / fitting) / 1000 if fitting else 0.0
        raise InputError(
            f"A first config of {family.name} takes {least / 1e9:.2f} GB of GPU memory at least, "
            f"and {beside} {max(there, 0) / 1e9:.2f} GB.",
            f"Give --gpus-per-trial {fewer:g}."
            if fitting
            else "Leave out what makes it large, as in --set space.batch_size=64.",
        )
    most = footprint(family, _largest(space, first[0]), data) or 0
    if most <= there:
        return ""
    return (
        f"Networks of the space take up to {most / 1e9:.2f} GB of GPU memory, and {beside} "
        f"{there / 1e9:.2f} GB: trials that find none are tried again alone, or fail"
    )


def _largest(space: Space, config: Config) -> Config:
    """The config with each number at its largest."""
    for name in space.parameters:
        domain = space.active(name, config)
        if isinstance(domain, Int | Float):
            config = space.nearest({**config, name: domain.high})
        elif domain is not None:
            numbers = [one for one in domain.options if isinstance(one, int | float)]
            config = space.nearest({**config, name: max(numbers)}) if numbers else config
    return config


def least_of_a_worker(family: Family) -> float:
    """Bytes below which no worker that trains a family is."""
    return LEAST_WITH_TORCH if family.gpu else LEAST_OF_A_WORKER


def check_node(name: str, memory: float, family: Family, data: Development, parallel: int) -> None:
    """Refuse a node of a cluster whose memory cannot suffice for the trials that Ray puts there.

    Others may use some of it for now, so all of it is counted.

    Args:
        memory: bytes that it has.
        parallel: trials side by side on it.

    Raises:
        InputError: says what there is, and what to type.
    """
    least = bytes_of(data) + parallel * least_of_a_worker(family)
    if memory < least:
        raise InputError(
            f"The node {name} of the cluster has {memory / 1e9:.1f} GB of memory, and "
            f"{counted(parallel, 'trial')} side by side {'takes' if parallel == 1 else 'take'} "
            f"{least / 1e9:.1f} GB there at least.",
            "Have fewer with more --cpus-per-trial or --gpus-per-trial, or use another cluster.",
        )


def room(folder: Path) -> int:
    """Bytes free where a folder is, or will be."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def ray_runs() -> bool:
    """Whether this process has a Ray already, whose memory is not free any more."""
    ray = sys.modules.get("ray")  # it takes seconds to load
    return ray is not None and bool(ray.is_initialized())


def bytes_of(data: Development) -> float:
    """Of features and targets, which all trials share."""
    parts = (data.train_x, data.train_y, data.val_x, data.val_y)
    return float(sum(part.nbytes for part in parts))


def parallel(study: Study, cores: int) -> int:
    """Trials side by side on so many CPU cores, and the study's GPUs."""
    if study.runner == "inline":
        return 1
    by_cores = (study.cpus or cores) // study.cpus_per_trial
    by_gpus = hardware.trials_on(study.gpus, study.gpus_per_trial) if study.gpus else by_cores
    return max(1, min(by_cores, by_gpus))
