"""Room for a study: refused before it starts where it cannot suffice, with what to type."""

import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from small import small
from test_brief import settings

from fesearch.errors import InputError
from fesearch.family import FAMILIES
from fesearch.hardware import Memory
from fesearch.search import on_ray, room, shared
from fesearch.search.on_ray import Resources
from fesearch.split import Development


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


def test_a_node_without_memory_for_what_ray_puts_there() -> None:
    x, y = np.zeros((1000, 50), dtype=np.float32), np.zeros(1000)
    data = Development(x, y, x[:9], y[:9])
    least = room.bytes_of(data) + 4 * room.LEAST_WITH_TORCH
    room.check_node("n1", least, FAMILIES.get("irnet"), data, 4)
    room.check_node("n1", least - 1, FAMILIES.get("irnet"), data, 3)
    room.check_node("n1", least - 1, FAMILIES.get("ridge"), data, 4)
    with pytest.raises(InputError) as caught:
        room.check_node("n1", 0.4e9, FAMILIES.get("irnet"), data, 4)
    assert caught.value.message == (
        "The node n1 of the cluster has 0.4 GB of memory, and 4 trials side by side take "
        "1.0 GB there at least."
    )


@pytest.mark.parametrize(
    ("keys", "node", "trials"),
    [
        ({"cpus": None}, (8, 0), 8),
        ({"cpus": 6}, (8, 0), 6),
        ({"cpus": None, "cpus_per_trial": 3}, (8, 0), 2),
        ({"cpus": None, "gpus": 8}, (8, 4), 4),
        ({"cpus": None, "gpus": 8, "gpus_per_trial": 0.5}, (64, 4), 8),
        ({"cpus": None, "gpus": 1, "gpus_per_trial": 0.5}, (64, 4), 2),
        ({"cpus": None, "gpus": 8}, (8, 0), 0),
    ],
)
def test_how_many_trials_a_node_may_have(
    keys: dict[str, Any], node: tuple[int, int], trials: int
) -> None:
    assert Resources(**keys).concurrent_on(*node) == trials


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


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes GPUs with so many bytes of memory, and looks whether a study of networks has room."""
    x, y = np.zeros((640, 145), "f4"), np.zeros(640)
    rows = Development(x, y, x[:64], y[:64])

    def asked(memory: float, share: float, **space: Any) -> str:
        monkeypatch.setattr(room.device, "devices", lambda: [("H100", int(memory))] * 2)
        study = small(preset="full", space=space, gpus=2, gpus_per_trial=share)
        return room.check_gpus(study, study.search_space(), rows)

    return asked


def test_a_first_config_that_has_no_room_on_a_shared_gpu_is_refused(gpus: Any) -> None:
    one = {"depth": 17, "width": 1.0, "batch_size": 64, "optimizer": "adam"}
    assert gpus(10e9, 0.1, **one) == ""
    with pytest.raises(InputError) as caught:
        gpus(1.9e9, 0.2, **one)
    assert caught.value.message == (
        "A first config of irnet takes 0.09 GB of GPU memory at least, and each of 5 trials on a "
        "GPU has 0.08 GB."
    )
    assert caught.value.hint == "Give --gpus-per-trial 0.25."
    assert gpus(1.9e9, 0.25, **one) == ""
    with pytest.raises(InputError, match=r"and a GPU has 0\.05 GB") as caught:
        gpus(0.35e9, 1.0, **one)
    assert "--set space.batch_size=64" in (caught.value.hint or "")


def test_a_largest_config_that_has_none_is_told_of(gpus: Any) -> None:
    said = gpus(3e9, 0.25)
    assert re.match(
        r"Networks of the space take up to [0-9]\.\d\d GB of GPU memory, and each of 4 trials on a "
        r"GPU has 0\.45 GB: trials that find none",
        said,
    )
    assert gpus(80e9, 0.25) == ""


@pytest.mark.parametrize("gpus", [0, 4])
def test_a_gpu_of_a_node_without_memory_for_what_ray_puts_there(
    gpus: int, caplog: pytest.LogCaptureFixture
) -> None:
    x, y = np.zeros((640, 145), "f4"), np.zeros(640)
    rows = Development(x, y, x[:64], y[:64])
    space = {"depth": 17, "width": 1.0, "batch_size": 64, "optimizer": "adam"}
    study = small(preset="full", space=space)
    told = replace(settings(), space=study.search_space(), first=tuple(study.first_configs()))

    def check(memory: float | None, share: float) -> None:
        here = shared.Node("n1", 8, gpus, 10**12, None if memory is None else int(memory))
        asked = Resources(None, gpus, gpus_per_trial=share, address="head:6379")
        on_ray._check_room(here, told, asked, rows)

    check(None, 0.2)  # nothing is known of it
    check(10e9, 0.1)
    if not gpus:
        check(1.9e9, 0.2)
        return
    with pytest.raises(InputError) as caught:
        check(1.9e9, 0.2)
    assert caught.value.message.endswith(
        "and each of 5 trials on a GPU of the node n1 has 0.08 GB."
    )
    assert caught.value.hint == "Give --gpus-per-trial 0.25."
    assert not caplog.records
    wide = small(preset="full", space={})
    told = replace(told, space=wide.search_space())
    check(3e9, 0.25)
    assert "and each of 4 trials on a GPU of the node n1 has 0.45 GB" in caplog.text


def test_of_other_families_and_elsewhere_nothing_is_known(gpus: Any) -> None:
    study = small(gpus=1, gpus_per_trial=0.1, address="head:6379")
    assert room.check_gpus(study, study.search_space(), None) == ""  # type: ignore[arg-type]
