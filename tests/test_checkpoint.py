"""Checkpoints on disk: the last and the one before, whole or not at all, for every kind of family.

A trial that goes on from either gives the numbers of one that was never interrupted.
"""

import errno
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from linear import linear

from fesearch.family import FAMILIES
from fesearch.record import Report, TrialSpec
from fesearch.search import checkpoint as module
from fesearch.search import worker
from fesearch.search.checkpoint import (
    BEFORE,
    CHECKPOINT,
    Checkpoint,
    read_checkpoints,
    write_checkpoint,
)
from fesearch.search.worker import Worker

DATA = linear(rows=80)
SMALL: dict[str, dict[str, Any]] = {
    "irnet": {"depth": 3, "width": 0.03125, "batch_size": 16},
    "xgboost": {},
    "random_forest": {"n_estimators": 50},
}


def spec_of(family: str, folder: Path) -> TrialSpec:
    """A trial of the family's best config, made small, with steps after which it can be halted."""
    declared = FAMILIES.get(family)
    config = {**declared.best, **SMALL[family]}
    unit = declared.resource.step
    steps = tuple(unit * step for step in range(1, 6))
    return TrialSpec(3, family, config, 11, steps, folder=folder / "000003")


def untimed(report: Report) -> Report:
    return replace(report, seconds=0.0)


def whole(spec: TrialSpec) -> list[Report]:
    """The reports of a trial that nothing interrupts and nothing is kept of."""
    alone = Worker(replace(spec, folder=None), DATA)
    return [untimed(alone.step()) for _ in spec.steps]


def halted(spec: TrialSpec, *steps: int) -> None:
    """Train a trial and leave a checkpoint after each of these steps; then its worker is gone."""
    worker = Worker(spec, DATA)
    for step in range(1, max(steps) + 1):
        worker.step()
        if step in steps:
            worker.save()


def whole_ones(spec: TrialSpec) -> Iterator[Checkpoint]:
    """The checkpoints that a trial can go on from."""
    return (found for found in read_checkpoints(spec) if found is not None)


def taken_up(spec: TrialSpec, complaints: list[str]) -> list[Report]:
    """The reports of a trial as it goes on, the one it repeats first."""
    worker = Worker(spec, DATA, complaints.append)
    reports = [untimed(worker.step())]
    while not reports[-1].last:
        reports.append(untimed(worker.step()))
    return reports


def nothing(file: Path) -> None:
    """Leave a file as it is."""


def cut(file: Path) -> None:
    """Half a file."""
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def flipped(file: Path) -> None:
    """A bit of the last number is another one; the form of the file is as it should be."""
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))


@pytest.mark.parametrize("family", SMALL)
@pytest.mark.parametrize("damage", [nothing, cut, flipped, Path.unlink])
def test_from_the_last_checkpoint_or_the_one_before_the_numbers_are_the_same(
    family: str, damage: Callable[[Path], None], tmp_path: Path
) -> None:
    spec = spec_of(family, tmp_path)
    halted(spec, 2, 3)
    assert spec.folder is not None
    damage(spec.folder / CHECKPOINT)
    good, said = (3 if damage is nothing else 2), list[str]()
    assert taken_up(spec, said) == whole(spec)[good - 1 :]
    went_on = f"{worker._DAMAGED}; it goes on after {spec.steps[1]}"
    assert said == ([went_on] if damage in (cut, flipped) else [])


@pytest.mark.parametrize("family", SMALL)
def test_with_both_damaged_a_trial_begins_anew_with_the_same_numbers(
    family: str, tmp_path: Path
) -> None:
    spec = spec_of(family, tmp_path)
    halted(spec, 1, 3)
    assert spec.folder is not None
    flipped(spec.folder / CHECKPOINT)
    cut(spec.folder / BEFORE)
    said: list[str] = []
    assert taken_up(spec, said) == whole(spec)
    assert said == [f"{worker._DAMAGED}, so it trains from the start"]


def test_no_more_than_two_are_kept(tmp_path: Path) -> None:
    spec = spec_of("xgboost", tmp_path)
    halted(spec, 1, 2, 3, 4)
    assert spec.folder is not None
    assert {path.name for path in spec.folder.glob("*safetensors")} == {CHECKPOINT, BEFORE}
    assert [saved.report.resource for saved in whole_ones(spec)] == list(reversed(spec.steps[2:4]))


@pytest.mark.parametrize("moment", ["write", "move"])
def test_one_that_cannot_be_written_costs_none_that_is_there(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of("xgboost", tmp_path)
    halted(spec, 1, 2)
    kept = [saved.report for saved in whole_ones(spec)]
    further = next(whole_ones(spec))

    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes" if moment == "write" else "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(spec, further)
    monkeypatch.undo()
    assert [saved.report for saved in whole_ones(spec)] == kept
    assert spec.folder is not None
    assert not list(spec.folder.glob(".*")), "what was half written is gone"


def test_killed_between_the_two_moves_the_one_before_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of("xgboost", tmp_path)
    halted(spec, 1, 2)
    further = next(whole_ones(spec))

    class Killed(BaseException):
        pass

    def killed(path: Path) -> None:
        raise Killed

    monkeypatch.setattr("fesearch.paths._to_disk", killed)
    with pytest.raises(Killed):
        write_checkpoint(spec, further)
    assert [saved.report for saved in whole_ones(spec)] == [further.report]


def test_numbers_of_every_shape_come_back(tmp_path: Path) -> None:
    spec = spec_of("xgboost", tmp_path)
    arrays = {
        "scalar": np.array(2.5),
        "empty": np.zeros((0, 3), np.float32),
        "flags": np.array([True, False]),
        "transposed": np.arange(6.0).reshape(2, 3).T,
    }
    report = Report(0, 1, float("nan"), None, None, 0.5, 7)
    write_checkpoint(spec, module.Checkpoint(arrays, report))
    (found,) = whole_ones(spec)
    assert found.arrays.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found.arrays[name].shape == array.shape
        assert np.array_equal(found.arrays[name], array)
    assert str(found.report) == str(report)
