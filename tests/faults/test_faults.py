"""What a search survives: workers and nodes killed, a database restarted, a disk that is full.

The long form is that of ``test_drivers.py``, whose promises these tests ask for, too.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from driven import results, story
from faulty import (
    DRAW,
    IN_A_STUDY,
    INLINE,
    KILLS,
    NETS,
    RANDOM,
    RESTARTS,
    check_whole,
    finished,
    training,
    workers,
)
from lab import PATIENCE, RAY, Lab, kill, wait_for

from fesearch.record import Fault, TrialState

WORDS = {"inline": [*RANDOM, *INLINE], "ray": [*RANDOM, "--cpus", "2"]}
_WEIGHTS = "its weights cannot be written: No space left on device"
FULL = {"inline": [_WEIGHTS], "ray": [_WEIGHTS, "the disk is full: Ray Tune's files under "]}
"""Why a study stops whose disk is full."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]


def test_workers_killed_at_random_moments(
    lab: Lab, undisturbed: dict[str, Any], said: Callable[[str], None]
) -> None:
    """A trial begins again from its checkpoint, twice at most in a study's default."""
    hits = studies = 0
    while hits < KILLS:
        name = f"hit-{studies}"
        kills = min(IN_A_STUDY, KILLS - hits)
        words = [*RANDOM, "--cpus", "2", "--set", "retries=9"]
        driver = lab.begin("study", "start", *NETS, *words, "--name", name)
        hits += sum(hit_a_worker(lab, driver, name) for _ in range(kills))
        assert driver.wait(PATIENCE) == 0, lab.err
        assert "Traceback" not in lab.err
        check_whole(lab.url, name)
        found = results(lab.url, name)
        assert [replace(one, retries=0) for one in found] == undisturbed["random"][0]
        studies += 1
    said(f"{hits} kills of workers in {studies} studies")


def hit_a_worker(lab: Lab, driver: "subprocess.Popen[bytes]", name: str) -> bool:
    """Kill a worker at a random moment and wait until another trial has ended."""
    count = len(finished(lab.url, name))
    training(lab, driver, name)
    time.sleep(DRAW.uniform(0.0, 1.0))
    there = sorted(workers(lab))
    if there:
        os.kill(DRAW.choice(there), signal.SIGKILL)
    goes_on = f"{name} goes on"
    wait_for(lambda: driver.poll() is not None or len(finished(lab.url, name)) > count, goes_on)
    return bool(there)


def test_a_node_that_is_lost(lab: Lab, undisturbed: dict[str, Any]) -> None:
    """A cluster of two nodes loses the one that the driver is not on."""
    lab.environment["RAY_ADDRESS"] = ""
    lab.environment["RAY_AUTH_MODE"] = "token"
    common = ["--block", "--num-cpus", "1", "--disable-usage-stats"]
    lab.begin(
        "start", "--head", "--port", "0", "--include-dashboard", "false", *common,
        program=RAY, to="head-",
    )  # fmt: skip
    named = Path(lab.environment["RAY_TMPDIR"]) / "ray" / "ray_current_cluster"
    address = wait_for(lambda: named.is_file() and named.read_text(), "the cluster has started")
    before = set(lab.processes())
    second = lab.begin("start", "--address", address, *common, program=RAY, to="second-")
    words = [*RANDOM, "--address", address, "--name", "deep"]
    wait_for(lambda: " 2" in nodes(lab, address), "the second node has joined")
    node = {
        number: words
        for number, words in lab.processes().items()
        if number not in before and "raylet" in words
    }
    driver = lab.begin("study", "start", *NETS, *words)
    wait_for(lambda: len(workers(lab)) == 2 and finished(lab.url, "deep"), "both nodes are at work")
    for number in node:
        os.kill(number, signal.SIGKILL)
    kill(second)
    assert driver.wait(PATIENCE) == 0, lab.err
    check_whole(lab.url, "deep")
    found = results(lab.url, "deep")
    assert [replace(one, retries=0) for one in found] == undisturbed["random"][0]


