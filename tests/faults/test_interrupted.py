"""Searches that are interrupted, as users and batch systems interrupt them, and go on."""

import os
import re
import signal
import subprocess
from typing import Any

import pytest
from driven import check_whole, halfway, results, study_row
from faulty import INLINE, NETS, RANDOM
from lab import PATIENCE, Lab, sets, wait_for

from fesearch.record import TrialState
from fesearch.search.checkpoint import CHECKPOINT
from fesearch.search.folder import trial_folder
from fesearch.search.worker import LOG

pytestmark = pytest.mark.slow


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
    sent: signal.Signals, lab: Lab, undisturbed: dict[str, Any]
) -> None:
    """A terminal sends Ctrl-C to the whole process group, and batch systems SIGTERM."""
    driver = lab.begin("study", "start", *NETS, *RANDOM, "--name", "deep", "--cpus", "2")
    wait_for(lambda: halfway(lab.url, "deep"), "a trial has ended and another one has reported")
    os.killpg(driver.pid, sent)
    halted = check_interrupted(lab, driver)

    lab.run("study", "resume", "deep")
    check_whole(lab, "deep", 8)
    whole = undisturbed["random"][0]
    assert results(lab.url, "deep") == whole
    for number in halted:
        log = trial_folder(study_row(lab.url, "deep"), number) / LOG
        lines = log.read_text().splitlines()
        assert sum(" goes on after " in line for line in lines) == 1
        trained = [line for line in lines if re.match(r"\S+ \d+: mae ", line)]
        assert len(trained) == whole[number].resource  # each epoch once


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
