"""Trials on real Ray that meet with a mishap: each ends as it should, and the search goes on."""

import json
import math
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import own_files
import pytest
import ray
import searched
from driven import check_optuna_agrees
from ray.air._internal import usage
from small import SPACE, Watch
from test_fault_kinds import DIED, NODE

from fesearch.nets.optimizer import Optimizer
from fesearch.own import family_of
from fesearch.record import Fault, Report, TrialResult, TrialSpec, TrialState
from fesearch.search import actor, on_ray, start
from fesearch.search.checkpoint import CHECKPOINT
from fesearch.search.driver import LOG, Outcome
from fesearch.search.faults import Cause
from fesearch.search.folder import study_folder
from fesearch.search.worker import LOG as LOG_OF_TRIAL
from fesearch.store.types import StudyState
from fesearch.study import Study

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]

MOODY = """
import json, os, shutil, time
from dataclasses import replace
from itertools import count
from pathlib import Path
import ray
from fesearch.families.ridge import FAMILY as RIDGE

HERE = Path({here!r})
PLAN = {plan!r}
SECONDS = 0.5

class Moody:
    '''A ridge regression that does what is planned for the n-th one that is built anywhere.'''

    def __init__(self, place, learner):
        self.place, self.learner = place, learner

    def __getattr__(self, name):
        return getattr(self.learner, name)

    def advance(self):
        began = time.time()
        mood = PLAN.get(str(self.place))
        if mood == "hang":
            time.sleep(3600)
        time.sleep(SECONDS)
        (HERE / f"{{self.place}}.json").write_text(json.dumps([began, time.time()]))
        if mood == "die":
            os._exit(1)
        if mood == "memory":
            raise MemoryError("for a large matrix")
        if mood == "raise":
            raise ValueError("no such kernel")
        if mood == "sweep":
            session = ray._private.worker._global_node.get_session_dir_path()
            shutil.rmtree(Path(session) / "artifacts")
        return self.learner.advance()

def build(config, data, **options):
    learner = RIDGE.build(config, data, **options)
    for place in count():
        try:
            (HERE / str(place)).touch(exist_ok=False)
        except FileExistsError:
            continue
        return Moody(place, learner)

FAMILY = replace(RIDGE, name="moody", build=build)
"""