def nodes(lab: Lab, address: str) -> str:
    """What Ray says of the cluster's cores: "cores N"."""
    program = (
        "import ray, sys; ray.init(sys.argv[1], log_to_driver=False, logging_level='CRITICAL');"
        "print('cores', int(ray.cluster_resources().get('CPU', 0)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, address],
        env=lab.environment,
        capture_output=True,
        text=True,
    )
    return done.stdout


@pytest.mark.parametrize("runner", WORDS)
def test_postgresql_restarted(
    runner: str, lab: Lab, server: Any, undisturbed: dict[str, Any], said: Callable[[str], None]
) -> None:
    """Its clients are thrown out; every other time it crashes."""
    url = server.get_uri()
    for place in range(RESTARTS):
        name = f"restarted-{place}"
        words = [*WORDS[runner], "--name", name, "--storage", url]
        driver = lab.begin("study", "start", *NETS, *words)
        wait_for_first(url, name, driver)
        driver.send_signal(signal.SIGSTOP)  # or it may be done before the server has stopped
        if place % 2 == 0:
            server.stop()
        else:
            os.kill(server.get_pid(), signal.SIGQUIT)
        driver.send_signal(signal.SIGCONT)
        wait_for(lambda: "Waiting for it" in lab.err, "its database is missed")
        wait_for(lambda: runs_again(server), "PostgreSQL runs again")
        assert driver.wait(PATIENCE) == 0, lab.err
        assert "The database is back after " in lab.err
        check_whole(url, name)
        assert results(url, name) == undisturbed["random"][0]
        assert runner == "ray" or story(url, name) == undisturbed["random"]
    said(f"{RESTARTS} restarts of PostgreSQL, {runner}")


def runs_again(server: Any) -> bool:
    """Whether a server could be started; not yet, where one that was killed is being mended."""
    try:
        server.ensure_postgres_running()
    except AssertionError:
        return False
    return True


def wait_for_first(url: str, name: str, driver: "subprocess.Popen[bytes]") -> None:
    """Wait until a trial of a study has ended."""
    wait_for(lambda: finished(url, name) or driver.poll() is not None, "a trial has ended")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for two of these trials."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(words, capture_output=True).returncode:
        pytest.skip("Only root may mount a small file system. Type: sudo make test")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("runner", WORDS)
def test_a_disk_that_is_full(
    runner: str, lab: Lab, small_disk: Path, undisturbed: dict[str, Any]
) -> None:
    """Of Ray's files and the weights, whichever comes first is what cannot be written."""
    (Path(lab.environment["FESEARCH_ARTIFACTS"]) / "studies").symlink_to(small_disk)
    driver = lab.begin("study", "start", *NETS, *WORDS[runner], "--name", "deep")
    driver.wait(PATIENCE)
    (listed,) = lab.json("study", "list")
    assert listed["state"] == "STOPPED"
    assert any(listed["reason"].startswith(one) for one in FULL[runner])
    wait_for(lambda: not lab.processes(), "nothing is left running")
    before = finished(lab.url, "deep")
    assert before or runner == "ray"
    assert not list(small_disk.rglob(".*")), "nothing is half written"
    assert not list(small_disk.rglob("ray-*"))
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    lab.run("study", "resume", "deep")
    check_whole(lab.url, "deep")
    assert results(lab.url, "deep")[: len(before)] == before
    assert results(lab.url, "deep") == undisturbed["random"][0]


def test_rays_memory_monitor_kills_a_worker(lab: Lab) -> None:
    """A threshold that any machine is above: each worker is killed as soon as it is seen."""
    lab.environment["RAY_memory_usage_threshold"] = "0.001"
    words = ["--trials", "1", "--cpus", "2", "--name", "deep"]
    lab.run("study", "start", *NETS, *words, code=3)
    (only,) = results(lab.url, "deep")
    killed = "Ray killed its worker, as the node was running low on memory"
    assert (only.state, only.fault, only.retries) == (TrialState.FAIL, Fault.MACHINE, 1)
    assert only.reason == f"too little memory, alone too: {killed}"
    assert f"trial 0 goes on after too little memory, alone now: {killed}" in lab.err
    wait_for(lambda: not lab.processes(), "nothing is left running")
