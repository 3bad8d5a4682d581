"""Feature sets: how they are computed, and the cache that must never lie."""

import json
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fesearch import featureset
from fesearch.errors import FesearchError, InputError
from fesearch.featureset import FEATURE_SETS, FeatureSet
from fesearch.paths import cache_dir

NAMES = ("length", "nan for Xe", "infinite", "one")
FORMULAS = ["Fe2O3", "NaCl", "Fe4O6", "XeF2", "NaCl", "Al2O3"]
calls: list[Sequence[str]] = []


def toy_names() -> tuple[str, ...]:
    return NAMES


def toy_rows(formulas: Sequence[str]) -> np.ndarray:
    calls.append(formulas)
    lack = [np.nan if "Xe" in text else 0.5 for text in formulas]
    return np.array(
        [[len(text), nan, np.inf, 1.0] for text, nan in zip(formulas, lack, strict=True)]
    )


TOY = FeatureSet("toy", "Toy", "none", "1", toy_names, toy_rows, lambda: {"table": b"1 2 3"})


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FESEARCH_CACHE_DIR", str(tmp_path / "cache"))
    calls.clear()


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[FeatureSet], None]:
    """Makes a feature set the one that every name stands for."""

    def put(feature_set: FeatureSet) -> None:
        monkeypatch.setattr(FEATURE_SETS, "get", lambda name: feature_set)

    put(TOY)
    return put


def files() -> list[str]:
    return sorted(path.name for path in (cache_dir() / "features").iterdir())


# Computing


def test_each_composition_is_computed_once_and_rows_keep_their_order() -> None:
    matrix = TOY.compute(FORMULAS)
    assert calls == [["Fe2O3", "ClNa", "F2Xe", "Al2O3"]]
    assert matrix.dtype == np.float32
    assert matrix[:, 0].tolist() == [5, 4, 5, 4, 4, 5]


def test_progress_counts_distinct_compositions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(featureset, "CHUNK", 3)
    told: list[tuple[int, int]] = []
    TOY.compute(FORMULAS, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 4), (3, 4), (4, 4)]


@pytest.mark.usefixtures("install")
def test_no_formulas_are_no_rows() -> None:
    features = featureset.build("toy", [])
    assert features.matrix.shape == (0, len(NAMES))
    assert (features.constant, features.non_finite) == ((), {})


def test_what_is_not_a_formula_is_refused() -> None:
    with pytest.raises(InputError, match="'Fe2Qq' is not a formula: there is no element Qq"):
        TOY.compute(["NaCl", "Fe2Qq"])
    assert not calls


# The cache


@pytest.mark.usefixtures("install")
def test_the_second_build_computes_nothing() -> None:
    first = featureset.build("toy", FORMULAS)
    assert len(calls) == 1
    second = featureset.build("toy", FORMULAS, progress=lambda done, total: pytest.fail("told"))
    assert len(calls) == 1
    assert isinstance(second.matrix, np.memmap)
    np.testing.assert_array_equal(first.matrix, second.matrix)
    for features in (first, second):
        assert (features.name, features.digest, features.names) == ("toy", TOY.digest(), NAMES)
        assert features.matrix.shape == (6, len(NAMES))
        assert features.matrix.dtype == np.float32
        assert features.constant == ("one",)
        assert features.non_finite == {"nan for Xe": 1, "infinite": 6}
        with pytest.raises(ValueError, match="read-only"):
            features.matrix[0, 0] = 1.0


@pytest.mark.usefixtures("install")
def test_other_formulas_or_another_order_are_another_entry() -> None:
    featureset.build("toy", FORMULAS)
    turned = featureset.build("toy", FORMULAS[::-1])
    assert len(calls) == 2
    assert turned.matrix[:, 0].tolist() == [5, 4, 4, 5, 4, 5]


@pytest.mark.parametrize(
    "changed", [{"version": "2"}, {"tables": lambda: {"table": b"1 2 4"}}, {"name": "other"}]
)
def test_other_tables_or_code_are_another_entry(
    changed: dict[str, object], install: Callable[[FeatureSet], None]
) -> None:
    before = featureset.build("toy", FORMULAS).digest
    install(replace(TOY, **changed))  # type: ignore[arg-type]
    after = featureset.build("toy", FORMULAS).digest
    assert before != after
    assert len(calls) == 2


