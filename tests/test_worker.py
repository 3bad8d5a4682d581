"""One trial on one worker: what it leaves on disk, and how it goes on from there."""

import errno
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from linear import linear

from fesearch.model import FittedModel
from fesearch.nets.threads import restored
from fesearch.nets.train import NetLearner
from fesearch.record import Report, TrialSpec
from fesearch.search import worker
from fesearch.search.checkpoint import CHECKPOINT, END, read_checkpoints
from fesearch.search.faults import Cause, TrialError
from fesearch.search.worker import LOG, MODEL, Worker

DATA = linear(rows=60)
NET = {
    "depth": 3,
    "width": 0.03125,
    "activation": "relu",
    "output_activation": None,
    "norm": "before",
    "loss": "mae",
    "optimizer": "adam",
    "learning_rate": 0.01,
    "batch_size": 16,
}


@pytest.fixture
def spec(tmp_path: Path) -> TrialSpec:
    """Six epochs, of which the second is a rung."""
    return TrialSpec(
        number=0,
        family="irnet",
        config=NET,
        seed=1,
        steps=(1, 2, 3, 4, 5, 6),
        rungs=(2,),
        folder=tmp_path / "000000",
    )


def untimed(report: Report) -> Report:
    return replace(report, seconds=0.0, latency=None)


def whole(spec: TrialSpec) -> list[Report]:
    """The reports of a trial that nothing interrupts and nothing is kept of."""
    alone = Worker(replace(spec, folder=None), DATA)
    return [untimed(alone.step()) for _ in spec.steps]


def log(spec: TrialSpec) -> str:
    assert spec.folder is not None
    return (spec.folder / LOG).read_text()


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_a_saved_trial_goes_on_with_its_last_report_first(spec: TrialSpec, steps: int) -> None:
    first = Worker(spec, DATA)
    reports = [untimed(first.step()) for _ in range(steps)]
    first.save()
    second = Worker(spec, DATA)
    reports += [untimed(second.step()) for _ in range(7 - steps)]
    expected = whole(spec)
    assert reports == [*expected[:steps], expected[steps - 1], *expected[steps:]]
    assert f"goes on after {steps}: " in log(spec)


def test_a_trial_killed_after_a_rung_reports_at_that_rung_again(spec: TrialSpec) -> None:
    killed = Worker(spec, DATA)
    for _ in range(4):  # the checkpoint is of the second
        killed.step()
    again = Worker(spec, DATA)
    assert [untimed(again.step()) for _ in range(5)] == whole(spec)[1:]


def test_up_to_its_last_report_on_record_a_trial_ends_neither_for_time_nor_for_patience(
    spec: TrialSpec,
) -> None:
    for limits in ({"time_limit": 1e-9}, {"patience": 1}):
        hurried = Worker(replace(spec, **limits, reached=4, folder=None), DATA)
        reports = [hurried.step()]
        while not reports[-1].last:
            reports.append(hurried.step())
        assert len(reports) >= 4
        if "time_limit" in limits:
            assert len(reports) == 4


def test_a_checkpoint_beyond_what_is_on_record_is_not_gone_on_from(spec: TrialSpec) -> None:
    """Where a backup of the database was restored; reports would be missing for ever."""
    first = Worker(spec, DATA)
    reports = [untimed(first.step()) for _ in range(5)]
    first.save()
    assert untimed(Worker(replace(spec, reached=4), DATA).step()) == reports[4]
    said: list[str] = []
    behind = Worker(replace(spec, reached=3), DATA, said.append)
    assert untimed(behind.step()) == reports[1]  # that of the rung, kept as the one before
    assert said == [
        "its last checkpoint is damaged, of another version or beyond what is on record; "
        "it goes on after 2"
    ]
    new = Worker(replace(spec, reached=0), DATA, said.append)
    assert untimed(new.step()) == reports[0]
    assert said[-1].endswith("so it trains from the start")


def test_a_checkpoint_of_a_child_is_measured_from_its_parents_end(
    spec: TrialSpec, tmp_path: Path
) -> None:
    parent = replace(spec, steps=(1, 2, 3))
    ended = Worker(parent, DATA)
    for _ in parent.steps:
        ended.step()
    child = replace(
        spec, number=1, parent=0, folder=tmp_path / "000001", rungs=(), steps=tuple(range(1, 9))
    )
    trained = Worker(child, DATA)
    reports = [untimed(trained.step()) for _ in range(3)]
    assert [report.resource for report in reports] == [4, 5, 6]
    trained.save()
    assert untimed(Worker(replace(child, reached=5), DATA).step()) == reports[2]
    assert untimed(Worker(replace(child, reached=0), DATA).step()) == reports[0]


