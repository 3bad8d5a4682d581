"""Two drivers at once on one study: the second is refused, or takes over from the first."""

import os
import signal
from typing import Any

import pytest
from driven import now, story, study_row
from faulty import INLINE, NETS, RANDOM, check_whole, finished
from lab import PATIENCE, Lab, kill, wait_for

from fesearch.search.folder import study_folder

pytestmark = pytest.mark.slow

RUNNERS = {"ray": ["--cpus", "1"], "inline": INLINE}


def reached(lab: Lab) -> int:
    """The epoch that the first trial has reached."""
    found = now(lab.url, "deep")
    return found[0].resource if found else 0


def test_the_second_is_refused_while_the_first_is_there(
    lab: Lab, undisturbed: dict[str, Any]
) -> None:
    """Paused is there; killed is not, and seen at once."""
    driver = lab.begin("study", "start", *NETS, *INLINE, "--name", "deep")
    wait_for(lambda: len(finished(lab.url, "deep")) >= 2, "two trials have ended")
    os.kill(driver.pid, signal.SIGSTOP)
    second = lab.begin("study", "resume", "deep")
    assert second.wait(PATIENCE) == 2
    assert lab.err.startswith(f"The study 'deep' is being driven by process {driver.pid} on ")
    kill(driver)
    (listed,) = [row for row in lab.json("study", "list") if row["name"] == "deep"]
    assert listed["state"] == "KILLED"
    lab.run("study", "resume", "deep")
    check_whole(lab.url, "deep")
    assert story(lab.url, "deep") == undisturbed["tpe"]


@pytest.mark.parametrize("runner", RUNNERS)
def test_the_second_takes_over_and_the_first_ends_by_itself(
    runner: str, lab: Lab, undisturbed: dict[str, Any]
) -> None:
    # More trials than end while a command starts on a busy machine.
    words = [*NETS, *RANDOM, "--trials", "20", "--max-epochs", "9999", *RUNNERS[runner]]
    first = lab.begin("study", "start", *words, "--name", "deep", to="first-")
    wait_for(lambda: reached(lab), "a trial has reported")
    lab.run("study", "resume", "deep", code=2)
    assert f"is being driven by process {first.pid} on " in lab.err
    second = lab.begin("study", "resume", "deep", "--take-over", to="second-")
    assert first.wait(PATIENCE) == 1
    said = (lab.folder / "first-err").read_text()
    assert f"Another process has taken over this study: process {second.pid} on " in said
    assert said.endswith("Leave the study to it; see: fesearch study list\n")
    assert "Traceback" not in said
    before = reached(lab)
    wait_for(lambda: reached(lab) > before + 40, "the second one goes on")
    lab.run("study", "stop", "deep")
    assert second.wait(PATIENCE) in (0, 3)
    assert "Stopped: stopped on request" in (lab.folder / "second-err").read_text()
    assert wait_for(lambda: not lab.processes(), "all processes have ended")
    curve = [line for line in story(lab.url, "deep")[1] if line[0] == 0]
    assert [line[1] for line in curve] == list(range(1, len(curve) + 1))
    assert curve[:39] == undisturbed["random"][1][:39]  # at 40 the other one ends
    assert list(study_folder(study_row(lab.url, "deep")).glob("ray-*")) == []