def truncate(matrix: Path, header: Path) -> None:
    matrix.write_bytes(matrix.read_bytes()[:-7])


def flip(matrix: Path, header: Path) -> None:
    content = bytearray(matrix.read_bytes())
    content[-2] ^= 1
    matrix.write_bytes(content)


def other_width(matrix: Path, header: Path) -> None:
    text = json.loads(header.read_text())
    header.write_text(json.dumps(text | {"names": text["names"][1:]}))


DAMAGE: dict[str, Callable[[Path, Path], object]] = {
    "matrix cut short": truncate,
    "one bit of the matrix": flip,
    "matrix empty": lambda matrix, header: matrix.write_bytes(b""),
    "matrix gone": lambda matrix, header: matrix.unlink(),
    "header gone": lambda matrix, header: header.unlink(),
    "header empty": lambda matrix, header: header.write_bytes(b""),
    "header binary": lambda matrix, header: header.write_bytes(b"\xff\xfe\x00"),
    "header a list": lambda matrix, header: header.write_text("[]"),
    "header without checksum": lambda matrix, header: header.write_text("{}"),
    "header of another width": other_width,
}


@pytest.mark.usefixtures("install")
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_entry_is_computed_again(damage: Callable[[Path, Path], object]) -> None:
    good = featureset.build("toy", FORMULAS).matrix
    [entry] = featureset.cached()
    damage(entry.path, entry.path.with_suffix(".json"))
    again = featureset.build("toy", FORMULAS)
    assert len(calls) == 2
    np.testing.assert_array_equal(again.matrix, good)
    featureset.build("toy", FORMULAS)
    assert len(calls) == 2, "the entry is whole again"


def test_two_builds_at_once(install: Callable[[FeatureSet], None]) -> None:
    both = threading.Barrier(2, timeout=10)

    def meet(formulas: Sequence[str]) -> np.ndarray:
        both.wait()
        return toy_rows(formulas)

    install(replace(TOY, rows=meet))
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: featureset.build("toy", FORMULAS), range(2)))
    np.testing.assert_array_equal(found[0].matrix, found[1].matrix)
    assert isinstance(featureset.build("toy", FORMULAS).matrix, np.memmap)
    assert len(files()) == 2, "no half-written file is left"


@pytest.mark.usefixtures("install")
def test_nothing_is_left_of_a_computation_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError):
        featureset.build("toy", ["Fe2Qq"])
    assert files() == []


@pytest.mark.usefixtures("install")
def test_a_cache_that_cannot_be_written_is_said_before_the_work() -> None:
    cache_dir().write_text("a file where the folder should be")
    with pytest.raises(FesearchError) as failed:
        featureset.build("toy", FORMULAS)
    assert str(failed.value) == (
        f"The features cannot be written to {cache_dir() / 'features'}: Not a directory.\n"
        "Make room there, or name another folder in FESEARCH_CACHE_DIR."
    )
    assert not calls


@pytest.mark.usefixtures("install")
def test_cached_and_clear() -> None:
    assert featureset.cached() == []
    assert featureset.clear() == 0
    kept = featureset.build("toy", FORMULAS)
    kept = featureset.build("toy", FORMULAS)
    featureset.build("toy", FORMULAS[:2])
    folder = cache_dir() / "features"
    assert [entry.name for entry in featureset.cached()] == ["toy", "toy"]
    on_disk = sum(path.stat().st_size for path in folder.iterdir())
    assert sum(entry.bytes for entry in featureset.cached()) == on_disk
    being_written, abandoned = folder / ".toy-1.npy.abc", folder / ".toy-2.npy.abc"
    for path in (being_written, abandoned):
        path.write_bytes(b"half")
    os.utime(abandoned, (0, 0))
    assert featureset.clear() == on_disk + 4
    assert files() == [being_written.name]
    assert kept.matrix[0, 0] == 5, "what is open stays readable"


def test_there_is_no_such_feature_set() -> None:
    with pytest.raises(InputError) as refused:
        featureset.build("magpi", FORMULAS)
    assert str(refused.value) == (
        "There is no feature set 'magpi'.\nDid you mean 'magpie'? Type: fesearch features list"
    )
