"""The cache of features must never lie: damaged, killed in the middle, written by two at once."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fesearch import featurecache
from fesearch.errors import FesearchError
from fesearch.features import build
from fesearch.featureset import Inputs
from fesearch.paths import cache_dir

MATRIX = np.arange(12, dtype=np.float32).reshape(3, 4)
FACTS = {"constant": [1], "lacking": [[0, "no structure"]]}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FESEARCH_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def path() -> Path:
    """Of an entry that is there."""
    path = featurecache.place("toy", "d1", ["NaCl", "", "Fe"])
    featurecache.prepare(path)
    featurecache.save(path, MATRIX, FACTS)
    return path


def files() -> list[str]:
    return sorted(path.name for path in (cache_dir() / "features").iterdir())


def test_what_was_saved_is_loaded_from_disk_as_it_is_read(path: Path) -> None:
    found = featurecache.load(path, (3, 4))
    assert found is not None
    matrix, facts = found
    assert isinstance(matrix, np.memmap)
    np.testing.assert_array_equal(matrix, MATRIX)
    assert facts == FACTS
    with pytest.raises(ValueError, match="read-only"):
        matrix[0, 0] = 1.0


def test_the_place_depends_on_all_that_makes_the_matrix() -> None:
    places = {
        featurecache.place(name, digest, content)
        for name, digest, content in [
            ("toy", "d1", ["NaCl", "Fe"]),
            ("toy", "d2", ["NaCl", "Fe"]),
            ("toy", "d1", ["Fe", "NaCl"]),
            ("toy", "d1", ["NaCl", "", "Fe"]),
            ("toz", "d1", ["NaCl", "Fe"]),
        ]
    }
    assert len(places) == 5


def flipped(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


DAMAGE: dict[str, Callable[[Path, Path], object]] = {
    "matrix cut short": lambda matrix, header: matrix.write_bytes(matrix.read_bytes()[:-7]),
    "one bit of the matrix": lambda matrix, header: flipped(matrix, -2),
    "matrix empty": lambda matrix, header: matrix.write_bytes(b""),
    "matrix gone": lambda matrix, header: matrix.unlink(),
    "header gone": lambda matrix, header: header.unlink(),
    "header empty": lambda matrix, header: header.write_bytes(b""),
    "header binary": lambda matrix, header: header.write_bytes(b"\xff\xfe\x00"),
    "header a list": lambda matrix, header: header.write_text("[]"),
    "header a number": lambda matrix, header: header.write_text("1"),
    "header without facts": lambda matrix, header: header.write_text("{}"),
    "another row lacking": lambda matrix, header: header.write_text(
        header.read_text().replace("[0, ", "[2, ")
    ),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_entry_is_none(path: Path, damage: Callable[[Path, Path], object]) -> None:
    before = [file.read_bytes() for file in (path, path.with_suffix(".json"))]
    damage(path, path.with_suffix(".json"))
    after = [file.read_bytes() if file.exists() else None for file in path.parent.iterdir()]
    assert before != after
    assert featurecache.load(path, (3, 4)) is None


def test_any_flipped_bit_of_the_header_is_found(path: Path) -> None:
    header = path.with_suffix(".json")
    good = header.read_bytes()
    for place in range(len(good)):
        flipped(header, place)
        found = featurecache.load(path, (3, 4))
        assert found is None or found[1] == FACTS, place  # a blank may become another
        header.write_bytes(good)


@pytest.mark.parametrize("shape", [(3, 5), (4, 4), (12, 1)])
def test_another_shape_is_none(path: Path, shape: tuple[int, int]) -> None:
    assert featurecache.load(path, shape) is None


def test_numbers_of_another_kind_are_none(path: Path) -> None:
    featurecache.save(path, MATRIX.astype(np.float64), FACTS)
    assert featurecache.load(path, (3, 4)) is None


def test_what_is_cached_is_counted_and_cleared(path: Path) -> None:
    other = featurecache.place("toy-two", "d1", ["NaCl"])
    featurecache.save(other, MATRIX, {})
    matrix = featurecache.load(path, (3, 4))
    assert [entry.name for entry in featurecache.cached()] == ["toy", "toy-two"]
    folder = cache_dir() / "features"
    on_disk = sum(file.stat().st_size for file in folder.iterdir())
    assert sum(entry.bytes for entry in featurecache.cached()) == on_disk
    being_written, abandoned = folder / ".toy-1.npy.abc", folder / ".toy-2.npy.abc"
    for file in (being_written, abandoned):
        file.write_bytes(b"half")
    os.utime(abandoned, (0, 0))
    assert featurecache.clear() == on_disk + 4
    assert files() == [being_written.name]
    assert matrix is not None
    assert matrix[0][2, 3] == 11, "what is open stays readable"


def test_an_empty_cache_has_nothing() -> None:
    assert featurecache.cached() == []
    assert featurecache.clear() == 0


def test_a_folder_that_cannot_be_made_is_said() -> None:
    cache_dir().write_text("a file where the folder should be")
    path = featurecache.place("toy", "d1", [])
    for attempt in (
        lambda: featurecache.prepare(path),
        lambda: featurecache.save(path, MATRIX, {}),
    ):
        with pytest.raises(FesearchError, match=r"cannot be written to .*: Not a directory"):
            attempt()


# Processes

FORMULAS = [f"Fe{a}O{b}" for a in range(1, 60) for b in range(60, 120)]
BUILD = """
import hashlib, sys, time
from pathlib import Path
from fesearch.features import build
from fesearch.featureset import Inputs
formulas = [f"Fe{a}O{b}" for a in range(1, 60) for b in range(60, 120)]
"""
TWO = """
Path(sys.argv[1]).touch()
while not Path(sys.argv[2]).exists():
    time.sleep(0.001)