@pytest.fixture
def ray_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where Ray leaves its files; it is short, since sockets lie there."""
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    monkeypatch.setenv("RAY_TMPDIR", str(folder))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def imports_trackers(callbacks: Any) -> None:
    """In place of what Tune does for its makers before a first trial."""
    pytest.fail("MLflow and Weights & Biases would be imported, for seconds")


@pytest.fixture
def search(
    sqlite_url: str, tmp_path: Path, ray_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Runs a study of ridge regressions on two cores of Ray with these moods; see ``MOODY``."""
    monkeypatch.setenv("FESEARCH_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.setenv("FESEARCH_CACHE_DIR", str(tmp_path / "cache"))
    searched.save_data()
    own_files.forget(monkeypatch)
    monkeypatch.setattr(usage, "_count_callbacks", imports_trackers)
    here = tmp_path / "here"
    here.mkdir()

    def run(plan: dict[str, str], watch: Watch, text: str = MOODY, **keys: Any) -> Outcome:
        if text is MOODY:
            text = MOODY.format(here=str(here), plan=plan)
        file = own_files.write(tmp_path, "moody.py", text)
        study = Study(
            name="moody", family=family_of(file).name, own=[str(file)], data=searched.DATA,
            cpus=2, seed=1, **{"sampler": "random", "preset": "full", "trials": 4, **keys},
        )  # fmt: skip
        return start.start(study, sqlite_url, watchers=[watch])

    yield run
    assert not [path for path in ray_folder.rglob("*") if path.name != "ray"], "Ray left files"
    check_optuna_agrees(sqlite_url, "moody")


def states(outcome: Outcome) -> list[TrialState]:
    return [one.state for one in outcome.results]


def only(outcome: Outcome, state: TrialState) -> TrialResult:
    (found,) = (one for one in outcome.results if one.state is state)
    return found


def test_a_worker_that_dies_is_replaced_and_its_trial_goes_on(search: Any) -> None:
    watch = Watch()
    outcome = search({"0": "die", "3": "raise"}, watch)
    assert outcome.row.state is StudyState.COMPLETE
    assert sum(one.retries for one in outcome.results) == 1
    (line,) = (note for note in watch.notes if "goes on after" in note)
    assert line.endswith("goes on after a lost worker (1 of 2): its worker process has died")
    failed = only(outcome, TrialState.FAIL)
    assert (failed.fault, failed.reason) == (Fault.MACHINE, "ValueError: no such kernel")
    assert states(outcome).count(TrialState.COMPLETE) == 3


def test_a_trial_outlives_the_files_of_ray_on_its_node(search: Any) -> None:
    """A node that is lost may remove them before its last worker has noticed and gone, too."""
    outcome = search({"0": "sweep", "1": "sweep"}, Watch(), cpus_per_trial=2)
    assert [one.reason for one in outcome.results] == [""] * 4
    assert states(outcome) == [TrialState.COMPLETE] * 4


def test_a_worker_that_dies_each_time_ends_its_trial(search: Any) -> None:
    outcome = search({"0": "die", "1": "die"}, Watch(), trials=1, retries=1, cpus_per_trial=2)
    failed = only(outcome, TrialState.FAIL)
    assert failed.reason == "the worker was lost 2 times: its worker process has died"
    assert (failed.retries, outcome.stopped) == (1, "")


def test_a_trial_without_memory_is_tried_again_with_no_other_beside_it(
    search: Any, tmp_path: Path
) -> None:
    watch = Watch()
    outcome = search({"0": "memory"}, watch)
    assert states(outcome) == [TrialState.COMPLETE] * 4
    (number,) = (one.number for one in outcome.results if one.retries)
    assert watch.notes == [
        f"trial {number} goes on after too little memory, alone now: "
        "MemoryError: for a large matrix"
    ]
    assert (number, True) in watch.begun
    spans = [json.loads(file.read_text()) for file in (tmp_path / "here").glob("*.json")]
    assert len(spans) == 5
    apart = [
        all(one is other or one[0] > other[1] or one[1] < other[0] for other in spans)
        for one in spans
    ]
    assert any(apart), "one of them was alone"


def test_a_trial_that_hangs_is_ended(search: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_ray, "GRACE", 5.0)
    outcome = search({"1": "hang"}, Watch(), trial_time_limit="10s")
    failed = only(outcome, TrialState.FAIL)
    assert failed.reason == "over its time limit of 10s: no report in that time"
    assert states(outcome).count(TrialState.COMPLETE) == 3


def test_what_ray_said_last_is_kept_where_a_search_fails(
    search: Any, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Watch):
        def reported(self, number: int, report: object) -> None:
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        search({}, Broken())
    (log,) = (Path(os.environ["FESEARCH_ARTIFACTS"]) / "studies").glob(f"*/{LOG}")
    assert "==> raylet.out <==" in log.read_text()
    start.resume("moody", sqlite_url)


class Watched:
    """The deadlines of a trial in training, on a clock of their own."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, limit: float | None, latest: float = math.inf
    ):
        self.clock, self.ended = 0.0, list[str]()
        monkeypatch.setattr(on_ray.time, "monotonic", lambda: self.clock)
        monkeypatch.setattr(on_ray.ray, "kill", self.ended.append)
        self.core: Any = SimpleNamespace(latest=latest, halting=False)
        self.halt = Path(tempfile.mkdtemp()) / "study" / "halt"
        self.link = on_ray._Link(self.core, self.halt, here=True)
        self.deadlines = on_ray._Deadlines(self.link, limit)
        state = SimpleNamespace(ray_actor="actor")
        self.trial = SimpleNamespace(trial_id="one", temporary_state=state)
        self.deadlines.on_trial_start(0, [], self.trial)

    def steps_until(self, end: float) -> None:
        while self.clock < end:
            self.clock += 1.0
            self.deadlines.on_step_begin(0, [])


def test_time_in_which_the_driver_was_held_up_is_not_the_trials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watched = Watched(monkeypatch, limit=10.0)
    watched.steps_until(9.0)
    watched.clock += 600.0  # the database was away
    watched.steps_until(609.0 + 10.0 + on_ray.GRACE - 9.0 - on_ray._SECONDS_OF_A_STEP)
    assert watched.ended == []
    watched.steps_until(609.0 + 10.0 + on_ray.GRACE + 1.0)
    assert watched.ended == ["actor"]
    assert watched.link.overdue == {"one"}


@pytest.mark.parametrize("limit", [None, 1000.0])
def test_a_trial_that_does_not_report_at_the_deadline_is_interrupted(
    limit: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(monkeypatch, limit, latest=50.0)
    watched.steps_until(50.0 + on_ray.LATE_GRACE)
    assert watched.ended == []
    watched.steps_until(50.0 + on_ray.LATE_GRACE + 1.0)
    assert watched.ended == ["actor"]
    assert watched.link.overdue == set()  # its own time is not over: the core hears of a lost one


def test_a_trial_goes_on_beyond_a_deadline_that_was_put_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watched = Watched(monkeypatch, limit=None, latest=50.0)
    watched.steps_until(40.0)
    watched.core.latest = 120.0
    watched.steps_until(120.0 + on_ray.LATE_GRACE)
    assert watched.ended == []
    watched.steps_until(120.0 + on_ray.LATE_GRACE + 1.0)
    assert watched.ended == ["actor"]


def test_reports_that_waited_while_the_driver_was_held_up_past_the_deadline_are_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watched = Watched(monkeypatch, limit=None, latest=50.0)
    watched.steps_until(49.0)
    watched.clock += 600.0  # the database was away
    watched.steps_until(649.0 + on_ray.LATE_GRACE)
    assert watched.ended == []
    watched.steps_until(651.0 + on_ray.LATE_GRACE)
    assert watched.ended == ["actor"]


def test_a_trial_that_reported_at_the_deadline_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watched = Watched(monkeypatch, limit=None, latest=50.0)
    watched.steps_until(55.0)
    watched.deadlines.on_trial_complete(0, [], watched.trial)
    watched.steps_until(100.0)
    assert watched.ended == []


def test_trials_are_halted_when_all_is_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch, limit=None)
    watched.steps_until(1.0)
    assert not asked(watched)
    watched.core.halting = True
    watched.steps_until(2.0)
    assert asked(watched)


def asked(watched: "Watched") -> bool:
    """Whether a trial that looks would halt."""
    look = actor._Asked(watched.halt)
    look._looked_at -= actor.SECONDS_BETWEEN_LOOKS
    return look()


def test_trials_are_halted_before_those_are_ended_that_do_not_report_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watched = Watched(monkeypatch, limit=None, latest=50.0)
    watched.steps_until(51.0)
    watched.steps_until(50.0 + on_ray.LATE_GRACE - on_ray._SECONDS_TO_HALT)
    assert not asked(watched), "who is about to report may"
    watched.steps_until(51.0 + on_ray.LATE_GRACE - on_ray._SECONDS_TO_HALT)
    assert asked(watched)
    assert watched.ended == []
    watched.core.latest = 100.0
    watched.steps_until(60.0)
    assert not asked(watched)
    assert watched.halt.exists(), "where one may be, is known from long ago"


SLOW = """
import time
from dataclasses import replace
from fesearch.families.irnet import FAMILY as IRNET
from fesearch.nets.optimizer import Optimizer

step = Optimizer.step

def slow(optimizer, rate):
    time.sleep(0.6)
    step(optimizer, rate)

Optimizer.step = slow
FAMILY = replace(IRNET, name="slow")
"""


def test_a_search_that_is_to_stop_ends_no_epoch_first(
    search: Any, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An epoch takes twenty seconds here; another driver ends it."""
    monkeypatch.setattr(Optimizer, "step", Optimizer.step)  # ``SLOW`` is to end with this test

    class Stopping(Watch):
        def began(self, spec: TrialSpec, resumed: bool) -> None:
            super().began(spec, resumed)
            if len(self.begun) == 2:
                threading.Timer(8.0, self.core.stop, ["interrupted"]).start()

    watch = Stopping()
    keys = {"text": SLOW, "trials": 2, "max_epochs": 1, "space": {**SPACE, "batch_size": 2}}
    outcome = search({}, watch, preset="published", **keys)
    assert states(outcome) == [TrialState.RUNNING] * 2
    folder = study_folder(outcome.row)
    logs = [(folder / f"{n:06d}" / LOG_OF_TRIAL).read_text() for n in (0, 1)]
    assert all(log.endswith(" halted within a step\n") for log in logs)
    assert len(list(folder.glob(f"*/{CHECKPOINT}"))) == 2
    assert not list(folder.glob("ray-*"))
    assert states(start.resume("moody", sqlite_url)) == [TrialState.COMPLETE] * 2
    logs = [(folder / f"{n:06d}" / LOG_OF_TRIAL).read_text() for n in (0, 1)]
    assert all(" goes on after a part of its first step: " in log for log in logs)


LOOKING = """
import json, os, time
from dataclasses import replace
from pathlib import Path
from fesearch.families.ridge import FAMILY as RIDGE

HERE = Path({here!r})
PARTS = "train_x", "train_y", "val_x", "val_y"

def place(array):
    # The file of its memory and where in it, and whether others see that, and it is written to.
    address = array.ctypes.data
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, rights, offset, device, inode, *_ = line.split()
        low, high = (int(end, 16) for end in span.split("-"))
        if low <= address < high:
            at = address - low + int(offset, 16)
            return [device, inode, at, rights.endswith("s"), array.flags.writeable]

def build(config, data, **options):
    parts = {{name: place(getattr(data, name)) for name in PARTS}}
    file = HERE / f"{{os.getpid()}}-{{time.monotonic_ns()}}.json"
    file.write_text(json.dumps(parts))
    while len({{other.name.split("-")[0] for other in HERE.iterdir()}}) < 2:
        time.sleep(0.1)  # until the other process has a trial, too
    return RIDGE.build(config, data, **options)

FAMILY = replace(RIDGE, name="looking", build=build)
"""


def test_all_trials_see_the_same_data_in_the_object_store(search: Any, tmp_path: Path) -> None:
    taken: list[float] = []

    class Looking(Watch):
        def reported(self, number: int, report: Report) -> None:
            there, free = ray.cluster_resources(), ray.available_resources()
            taken.append(there["object_store_memory"] - free["object_store_memory"])

    here = tmp_path / "here"
    outcome = search({}, Looking(), text=LOOKING.format(here=str(here)), trials=8)
    assert states(outcome) == [TrialState.COMPLETE] * 8
    first, *others = (json.loads(file.read_text()) for file in here.iterdir())
    assert all(one == first for one in others), "a trial has data of its own"
    for *_, shared, writeable in first.values():
        assert (shared, writeable) == (True, False)
    size = 4 * 145 * len(searched.FORMULAS)  # of the features
    assert 0.5 * size < taken[0] <= max(taken) < 1.5 * size


@pytest.mark.parametrize(
    ("kills", "here", "expected"),
    [
        ([3, 3], True, (Cause.LOST, "its worker process has died")),
        (
            [3, 4],
            True,
            (Cause.MEMORY, "the kernel killed its worker, as the host was out of memory"),
        ),
        ([None, None], True, (Cause.KILLED, "its worker process has died")),
        ([4], False, (Cause.KILLED, "its worker process has died")),
    ],
)
def test_a_worker_that_the_kernel_killed_ran_out_of_memory(
    kills: list[int | None],
    here: bool,
    expected: tuple[Cause, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts = iter(kills)
    monkeypatch.setattr(on_ray.oom, "kills", lambda: next(counts))
    link = on_ray._Link(SimpleNamespace(), tmp_path / "halt", here)  # type: ignore[arg-type]
    link.given("one", 0)
    (tmp_path / "error").write_text(f"Failure\n{DIED}")
    assert link.lost(SimpleNamespace(trial_id="one", error_file=tmp_path / "error")) == expected
    (tmp_path / "error").write_text(f"Failure\n{NODE}")
    trial = SimpleNamespace(trial_id="one", error_file=tmp_path / "error")
    assert link.lost(trial) == (Cause.LOST, "its node has died")
