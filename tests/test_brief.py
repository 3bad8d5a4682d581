"""A search whose runner is "auto": over here before Ray has started, or gone on with by Ray."""

import math
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import searched
from driven import story
from small import Watch, small

from fesearch.errors import InputError
from fesearch.family import FAMILIES
from fesearch.record import Decision, TrialSpec
from fesearch.search import brief, driver, inline, room, start
from fesearch.search.brief import Brief
from fesearch.search.extend import extend
from fesearch.search.settings import Settings
from fesearch.search.worker import Worker
from fesearch.split import Development


@pytest.fixture
def url(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FESEARCH_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.setenv("FESEARCH_CACHE_DIR", str(tmp_path / "cache"))
    searched.save_data()
    return sqlite_url


def settings(family: str = "irnet", **keys: Any) -> Settings:
    """Of a search of ten trials, nine epochs each, compared after one and three."""
    declared = FAMILIES.get(family)
    given: dict[str, Any] = {"trials": 10, "maximum": 9, "rungs": (1, 3)}
    return Settings(
        name="one",
        family=declared,
        space=declared.published,
        metric=small().declared_metric(),
        unit="eV/atom",
        seed=0,
        **{**given, **keys},
    )


SPEC = TrialSpec(number=0, family="irnet", config={}, seed=0, steps=tuple(range(1, 10)))
MEAN = 1 + 2 / 3 + 6 / 9
"""Epochs of a trial that one in three leaves a rung."""


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def begun(clock: Clock, to_begin: int = 9, **keys: Any) -> tuple[Brief, Any]:
    """A search whose first trial begins, and its core."""
    core: Any = SimpleNamespace(settings=settings(**keys), to_begin=to_begin)
    found = Brief(core, 30.0, clock)
    found.begins(SPEC)
    return found, core


def test_what_is_left_follows_from_the_steps_taken() -> None:
    clock = Clock()
    found, core = begun(clock)
    assert found.left == 0.0
    clock.now += 2.0
    found.stepped(Decision.CONTINUE)
    assert found.left == pytest.approx(2.0 * (8 + 9 * MEAN))
    clock.now += 1.0
    found.stepped(Decision.STOP)
    assert found.left == pytest.approx(1.5 * 9 * MEAN)
    core.to_begin = 0
    assert found.left == 0.0


def test_a_step_in_progress_takes_as_long_as_it_has_at_least() -> None:
    clock = Clock()
    found, _ = begun(clock)
    clock.now += 0.1
    assert not found.over
    clock.now += 3.0
    assert found.left == pytest.approx(3.1 * (9 + 9 * MEAN))
    assert found.over


def test_one_slow_step_among_many_is_one_step() -> None:
    clock = Clock()
    found, _ = begun(clock)
    for _ in range(8):
        clock.now += 0.1
        found.stepped(Decision.CONTINUE)
    clock.now += 1.0
    assert found.left == pytest.approx(1.8 / 9 * (1 + 9 * MEAN))


def test_the_median_pruner_lets_more_epochs_be() -> None:
    clock = Clock()
    found, _ = begun(clock, pruner="median", rungs=(1, 2, 3, 4), reduction_factor=3)
    clock.now += 1.0
    assert found.left == pytest.approx(9 + 9 * (1 + 8 / 2))


def test_the_time_of_trials_that_fail_counts() -> None:
    clock = Clock()
    core: Any = SimpleNamespace(settings=settings(), to_begin=9)
    found = Brief(core, 30.0, clock)
    clock.now += 20.0
    found.stepped(Decision.STOP)
    assert found.over


def test_a_search_that_is_extended_is_brief_no_more() -> None:
    clock = Clock()
    found, core = begun(clock)
    assert not found.over
    core.settings = replace(core.settings, trials=20)
    assert found.over


def test_a_search_that_is_for_no_one_else_is_never_over() -> None:
    clock = Clock()
    core: Any = SimpleNamespace(settings=settings(), to_begin=9)
    found = Brief(core, math.inf, clock)
    found.begins(SPEC)
    clock.now += 1e6
    core.settings = replace(core.settings, trials=20)
    assert not found.over


def test_without_a_pruner_each_trial_comes_to_its_end() -> None:
    clock = Clock()
    found, _ = begun(clock, rungs=())
    clock.now += 1.0
    assert found.left == pytest.approx(9 + 9 * 9)


def test_a_search_lasts_no_longer_than_its_time_limit() -> None:
    clock = Clock()
    found, _ = begun(clock, deadline=clock.now + 5.0)
    clock.now += 4.0
    assert found.left == pytest.approx(1.0)


def test_a_trial_that_goes_on_has_less_to_do() -> None:
    clock = Clock()
    core: Any = SimpleNamespace(settings=settings(), to_begin=0)
    found = Brief(core, 30.0, clock)
    found.begins(TrialSpec(**{**vars(SPEC), "reached": 7}))
    clock.now += 1.0
    assert found.left == pytest.approx(2.0)


def test_more_workers_are_sooner_worth_their_start() -> None:
    assert brief.short(1) == brief.short(2) == 2 * brief.TO_START
    assert brief.TO_START < brief.short(16) < brief.short(3) < brief.short(2)


def rows(count: int, width: int = 145) -> Development:
    x, y = np.broadcast_to(np.float32(0), (count, width)), np.broadcast_to(0.0, (count,))
    return Development(x, y, x[:100], y[:100])


@pytest.mark.parametrize(
    ("family", "count", "keys", "may"),
    [
        ("irnet", 9000, {}, True),
        ("irnet", 9000, {"device": "cuda"}, False),
        ("irnet", 9_000_000, {}, False),
        ("irnet", 9_000_000, {"deadline": 0.0}, True),
        ("ridge", 9000, {}, True),
        ("random_forest", 9000, {"maximum": 90, "rungs": (10, 30)}, True),
        ("random_forest", 90_000, {"deadline": 0.0}, False),
        ("k_neighbors", 9000, {}, True),
        ("krr", 9000, {}, False),
        ("krr", 9000, {"deadline": 0.0}, False),
        ("krr", 900, {}, True),
    ],
)
def test_what_may_be_brief(family: str, count: int, keys: dict[str, Any], may: bool) -> None:
    """Not what computes on GPUs, nor steps that cannot be left and may take long."""
    assert brief.may_be(settings(family, **keys), rows(count), 10, 30.0) is may


def test_what_is_the_users_own_is_for_workers() -> None:
    """It may end the process it is in, or never end."""
    shipped = settings()
    family = replace(shipped.family, name="irnet@mine.0123abcd")
    metric = replace(shipped.metric, name="worst@mine.0123abcd")
    for own in (replace(shipped, family=family), replace(shipped, metric=metric)):
        assert not brief.may_be(own, rows(9000), 10, 30.0)


def no_ray(*given: Any, **keys: Any) -> None:
    pytest.fail("Ray is started")


def test_a_short_search_is_over_without_ray(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from fesearch import raysession

    start.start(small("inline"), url)
    monkeypatch.setattr(raysession, "session", no_ray)
    outcome = start.start(small("auto", runner="auto", cpus=1), url)
    assert len(outcome.results) == 6
    assert story(url, "auto") == story(url, "inline")
    extend("auto", url, trials="+2")
    assert len(start.resume("auto", url).results) == 8


def test_a_step_ends_soon_after_the_time_limit(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    limit, look = 8, Worker._look

    def slowly(self: Worker) -> None:
        time.sleep(limit)  # so that it is over within the first step, however late that begins
        look(self)

    monkeypatch.setattr(Worker, "_look", slowly)
    monkeypatch.setattr(inline, "LATE_GRACE", 0.0)
    outcome = start.start(small(time_limit=f"{limit}s"), url)
    assert outcome.stopped == "the time limit is reached"
    (log,) = Path(os.environ["FESEARCH_ARTIFACTS"]).rglob("trial.log")
    assert "halted within a step" in log.read_text()


@pytest.mark.slow
def test_a_longer_one_goes_on_with_ray_and_the_same_numbers(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brief, "short", lambda workers: 0.05)
    start.start(small("inline"), url)
    watch = Watch()
    start.start(small("auto", runner="auto", cpus=1), url, watchers=[watch])
    assert watch.notes == ["It goes on with Ray, whose start takes less time than what is left."]
    assert watch.begun[:2] == [(0, False), (0, True)]
    assert story(url, "auto") == story(url, "inline")


def begins_here(**keys: Any) -> bool:
    """What a driver decides of a search without these peculiarities."""
    core: Any = SimpleNamespace(settings=settings(), to_begin=10, running=keys.get("running", ()))
    store: Any = SimpleNamespace(queued=lambda study, continuing: keys.get("queued", []))
    study = small(runner="auto", address=keys.get("address"))
    prepared: Any = SimpleNamespace(study=study, development=rows(9000))
    return driver._begins_here(store, core, SimpleNamespace(study=None), prepared)  # type: ignore[arg-type]


def test_what_a_driver_may_have_died_of_is_for_workers() -> None:
    assert begins_here()
    assert not begins_here(running=(3,))


def test_trials_that_go_on_from_their_ends_are_for_workers() -> None:
    """How much they have left is not known."""
    assert not begins_here(queued=["one"])


def test_a_cluster_and_a_ray_that_runs_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not begins_here(address="h:1")
    monkeypatch.setattr(room, "ray_runs", lambda: True)
    assert not begins_here()


def test_a_study_of_another_runner_goes_on_with_it(url: str) -> None:
    start.start(small(trials=1), url)
    again = start.start(small(trials=1, runner="auto"), url, or_resume=True)
    assert again.row.definition["study"]["runner"] == "inline"
    with pytest.raises(InputError, match="started with runner = inline, not ray"):
        start.start(small(trials=1, runner="ray"), url, or_resume=True)


def test_torch_has_its_threads_again(url: str) -> None:
    """Of a process that has not loaded it before."""
    code = (
        "from small import small\n"
        "from fesearch.search import start\n"
        f"start.start(small('auto', runner='auto', cpus=1), {url!r})\n"
        "import torch\n"
        "print('threads', torch.get_num_threads())\n"
    )
    alone = "import torch\nprint('threads', torch.get_num_threads())\n"
    after, before = (
        subprocess.run(
            [sys.executable, "-c", text],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        ).stdout.splitlines()[-1]
        for text in (code, alone)
    )
    assert after == before