print(hashlib.sha256(build("magpie", Inputs.of_formulas(formulas)).matrix.tobytes()).hexdigest())
"""
KILLED = """
import os, signal
import numpy as np
from fesearch import featurecache

def half(file, matrix, **rest):
    content = matrix.tobytes()
    file.write(content[: len(content) // 2])
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)

def headless(path):
    if path.suffix == ".json":
        os.kill(os.getpid(), signal.SIGKILL)
    return atomic_write(path)

atomic_write = featurecache.atomic_write
if sys.argv[1] == "in the matrix":
    np.save = half
else:
    featurecache.atomic_write = headless
build("magpie", Inputs.of_formulas(formulas))
"""


def expected() -> np.ndarray:
    from fesearch.features import Combination

    return Combination.parse("magpie").compute(Inputs.of_formulas(FORMULAS)).matrix


def test_two_processes_that_build_at_once_agree(tmp_path: Path) -> None:
    go = tmp_path / "go"
    ready = [tmp_path / "ready 1", tmp_path / "ready 2"]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", BUILD + TWO, mark, go], stdout=subprocess.PIPE, text=True
        )
        for mark in ready
    ]
    while not all(mark.exists() for mark in ready):
        assert all(process.poll() is None for process in running)
        time.sleep(0.01)
    go.touch()
    printed = {process.communicate(timeout=60)[0].strip() for process in running}
    matrix = build("magpie", Inputs.of_formulas(FORMULAS)).matrix
    assert isinstance(matrix, np.memmap), "what they left is whole"
    assert printed == {hashlib.sha256(matrix.tobytes()).hexdigest()}
    np.testing.assert_array_equal(matrix, expected())
    assert len(files()) == 2, "and nothing half written is left"


@pytest.mark.parametrize("moment", ["in the matrix", "before the header"])
def test_a_kill_while_writing_leaves_nothing_that_is_taken_for_features(moment: str) -> None:
    killed = subprocess.run([sys.executable, "-c", BUILD + KILLED, moment], timeout=60)
    assert killed.returncode == -signal.SIGKILL
    left = files()
    assert len(left) == 1
    assert left[0].startswith(".magpie-") == (moment == "in the matrix")
    for _ in range(2):
        matrix = build("magpie", Inputs.of_formulas(FORMULAS)).matrix
        np.testing.assert_array_equal(matrix, expected())
    assert isinstance(matrix, np.memmap), "the entry is whole again"
    [entry] = featurecache.cached()
    assert json.loads(entry.path.with_suffix(".json").read_text())["sha256"]
