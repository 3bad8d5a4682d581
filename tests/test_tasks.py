"""Pieces of work on Ray: results, failures, time-outs, lost workers, and nothing left behind."""

import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import ray
from small import wait_for

from fesearch import raysession, tasks
from fesearch.errors import FesearchError
from fesearch.tasks import Cause, Failure

NEVER = re.compile(r"(a+)+b")  # takes for ever on many a, and lets no other thread run


def make() -> Callable[[str], Any]:
    """A worker that does what it is told, and remembers what it has done."""
    done: list[str] = []

    def work(piece: str) -> Any:
        word, _, rest = piece.partition(" ")
        done.append(piece)
        match word:
            case "sleep":
                time.sleep(float(rest))
            case "wait":
                while not Path(rest).exists():
                    time.sleep(0.05)
            case "never":
                NEVER.match("a" * 64)
            case "raise":
                raise ValueError(rest)
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "print":
                print(rest, file=sys.stderr, flush=True)
                os.write(1, rest.encode())
            case "environment":
                return os.environ.get(rest)
            case "niceness":
                return os.nice(0)
        return (os.getpid(), len(done))

    return work


def hold(seconds: float) -> None:
    """Keep a core."""
    time.sleep(seconds)


def make_nothing() -> Callable[[str], Any]:
    raise ImportError("no module of that name")


def results(pieces: list[str], *, seconds: float = 30, workers: int | None = 2) -> dict[int, Any]:
    found: dict[int, Any] = {}

    def report(place: int, result: Any) -> None:
        assert place not in found
        found[place] = result

    tasks.run(make, pieces, report, seconds=seconds, workers=workers)
    return found


@pytest.fixture(scope="module")
def two_cores() -> Any:
    """Ray that runs in this process already, with workers that find this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        with raysession.session(2):
            yield


def test_all_pieces_are_done_and_reported_by_their_place(two_cores: Any) -> None:
    found = results([f"return {number}" for number in range(20)])
    assert sorted(found) == list(range(20))
    workers = {pid for pid, _ in found.values()}
    assert len(workers) <= 2
    assert os.getpid() not in workers
    assert max(count for _, count in found.values()) >= 10, "a worker does one after another"


def test_they_are_done_at_once_and_reported_as_they_end(two_cores: Any, tmp_path: Path) -> None:
    order: list[int] = []

    def report(place: int, result: Any) -> None:
        order.append(place)
        if len(order) == 3:
            (tmp_path / "now").touch()

    pieces = [f"wait {tmp_path / 'now'}", "return", "return", "return"]
    tasks.run(make, pieces, report, seconds=60, workers=2)
    assert order == [1, 2, 3, 0]


def test_what_the_work_raises_is_a_failure_and_the_worker_goes_on(two_cores: Any) -> None:
    found = results(["raise one line\nand another", "raise", "return"], workers=1)
    assert found[0] == Failure(Cause.ERROR, "ValueError: one line")
    assert found[1] == Failure(Cause.ERROR, "ValueError")
    assert found[2][1] == 3


@pytest.mark.parametrize("piece", ["sleep 60", "never"])
def test_a_piece_that_takes_too_long_is_killed_with_its_worker(two_cores: Any, piece: str) -> None:
    began = time.monotonic()
    found = results(["return", piece, "return"], seconds=1, workers=1)
    assert time.monotonic() - began < 30
    assert found[1] == Failure(Cause.TIME, "took longer than 1 s")
    (before, _), (after, count) = found[0], found[2]
    assert before != after
    assert count == 1
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)


def test_the_time_of_a_worker_to_start_is_no_time_of_its_piece(two_cores: Any) -> None:
    found = results(["sleep 0.5"] * 4, seconds=1, workers=2)
    assert not any(isinstance(result, Failure) for result in found.values())


def test_a_worker_that_dies_costs_its_piece_alone(two_cores: Any) -> None:
    found = results(["die", "return", "die", "return", "return"], workers=1)
    assert found[0] == Failure(Cause.LOST, "its worker was lost: ActorDiedError")
    assert found[2].cause is Cause.LOST
    assert [found[place][1] for place in (1, 3, 4)] == [1, 1, 2]


def test_a_worker_has_one_thread(two_cores: Any) -> None:
    found = results(["environment OMP_NUM_THREADS", "environment OPENBLAS_NUM_THREADS"])
    assert found == {0: "1", 1: "1"}


def make_of(first: str, rest: list[str]) -> Callable[[str], Any]:
    return lambda piece: (first, rest, piece, os.environ["OMP_NUM_THREADS"])


def test_a_worker_has_the_cores_it_needs_and_what_it_is_given(two_cores: Any) -> None:
    found: list[Any] = []
    tasks.run(
        make_of,
        ["a", "b"],
        lambda place, result: found.append(result),
        seconds=math.inf,
        needs=tasks.Needs(cpus=2),
        given=("x", ["y"]),
    )
    assert found == [("x", ["y"], "a", "2"), ("x", ["y"], "b", "2")]


def test_ray_that_runs_already_is_used_and_left_running(two_cores: Any) -> None:
    results(["return"])
    assert ray.is_initialized()
    assert raysession.cores() == 2
    deadline = time.monotonic() + 20
    while ray.available_resources().get("CPU") != 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert ray.available_resources()["CPU"] == 2, "no worker is left"


def test_nothing_to_do_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raysession, "session", None)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    tasks.run(make, [], print, seconds=1)


def test_a_worker_that_cannot_start_is_said_so(two_cores: Any) -> None:
    with pytest.raises(FesearchError) as failed:
        tasks.run(make_nothing, ["return"] * 3, print, seconds=1, workers=2)
    assert str(failed.value) == (
        "No worker could start: ImportError: no module of that name.\n"
        "Look whether the machine, or the Ray cluster, has a free core and memory."
    )


def test_without_a_free_core_it_does_not_wait_for_ever(
    two_cores: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "SECONDS_TO_START", 1.0)
    holding = ray.remote(num_cpus=2)(hold).remote(120)
    while ray.available_resources().get("CPU"):
        time.sleep(0.1)
    with pytest.raises(FesearchError, match="No worker could start: it took longer than 1 s"):
        results(["return"], workers=1)
    ray.cancel(holding, force=True)


def test_a_worker_that_cannot_start_is_done_without_while_there_are_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    killed: list[object] = []
    monkeypatch.setattr(ray, "kill", killed.append)
    crew: tasks._Crew[str, Any] = tasks._Crew(make, ["return"], 1, tasks.Needs(), ())
    crew._tasks = {"reference": tasks._Task("another", 0, deadline=1e9)}
    crew._started("late", "it took longer than 1 s")
    assert killed == ["late"]
    crew._tasks.clear()
    with pytest.raises(FesearchError, match="No worker could start"):
        crew._started("late", Failure(Cause.LOST, "its worker was lost"))


def test_an_error_of_the_caller_ends_it(two_cores: Any) -> None:
    def report(place: int, result: Any) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tasks.run(make, ["return"] * 5, report, seconds=5, workers=2)


ALONE = f"""
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
sys.path.insert(0, {str(Path(__file__).parent)!r})
import ray, test_tasks
from fesearch import tasks
from ray._private import worker