def test_seconds_go_on_too(spec: TrialSpec) -> None:
    first = Worker(spec, DATA)
    spent = [first.step().seconds for _ in range(2)][-1]
    second = Worker(spec, DATA)
    assert second.step().seconds == spent
    assert second.step().seconds > spent


def test_a_trial_that_is_over_leaves_its_model_and_its_end_but_no_checkpoint(
    spec: TrialSpec,
) -> None:
    short = replace(spec, rungs=())
    trained = Worker(short, DATA)
    reports = [trained.step() for _ in spec.steps]
    trained.save()
    assert short.folder is not None
    assert {path.name for path in short.folder.iterdir()} == {MODEL, LOG, END}
    model = FittedModel.load(short.folder / MODEL)
    error = np.abs(model.predict(DATA.val_x) - DATA.val_y).mean()
    assert error == pytest.approx(reports[-1].best, rel=1e-6)


def test_the_model_on_disk_at_a_rung_is_the_best_so_far(spec: TrialSpec) -> None:
    trained = Worker(spec, DATA)
    assert spec.folder is not None
    trained.step()
    assert not (spec.folder / MODEL).exists()
    best = trained.step().best
    model = FittedModel.load(spec.folder / MODEL)
    assert np.abs(model.predict(DATA.val_x) - DATA.val_y).mean() == pytest.approx(best, rel=1e-6)


