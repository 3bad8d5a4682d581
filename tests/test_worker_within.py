"""One trial on one worker: checkpoints within a step, and how it goes on from there."""

import errno
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from test_worker import DATA, NET, log, spec, untimed

from fesearch.family import FAMILIES
from fesearch.nets.optimizer import Optimizer
from fesearch.record import Report, TrialSpec
from fesearch.search import worker
from fesearch.search.checkpoint import CHECKPOINT, Checkpoint, read_checkpoints, write_checkpoint
from fesearch.search.worker import Halted, Worker
from fesearch.split import Development

__all__ = ["spec"]  # a fixture
FOLDED = replace(DATA, folds=np.arange(len(DATA.train_y), dtype=np.int64) % 3)


class Killed(BaseException):
    """As a process is: nothing is done any more."""


@pytest.fixture
def dropping(spec: TrialSpec) -> TrialSpec:
    """Three epochs without a rung, of three batches each, with dropout."""
    return replace(spec, rungs=(), steps=(1, 2, 3), config={**NET, "dropout": 0.2})


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The learning rate of each batch that is trained."""
    step, rates = Optimizer.step, list[float]()

    def noted(self: Optimizer, rate: float) -> None:
        rates.append(rate)
        step(self, rate)

    monkeypatch.setattr(Optimizer, "step", noted)
    return rates


def killed(
    spec: TrialSpec, writes: int, monkeypatch: pytest.MonkeyPatch, data: Development = DATA
) -> list[Report]:
    """What a trial reports that leaves a checkpoint at each pause and dies after so many."""
    left, reports = count(1), list[Report]()

    def write(spec: TrialSpec, checkpoint: Checkpoint) -> None:
        write_checkpoint(spec, checkpoint)
        if next(left) == writes:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(worker, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
        patch.setattr(worker, "write_checkpoint", write)
        dying = Worker(spec, data)
        with pytest.raises(Killed):
            reports.extend(iter(dying.step, None))
    return reports


def rest(spec: TrialSpec, data: Development = DATA, **keys: Any) -> list[Report]:
    """All that a worker reports to the end."""
    going, reports = Worker(spec, data, **keys), list[Report]()
    while not reports or not reports[-1].last:
        reports.append(untimed(going.step()))
    return reports


@pytest.mark.parametrize("writes", [1, 2, 3, 5, 7])
def test_killed_within_an_epoch_it_goes_on_there_with_the_same_reports(
    writes: int, dropping: TrialSpec, monkeypatch: pytest.MonkeyPatch, trained: list[float]
) -> None:
    expected = rest(replace(dropping, folder=None))
    trained.clear()
    epochs, batches = divmod(writes, 4)  # a checkpoint after each batch and one after each epoch
    assert len(killed(dropping, writes, monkeypatch)) == epochs
    assert len(trained) == 3 * epochs + batches
    assert rest(dropping) == expected[max(0, epochs - 1) :]
    assert len(trained) == 9  # none of them twice
    after = epochs or "a part of its first step"
    assert f" goes on after {after}: " in log(dropping)


@pytest.mark.parametrize("writes", [1, 3, 5, 6, 8, 12, 14])
def test_killed_within_a_step_of_inner_folds_it_goes_on_there(
    writes: int, dropping: TrialSpec, monkeypatch: pytest.MonkeyPatch, trained: list[float]
) -> None:
    expected = rest(replace(dropping, folder=None), FOLDED)
    trained.clear()
    reports = killed(dropping, writes, monkeypatch, FOLDED)
    assert len(reports) == writes // 9  # two batches a fold, between them pauses, and the end
    assert rest(dropping, FOLDED) == expected[max(0, len(reports) - 1) :]
    assert len(trained) == 18


def test_between_folds_any_family_goes_on(spec: TrialSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    forest = FAMILIES.get("random_forest")
    config = {**forest.best, "n_estimators": 20}
    wanted = replace(spec, family="random_forest", config=config, steps=forest.steps(config)[:2])
    wanted = replace(wanted, rungs=())
    expected = rest(replace(wanted, folder=None), FOLDED)
    assert killed(wanted, 2, monkeypatch, FOLDED) == []
    learners: list[int] = []
    build = forest.build

    def noted(*given: Any, **keys: Any) -> Any:
        learner = build(*given, **keys)
        advance = learner.advance
        number = len(learners)
        learners.append(0)

        def counted() -> Any:
            learners[number] += 1
            return advance()

        learner.advance = counted
        return learner

    monkeypatch.setattr(FAMILIES, "get", lambda name: replace(forest, build=noted))
    assert rest(wanted, FOLDED) == expected
    assert learners == [1, 1, 2]


def test_a_checkpoint_is_written_within_a_step_once_a_minute(
    dropping: TrialSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, written = [0.0], list[float]()
    clock = SimpleNamespace(monotonic=lambda: now[0], strftime=lambda _: "now")
    step = Optimizer.step

    def slow(self: Optimizer, rate: float) -> None:
        step(self, rate)
        now[0] += 25.0

    monkeypatch.setattr(Optimizer, "step", slow)
    monkeypatch.setattr(worker, "time", clock)
    monkeypatch.setattr(worker, "write_checkpoint", lambda *_: written.append(now[0]))
    rest(dropping)
    assert written == [75.0, 150.0, 225.0]


def test_seconds_of_a_part_of_a_step_are_counted(
    dropping: TrialSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = killed(dropping, 6, monkeypatch)
    (saved, _) = read_checkpoints(dropping)
    assert saved is not None
    assert saved.report == first
    so_far = float(saved.arrays["trial.seconds"])
    assert so_far > first.seconds
    again = Worker(dropping, DATA)
    assert again.step() == first
    assert again.step().seconds > so_far


def test_a_worker_that_goes_on_within_a_step_writes_no_older_checkpoint(
    dropping: TrialSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    for writes in (2, 6):  # before a report was made, and after one
        killed(dropping, writes, monkeypatch)
        assert dropping.folder is not None
        content = (dropping.folder / CHECKPOINT).read_bytes()
        going = Worker(dropping, DATA)
        going.save()
        if writes == 6:
            going.step()
            going.save()
        assert (dropping.folder / CHECKPOINT).read_bytes() == content
        going.step()
        going.save()
        assert (dropping.folder / CHECKPOINT).read_bytes() != content
        for file in dropping.folder.iterdir():
            file.unlink()


def test_a_full_disk_within_a_step_costs_a_complaint_and_no_trial(
    dropping: TrialSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    expected, said = rest(replace(dropping, folder=None)), list[str]()
    monkeypatch.setattr(worker, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    monkeypatch.setattr(worker, "write_checkpoint", full)
    assert rest(dropping, complain=said.append) == expected
    assert said == ["its checkpoint cannot be written: No space left on device"]


def test_a_checkpoint_that_says_nonsense_is_not_gone_on_from(
    dropping: TrialSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(dropping, 2, monkeypatch)
    saved, _ = read_checkpoints(dropping)
    assert saved is not None
    forged = {**saved.arrays, "learner.batch": np.array(99)}
    write_checkpoint(dropping, Checkpoint(forged, None))
    write_checkpoint(dropping, Checkpoint(forged, None))
    said: list[str] = []
    assert rest(dropping, complain=said.append) == rest(replace(dropping, folder=None))
    assert said == [f"{worker._DAMAGED}, so it trains from the start"]
    assert dropping.folder is not None
    write_checkpoint(dropping, Checkpoint(saved.arrays, None))
    write_checkpoint(dropping, Checkpoint(forged, None))
    assert rest(dropping, complain=said.append) == rest(replace(dropping, folder=None))
    assert said[1:] == [f"{worker._DAMAGED}; it goes on after a part of its first step"]


def test_a_child_killed_within_its_first_step_goes_on_there(
    dropping: TrialSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest(dropping)
    child = replace(
        dropping, number=1, parent=0, reached=0, folder=tmp_path / "000001", steps=(1, 2, 3, 4, 5)
    )
    expected = rest(replace(child, folder=None, parent=None))
    killed(child, 2, monkeypatch)
    assert rest(child) == expected[3:]
    assert " goes on after a part of its first step as trial 0: " in log(child)


def test_a_training_that_is_to_end_does_so_at_its_next_pause(
    dropping: TrialSpec, trained: list[float]
) -> None:
    expected = rest(replace(dropping, folder=None))
    trained.clear()
    halting = Worker(dropping, DATA, halting=lambda: len(trained) == 5)
    reports = [untimed(halting.step())]
    with pytest.raises(Halted):
        halting.step()
    assert len(trained) == 5
    assert log(dropping).endswith(" halted within a step\n")
    assert [*reports, *rest(dropping)[1:]] == expected
    assert len(trained) == 9


def test_one_that_does_not_pause_ends_its_step_first(spec: TrialSpec) -> None:
    ridge = FAMILIES.get("ridge")
    whole = replace(spec, family="ridge", config=ridge.best, steps=(1,), rungs=())
    assert Worker(whole, DATA, halting=lambda: True).step().last
