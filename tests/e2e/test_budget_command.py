"""Budgets that are extended and chosen configs, by the real command in real processes."""

import pytest
from driven import check_optuna_agrees, halfway, now, results, story, study_row
from lab import PATIENCE, Lab, sets, wait_for

from fesearch.search.folder import study_folder

pytestmark = pytest.mark.slow


NETS = ["irnet", "--data", "alloys", "--seed", "1", "--sampler", "random", "--pruner", "none"]
NETS += sets("space.depth=3", "space.width=0.125", "space.batch_size=32")
NETS += sets("space.learning_rate=[1e-2, 1e-3, 1e-4]")
RUNNERS = {"ray": ["--cpus", "1", *sets("runner=ray")], "inline": sets("runner=inline")}


@pytest.fixture(scope="module")
def whole(house: Lab) -> str:
    """The URL of a store with the study ``whole``, which nobody touches."""
    words = ["--trials", "6", "--max-epochs", "60", *RUNNERS["inline"]]
    house.run("study", "start", *NETS, *words, "--name", "whole")
    return house.url


def check_whole(lab: Lab, whole: str) -> None:
    """The study ``deep`` has the trials of ``whole``, and nothing is left of any driver."""
    assert wait_for(lambda: not lab.processes(), "all processes have ended")
    assert results(lab.url, "deep") == results(whole, "whole")
    check_optuna_agrees(lab.url, "deep")
    assert study_row(lab.url, "deep").state == "COMPLETE"
    assert list(study_folder(study_row(lab.url, "deep")).glob("ray-*")) == []


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_study_that_runs_is_extended_and_given_a_config(
    runner: str, lab: Lab, whole: str
) -> None:
    words = ["--trials", "3", "--max-epochs", "600", *RUNNERS[runner]]
    driver = lab.begin("study", "start", *NETS, *words, "--name", "deep", to="driver-")
    wait_for(lambda: halfway(lab.url, "deep"), "trials are at work")
    chosen = lab.json(
        "study", "enqueue", "deep", "--set", "learning_rate=1e-4", "--set", "loss=mse"
    )
    assert "The study is running, and takes it up by itself." in lab.err
    (change,) = lab.json("study", "extend", "deep", "--trials", "+2")
    assert (change["key"], change["old"], change["new"]) == ("trials", 3, 5)
    assert driver.wait(PATIENCE) == 0
    assert "trials is 5 now, was 3" in (lab.folder / "driver-err").read_text()
    found = now(lab.url, "deep")
    assert [dict(one.config) for one in found].count(chosen) >= 1
    assert len(found) == 5
    assert all(one.state.finished for one in found)


def test_epochs_are_added_with_ray_as_if_they_had_been_there(lab: Lab, whole: str) -> None:
    words = ["--trials", "2", "--max-epochs", "25", *RUNNERS["ray"]]
    lab.run("study", "start", *NETS, *words, "--name", "deep")
    lab.run("study", "extend", "deep", "--max-epochs", "60")
    assert "Trials 0, 1 go on to the new end, each as a new trial." in lab.err
    lab.run("study", "resume", "deep")
    ours, theirs = story(lab.url, "deep")[1], story(whole, "whole")[1]
    for child in (2, 3):
        curve = [line[1:4] for line in ours if line[0] == child]
        assert curve == [line[1:4] for line in theirs if line[0] == child - 2][25:]
    check_optuna_agrees(lab.url, "deep")
