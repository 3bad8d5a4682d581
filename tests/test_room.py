"""Room for a study: refused before it starts where it cannot suffice, with what to type."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from small import small

from fesearch.errors import InputError
from fesearch.hardware import Memory
from fesearch.search import room


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Leaves so many bytes of memory and disk free."""

    def left(memory: float, disk: float = 1e12) -> None:
        monkeypatch.setattr(room.hardware, "memory", lambda: Memory(int(1e12), int(memory)))
        monkeypatch.setattr(room, "room", lambda folder: int(disk))

    return left


def refused(parallel: int, **keys: Any) -> tuple[str, str]:
    with pytest.raises(InputError) as caught:
        room.check(small(**{"runner": "ray", **keys}), 1e9, parallel)
    return caught.value.message, caught.value.hint


def test_enough_is_enough(free: Any) -> None:
    free(room.RAY_ALONE + 1e9 + 4 * room.LEAST_WITH_TORCH)
    room.check(small(runner="ray"), 1e9, 4)
    free(0)
    room.check(small(), 1e9, 1)  # in this process


def test_too_many_trials_side_by_side(free: Any) -> None:
    free(room.RAY_ALONE + 1e9 + 4 * room.LEAST_WITH_TORCH)
    assert refused(64, cpus_per_trial=2) == (
        "64 trials side by side take 16.0 GB of memory at least, and 1.0 GB are free for them.",
        "Add --cpus 8, or --cpus-per-trial for fewer.",
    )


def test_workers_without_torch_take_less(free: Any) -> None:
    free(room.RAY_ALONE + 1e9 + 4 * room.LEAST_OF_A_WORKER)
    ridge = small(runner="ray", family="ridge", space={}, max_epochs=None)
    room.check(ridge, 1e9, 4)
    assert refused(4)[1].startswith("Add --cpus 2,")


def test_data_that_leave_no_memory(free: Any) -> None:
    free(1e9)
    assert refused(1) == (
        "Ray and 1.0 GB of data take 1.3 GB of memory, and 1.0 GB are free.",
        "End other programs, or run trials here one by one: --set runner=inline",
    )


def test_a_ray_that_runs_already_has_its_memory(free: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    free(1e9 + room.LEAST_WITH_TORCH)
    assert refused(1)[0].startswith("Ray and 1.0 GB of data take 1.3 GB of memory")
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(is_initialized=lambda: True))
    room.check(small(runner="ray"), 1e9, 1)


def test_a_disk_that_has_no_room(free: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    free(1e12, 1e6)
    monkeypatch.setenv("FESEARCH_ARTIFACTS", "/big")
    assert refused(1, trials=1000, preset="full", space={}) == (
        "1000 trials take 20 MB of disk at least, and 1 MB are free at '/big'.",
        "Make room, or set FESEARCH_ARTIFACTS to another disk.",
    )
    room.check(small(trials=1000, preset="full", space={}), 1e9, 1, ended=950)


def test_room_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert room.room(tmp_path / "a" / "b") > 0
