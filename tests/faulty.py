"""What the fault tests share: the study, how it is driven, and what must be so afterwards."""

import os
import random
import subprocess

from driven import check_optuna_agrees, now, results
from lab import Lab, sets, wait_for

from fesearch.errors import FesearchError
from fesearch.record import TrialResult
from fesearch.store.results import Store

IS_LONG = os.environ.get("FESEARCH_FAULTS") == "long"
KILLS, WITH_RAY, RESTARTS = (25, 25, 5) if IS_LONG else (2, 1, 1)
IN_A_STUDY = 6  # kills at most
DRAW = random.Random(20261121)

SMALL = ["space.depth=3", "space.width=0.125", "space.batch_size=32", "reduction_factor=2"]
RATES = ["space.learning_rate=[1e-2, 1e-3, 1e-4]"]
NETS = ["irnet", "--data", "alloys", "--seed", "1", "--trials", "8", "--max-epochs", "40"]
NETS += sets(*SMALL, *RATES, "runner=ray")
RANDOM = ["--sampler", "random", "--pruner", "none"]
"""Results then depend on no order of events, so that parallel trials can be compared too."""
INLINE = sets("runner=inline")


def finished(url: str, name: str) -> list[TrialResult]:
    return [one for one in now(url, name) if one.state.finished]


def at_work(lab: Lab, driver: "subprocess.Popen[bytes]", name: str) -> None:
    """Wait until a driver holds its study, or has ended."""

    def seen() -> bool:
        return driver.poll() is not None or held(lab.url, name)

    wait_for(seen, "a driver is at work")


def training(lab: Lab, driver: "subprocess.Popen[bytes]", name: str) -> None:
    """Wait until a worker of Ray's has reported on a trial that runs, or the driver has ended."""
    wait_for(lambda: driver.poll() is not None or running(lab, name), "a trial is in training")


def held(url: str, name: str) -> bool:
    """Whether a live driver holds the study."""
    try:
        with Store.open(url, create=False) as store:
            return store.driven(store.study(name))
    except FesearchError:
        return False


def workers(lab: Lab) -> list[int]:
    """Process ids of Ray's trials."""
    return [
        number
        for number, words in lab.processes().items()
        if words.startswith(("ray::Trial", "ray::ResourceTr"))
    ]


def running(lab: Lab, name: str) -> bool:
    """Whether a trial runs and has reported, in a worker that is there."""
    at_work = any(one.resource and not one.state.finished for one in now(lab.url, name))
    return at_work and bool(workers(lab))


def check_whole(url: str, name: str, trials: int = 8) -> None:
    """Each trial once and ended, each report once and in order, and Optuna of the same mind."""
    found = results(url, name)
    assert [one.number for one in found] == list(range(trials))
    assert all(one.state.finished for one in found)
    with Store.open(url, create=False) as store:
        reports = store.reports(store.study(name))
    sequences = [report.sequence for report in reports]
    assert sequences == sorted(set(sequences))
    for one in found:
        resources = [report.resource for report in reports if report.number == one.number]
        assert resources == list(range(1, one.resource + 1))
    check_optuna_agrees(url, name)