def run(*pieces, report=lambda place, result: None):
    tasks.run(test_tasks.make, pieces, report, seconds=60, workers=1)
"""


def alone(code: str) -> "subprocess.Popen[str]":
    """A process that has no Ray yet."""
    return subprocess.Popen(
        [sys.executable, "-c", ALONE + code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
    )


@pytest.mark.slow
def test_workers_print_nothing_whoever_started_ray_and_are_not_nice_in_ours() -> None:
    """A Ray of the user's own shows by default what workers print."""
    process = alone(
        "run('print from a worker', 'die', 'return')\n"
        "run('niceness', report=lambda place, result: print(result))\n"
        "ray.init(address='local', num_cpus=1, include_dashboard=False, logging_level='CRITICAL')\n"
        "run('print from a worker', 'return')\n"
        "time.sleep(2)\n"
        "print('done')\n"
    )
    out, err = process.communicate(timeout=200)
    assert (out, process.returncode) == ("0\ndone\n", 0)
    assert "from a worker" not in err


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_behind() -> None:
    process = alone(
        "def report(place, result):\n"
        "    print(result[0], worker._global_node.get_session_dir_path(), flush=True)\n"
        "run('return', 'sleep 100', report=report)\n"
    )
    assert process.stdout is not None
    pid, session = process.stdout.readline().split()
    os.kill(int(pid), 0)
    assert Path(session).is_dir()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=100)
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert not Path(session).exists()

    def left() -> list[str]:
        """What still runs: the task's process, and those of the session."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # it ends while it is looked at
                line = path.read_bytes().decode(errors="replace")
                if path.parent.name == pid or Path(session).name in line:
                    found.append(line)
        return found

    wait_for(lambda: not left())  # ended processes take a moment to go, on a busy machine
