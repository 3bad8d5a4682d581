"""CPU cores and GPUs: what a study asks for, and what there is here or at its cluster."""

import logging
from functools import cache

from fesearch import hardware
from fesearch.errors import InputError, counted
from fesearch.nets.device import gpu_count, require_gpus
from fesearch.search import tracking
from fesearch.study import Study

_log = logging.getLogger(__name__)


def check(study: Study) -> None:
    """Refuse CPUs, GPUs and packages of trackers that are not there.

    Raises:
        InputError: says how many there are and what to type.
    """
    tracking.check(study.track)
    if study.address is not None:
        _check_cluster(study, study.address)
        return
    cores = hardware.cores()
    for flag, wanted in (("--cpus", study.cpus or 1), ("--cpus-per-trial", study.cpus_per_trial)):
        if wanted > cores:
            raise InputError(
                f"{wanted} CPU cores are asked for, but there are {cores}.",
                f"Give {flag} {cores} or less.",
            )
    if study.gpus:
        require_gpus(study.gpus)


def cores(study: Study) -> int:
    """CPU cores that a study has: its own number, those of its cluster, or those here."""
    if study.cpus is not None:
        return study.cpus
    if study.address is None:
        return hardware.cores()
    from fesearch.search import on_ray

    return sum(cpus for cpus, _ in on_ray.counted(study.address))


def tell_of_gpus(study: Study) -> None:
    """Log GPUs that stand idle, or how trials share theirs; each line once in a process."""
    if idle := idle_gpus(study):
        them = "it" if idle == 1 else "them"
        _say(f"{counted(idle, 'GPU', 'stands', 'stand')} idle; to use {them} add --gpus {idle}.")
    if shared := sharing(study):
        _say(shared)


@cache
def _say(line: str) -> None:
    _log.warning("%s", line)


def idle_gpus(study: Study) -> int:
    """GPUs of this machine that a study could use and has not asked for."""
    if study.gpus or study.address is not None or not study.declared_family().gpu:
        return 0
    return gpu_count()


def sharing(study: Study) -> str:
    """How trials share a GPU, in a line; an empty text where each has its own."""
    if not study.gpus or (together := hardware.trials_on(1, study.gpus_per_trial)) < 2:
        return ""
    each = f"{together} trials share each GPU"
    if study.address is not None:
        return f"{each}: at once where NVIDIA MPS runs on its node, else by turns."
    if folder := hardware.mps():
        return f"{each} through NVIDIA MPS ({folder})."
    return f"{each} by turns: no NVIDIA MPS runs here. To start it: nvidia-cuda-mps-control -d"


def _check_cluster(study: Study, address: str) -> None:
    from fesearch.search import on_ray

    nodes = on_ray.counted(address)
    cpus, gpus = sum(cpus for cpus, _ in nodes), sum(gpus for _, gpus in nodes)
    for noun, wanted, there in (("CPU cores", study.cpus or 1, cpus), ("GPUs", study.gpus, gpus)):
        if wanted > there:
            raise InputError(
                f"{wanted} {noun} are asked for, but the cluster at {address} has {there}.",
                f"Give --{'gpus' if noun == 'GPUs' else 'cpus'} {there} or less.",
            )
    each = study.cpus_per_trial, study.gpus_per_trial if study.gpus else 0
    if not any(cpus >= each[0] and gpus >= each[1] for cpus, gpus in nodes):
        most = max(cpus for cpus, _ in nodes), max(gpus for _, gpus in nodes)
        raise InputError(
            f"A trial takes {each[0]} CPU cores and {each[1]:g} GPUs of one node, but no node of "
            f"the cluster at {address} has them: the largest have {most[0]} and {most[1]}.",
            "Give fewer --cpus-per-trial or --gpus-per-trial.",
        )
