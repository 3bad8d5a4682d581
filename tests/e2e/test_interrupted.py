"""Searches that are interrupted, as users interrupt them: the real command, Ray, signals, kills."""

import os
import re
import signal
import subprocess

import pytest
from driven import check_whole, results, story, study_row
from lab import PATIENCE, Lab, kill, sets, wait_for

from fesearch.errors import FesearchError
from fesearch.record import TrialResult, TrialState
from fesearch.search.checkpoint import CHECKPOINT
from fesearch.search.folder import trial_folder
from fesearch.search.worker import LOG

pytestmark = pytest.mark.slow

SMALL = ["space.depth=3", "space.width=0.125", "space.batch_size=32"]
NETS = ["irnet", "--data", "alloys", "--seed", "1", *sets(*SMALL)]
RATES = sets("space.learning_rate=[1e-2, 1e-3, 1e-4]")
LONG = [*NETS, *RATES, "--trials", "6", "--max-epochs", "60", "--sampler", "random"]
LONG += ["--pruner", "none"]
INLINE = sets("runner=inline")


@pytest.fixture(scope="module")
def undisturbed(house: Lab) -> list[TrialResult]:
    """The trials of the study ``LONG`` where nothing disturbs it."""
    house.run("study", "start", *LONG, *INLINE, "--name", "undisturbed")
    return results(house.url, "undisturbed")


def ended(lab: Lab, name: str, count: int) -> bool:
    """Whether so many trials have ended."""
    try:
        return sum(result.state.finished for result in results(lab.url, name)) >= count
    except FesearchError:
        return False  # there is no study yet


def reported(lab: Lab, name: str) -> set[int]:
    """Numbers of the running trials that have reported."""
    return {r.number for r in results(lab.url, name) if not r.state.finished and r.resource}


def test_killed_inline_and_resumed_with_the_same_decisions(lab: Lab) -> None:
    words = [*NETS, *RATES, "--trials", "10", "--max-epochs", "27", *INLINE]
    lab.run("study", "start", *words, "--name", "whole")
    driver = lab.begin("study", "start", *words, "--name", "deep")
    wait_for(lambda: ended(lab, "deep", 2), "two trials have ended")
    os.kill(driver.pid, signal.SIGSTOP)
    second = lab.begin("study", "resume", "deep")
    assert second.wait(PATIENCE) == 2
    assert lab.err.startswith(f"The study 'deep' is being driven by process {driver.pid} on ")
    kill(driver)
    (listed,) = [row for row in lab.json("study", "list") if row["name"] == "deep"]
    assert listed["state"] == "KILLED"
    lab.run("study", "resume", "deep")
    check_whole(lab, "deep", 10)
    assert story(lab.url, "deep") == story(lab.url, "whole")


def check_interrupted(lab: Lab, driver: "subprocess.Popen[bytes]") -> list[int]:
    """Check that a driver sent a signal ends in good order; the trials it leaves unfinished."""
    assert driver.wait(PATIENCE) == 130
    assert lab.err.endswith(
        "\nStopped: interrupted.\nGo on with:  fesearch study resume deep\nInterrupted.\n"
    )
    row = study_row(lab.url, "deep")
    assert row.state == "STOPPED"
    halted = [one.number for one in results(lab.url, "deep") if not one.state.finished]
    assert halted
    for number in halted:
        assert (trial_folder(row, number) / CHECKPOINT).is_file()
    assert wait_for(lambda: not lab.processes(), "Ray's processes have ended")
    return halted


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_with_ray_and_resumed(
    sent: signal.Signals, lab: Lab, undisturbed: list[TrialResult]
) -> None:
    """A terminal sends Ctrl-C to the whole process group, and batch systems SIGTERM."""
    driver = lab.begin("study", "start", *LONG, "--name", "deep", "--cpus", "2")
    wait_for(lambda: ended(lab, "deep", 1) and reported(lab, "deep"), "a trial has ended")
    os.killpg(driver.pid, sent)
    halted = check_interrupted(lab, driver)

    lab.run("study", "resume", "deep")
    check_whole(lab, "deep", 6)
    assert results(lab.url, "deep") == undisturbed
    for number in halted:
        log = trial_folder(study_row(lab.url, "deep"), number) / LOG
        lines = log.read_text().splitlines()
        assert sum(" goes on after " in line for line in lines) == 1
        trained = [line for line in lines if re.match(r"\S+ \d+: mae ", line)]
        assert len(trained) == undisturbed[number].resource  # each epoch once


def test_ctrl_c_inline_does_not_wait_for_the_end_of_an_epoch(lab: Lab) -> None:
    """One of this network takes many seconds."""
    slow = ["space.depth=48", "space.width=1.0", "space.batch_size=2"]
    words = ["irnet", "--data", "alloys", *sets(*slow), *INLINE, "--max-epochs", "1"]
    driver = lab.begin("study", "start", *words, "--trials", "1", "--name", "deep")
    wait_for(lambda: any(path.endswith(LOG) for path in lab.files()), "a trial has begun")
    os.killpg(driver.pid, signal.SIGINT)
    assert check_interrupted(lab, driver) == [0]
    (only,) = results(lab.url, "deep")
    assert (only.state, only.resource) == (TrialState.RUNNING, 0)
    lab.run("study", "resume", "deep")
    check_whole(lab, "deep", 1)
    text = (trial_folder(study_row(lab.url, "deep"), 0) / LOG).read_text()
    assert " halted within a step\n" in text
    assert " goes on after a part of its first step: " in text


def test_ctrl_c_twice_does_not_wait_for_the_trials(lab: Lab) -> None:
    """An epoch of these networks takes minutes."""
    slow = ["space.depth=48", "space.width=4.0", "space.batch_size=2"]
    words = ["irnet", "--data", "alloys", *sets(*slow)]
    driver = lab.begin("study", "start", *words, "--name", "deep", "--cpus", "1")
    wait_for(lambda: any(path.endswith(LOG) for path in lab.files()), "a trial has begun")
    os.killpg(driver.pid, signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        driver.wait(2)
    os.killpg(driver.pid, signal.SIGINT)
    assert driver.wait(PATIENCE) == 130
    assert lab.err.splitlines()[-1] == "Interrupted."
    (only,) = results(lab.url, "deep")
    assert (only.state, only.resource) == (TrialState.RUNNING, 0)
    assert study_row(lab.url, "deep").state == "STOPPED"
    assert wait_for(lambda: not lab.processes(), "Ray's processes have ended")