def test_a_checkpoint_is_due_after_a_while(
    spec: TrialSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert spec.folder is not None
    trained = Worker(spec, DATA)
    trained.step()
    assert not (spec.folder / CHECKPOINT).exists()
    monkeypatch.setattr(worker, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    for _ in range(4):
        trained.step()
    assert untimed(Worker(spec, DATA).step()) == whole(spec)[4]


def test_saving_twice_writes_once(spec: TrialSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = Worker(spec, DATA)
    trained.save()
    assert spec.folder is not None
    assert not (spec.folder / CHECKPOINT).exists()
    trained.step()
    trained.save()
    monkeypatch.setattr(worker, "write_checkpoint", None)
    trained.save()


@pytest.mark.parametrize("content", [b"", b"rubbish", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_damaged_checkpoint_is_none(spec: TrialSpec, content: bytes) -> None:
    assert spec.folder is not None
    spec.folder.mkdir()
    (spec.folder / CHECKPOINT).write_bytes(content)
    assert untimed(Worker(spec, DATA).step()) == whole(spec)[0]
    assert " begins: " in log(spec)


def test_the_checkpoint_of_another_trial_is_none(spec: TrialSpec) -> None:
    trained = Worker(spec, DATA)
    trained.step()
    trained.save()
    for other in (replace(spec, seed=2), replace(spec, config={**NET, "learning_rate": 0.1})):
        assert list(read_checkpoints(other)) == [None]
    assert len(list(read_checkpoints(spec))) == 1


def test_without_a_folder_nothing_is_written(
    spec: TrialSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    trained = Worker(replace(spec, folder=None), DATA)
    for _ in spec.steps[:3]:
        trained.step()
    trained.save()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("method", "line"), [("__init__", "ValueError: too deep"), ("advance", "ValueError: too deep")]
)
def test_an_exception_is_a_trial_error_with_its_traceback_in_the_log(
    spec: TrialSpec, method: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise ValueError("too deep\nfor two lines")

    monkeypatch.setattr(NetLearner, method, fail)
    with pytest.raises(TrialError) as caught:
        Worker(spec, DATA).step()
    assert caught.value.message == line
    assert caught.value.hint == f"see {spec.folder}/{LOG}"
    assert "Traceback (most recent call last):" in log(spec)
    assert 'raise ValueError("too deep' in log(spec)


@pytest.mark.parametrize("method", ["__init__", "advance", "model", "checkpoint"])
def test_a_family_that_exits_fails_its_trial_alone(
    spec: TrialSpec, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NetLearner, method, lambda *_, **__: sys.exit("no such config"))
    with pytest.raises(TrialError) as caught:
        Worker(replace(spec, rungs=(1,)), DATA).step()
    assert caught.value.message == "SystemExit: no such config"


@pytest.mark.parametrize("method", ["__init__", "advance"])
def test_ray_may_end_its_worker(
    spec: TrialSpec, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray._raylet import raise_sys_exit_with_custom_error_message as at_sigterm

    monkeypatch.setattr(NetLearner, method, lambda *_, **__: at_sigterm("SIGTERM", exit_code=1))
    with pytest.raises(SystemExit):
        Worker(spec, DATA).step()


def test_the_log_has_the_config_and_a_line_a_report(spec: TrialSpec) -> None:
    trained = Worker(spec, DATA)
    reports = [trained.step() for _ in range(2)]
    first, *lines = log(spec).splitlines()
    described = json.loads(first.partition(" begins: ")[2])
    assert described == {"family": "irnet", "config": NET, "seed": 1}
    for line, report in zip(lines, reports, strict=True):
        assert f" {report.resource}: mae {report.raw:.6g}, best {report.best:.6g}, " in line


def full(*arguments: object, **options: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_log_that_cannot_be_written_costs_a_complaint_and_no_trial(
    spec: TrialSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "open", full)
    said: list[str] = []
    trained = Worker(replace(spec, rungs=()), DATA, said.append)
    assert [untimed(trained.step()) for _ in range(3)] == whole(spec)[:3]
    assert said == ["its log cannot be written: No space left on device"]


def test_a_checkpoint_that_cannot_be_written_costs_a_complaint_and_no_trial(
    spec: TrialSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    trained = Worker(spec, DATA, said.append)
    for _ in range(2):
        trained.step()
    monkeypatch.setattr(worker, "write_checkpoint", full)
    trained.step()
    trained.save()
    trained.save()
    assert said == ["its checkpoint cannot be written: No space left on device"]
    monkeypatch.undo()
    assert untimed(Worker(spec, DATA).step()) == whole(spec)[1]


def test_weights_that_cannot_be_written_end_the_training_and_leave_its_checkpoint(
    spec: TrialSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Worker(spec, DATA)
    first.step()
    first.save()
    monkeypatch.setattr(FittedModel, "save", full)
    with pytest.raises(TrialError) as caught:
        first.step()
    assert caught.value.cause is Cause.DISK
    assert caught.value.message == "its weights cannot be written: No space left on device"
    assert caught.value.hint == f"Make room in {spec.folder}."
    monkeypatch.undo()
    again = Worker(spec, DATA)
    assert [untimed(again.step()) for _ in range(6)] == whole(spec)


def test_too_little_memory_has_its_own_cause(
    spec: TrialSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = Worker(spec, DATA)

    def fail(learner: object) -> None:
        raise MemoryError

    monkeypatch.setattr(NetLearner, "advance", fail)
    with pytest.raises(TrialError) as caught:
        trained.step()
    assert caught.value.cause is Cause.MEMORY


def test_over_its_time_limit_a_trial_makes_a_last_report_and_keeps_its_weights(
    spec: TrialSpec,
) -> None:
    trained = Worker(replace(spec, rungs=(), time_limit=1e-9), DATA)
    report = trained.step()
    assert (report.resource, report.last) == (1, True)
    assert spec.folder is not None
    FittedModel.load(spec.folder / MODEL)
    assert not (spec.folder / CHECKPOINT).exists()


def test_latency_is_measured_at_rungs_and_at_the_end_where_it_is_asked_for(spec: TrialSpec) -> None:
    trained = Worker(replace(spec, timed=True), DATA)
    found = {one.resource: one.latency for one in (trained.step() for _ in spec.steps)}
    measured = {resource: latency for resource, latency in found.items() if latency is not None}
    assert list(measured) == [2, 6]
    assert all(0.0 < latency < 1.0 for latency in measured.values())
    plain = Worker(replace(spec, folder=None), DATA)
    assert {plain.step().latency for _ in spec.steps} == {None}


def test_a_report_that_is_made_again_has_the_latency_it_had(spec: TrialSpec) -> None:
    timed = replace(spec, timed=True)
    first = Worker(timed, DATA)
    reports = [first.step() for _ in range(2)]
    assert Worker(timed, DATA).step() == reports[1]


def test_to_measure_latency_changes_no_other_number(spec: TrialSpec) -> None:
    """Nor the threads that training goes on with, though predictions are made with one."""
    wide = replace(spec, threads=2, config={**NET, "dropout": 0.1}, rungs=(1, 2, 3))
    with restored():
        expected = whole(wide)
        trained = Worker(replace(wide, timed=True), DATA)
        found = []
        for _ in spec.steps:
            found.append(untimed(trained.step()))
            assert torch.get_num_threads() == 2
    assert found == expected


def test_over_inner_folds_latency_is_that_of_predicting_training_rows(
    spec: TrialSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[int] = []

    def note(model: FittedModel, x: np.ndarray) -> float:
        rows.append(len(x))
        return 1e-6

    monkeypatch.setattr(FittedModel, "latency", note)
    folds = np.arange(len(DATA.train_y), dtype=np.int64) % 3
    trained = Worker(replace(spec, timed=True, rungs=()), replace(DATA, folds=folds))
    assert [trained.step().latency for _ in spec.steps] == [None] * 5 + [1e-6]
    assert rows == [len(DATA.train_y)]


def test_a_trial_without_a_model_has_no_latency(
    spec: TrialSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NetLearner, "advance", lambda _: np.full(len(DATA.val_y), np.nan))
    report = Worker(replace(spec, timed=True), DATA).step()
    assert (report.diverged is not None, report.latency) == (True, None)
