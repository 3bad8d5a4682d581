"""Feature sets: Magpie against matminer, processes, and the cache that must never lie."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fesearch import featureset, formula
from fesearch.errors import FesearchError, InputError
from fesearch.featureset import FEATURE_SETS, FeatureSet
from fesearch.featuresets import magpie
from fesearch.paths import cache_dir

NAMES = ("length", "process", "ignores interrupt", "nan for Xe", "one")
FORMULAS = ["Fe2O3", "NaCl", "Fe4O6", "XeF2", "NaCl", "Al2O3"]
MANY = [f"Fe{n}O{n + 1}" for n in range(1, featureset.SERIAL_BELOW + 1)]
SMALL = 50  # formulas a task here, so that there are several
calls: list[Sequence[str]] = []


def toy_names() -> tuple[str, ...]:
    return NAMES


def toy_rows(formulas: Sequence[str]) -> np.ndarray:
    """Cheap columns that also tell where they were computed."""
    calls.append(formulas)
    ignores = float(signal.getsignal(signal.SIGINT) == signal.SIG_IGN)
    lack = [np.nan if "Xe" in text else 0.5 for text in formulas]
    columns = [[float(len(text)), float(os.getpid()), ignores] for text in formulas]
    return np.array([[*row, nan, 1.0] for row, nan in zip(columns, lack, strict=True)])


def refusing_rows(formulas: Sequence[str]) -> np.ndarray:
    raise InputError(f"No features of {formulas[0]}.", "Leave it out.")


def dying_rows(formulas: Sequence[str]) -> np.ndarray:
    os._exit(9)


def slow_rows(formulas: Sequence[str]) -> np.ndarray:
    time.sleep(0.5)
    return toy_rows(formulas)


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


def test_no_formulas_are_no_rows() -> None:
    assert TOY.compute([]).shape == (0, len(NAMES))


def test_what_is_not_a_formula_is_refused() -> None:
    with pytest.raises(InputError, match="'Fe2Qq' is not a formula: there is no element Qq"):
        TOY.compute(["NaCl", "Fe2Qq"])
    assert not calls


def test_one_worker_is_this_process() -> None:
    matrix = TOY.compute(MANY, workers=1)
    assert set(matrix[:, 1]) == {np.float32(os.getpid())}
    assert len(calls) == -(-len(MANY) // featureset.CHUNK)


def test_few_formulas_need_no_processes() -> None:
    assert set(TOY.compute(MANY[:-1], workers=2)[:, 1]) == {np.float32(os.getpid())}


def test_processes_give_the_same_rows_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(featureset, "CHUNK", SMALL)
    told: list[int] = []
    matrix = TOY.compute(MANY, workers=2, progress=lambda done, total: told.append(done))
    assert not calls
    assert np.float32(os.getpid()) not in matrix[:, 1]
    assert matrix[:, 0].tolist() == [len(formula.reduced(text)) for text in MANY]
    assert set(matrix[:, 2]) == {1.0}, "a process would answer Ctrl-C with a traceback"
    assert told == list(range(0, len(MANY) + 1, SMALL))


def test_an_error_in_a_process_arrives_as_it_was() -> None:
    with pytest.raises(InputError) as refused:
        replace(TOY, rows=refusing_rows).compute(MANY, workers=2)
    assert str(refused.value) == "No features of FeO2.\nLeave it out."


def test_a_process_that_dies_is_said_so() -> None:
    with pytest.raises(FesearchError) as failed:
        replace(TOY, rows=dying_rows).compute(MANY, workers=2)
    assert str(failed.value) == (
        f"A process that computed features of {len(MANY)} formulas ended without an answer.\n"
        "Give it more memory or workers=1; a script of your own needs "
        '`if __name__ == "__main__":` around its calls.'
    )


def test_an_interrupt_does_not_wait_for_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty tasks of half a second are queued when Ctrl-C comes; nearly all are dropped."""
    monkeypatch.setattr(featureset, "CHUNK", 10)

    def interrupt(done: int, total: int) -> None:
        if done:
            began.append(time.monotonic())
            raise KeyboardInterrupt

    began: list[float] = []
    with pytest.raises(KeyboardInterrupt):
        replace(TOY, rows=slow_rows).compute(MANY, workers=2, progress=interrupt)
    assert time.monotonic() - began[0] < 5


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
        assert features.matrix.shape == (6, 5)
        assert features.matrix.dtype == np.float32
        assert features.constant == ("process", "ignores interrupt", "one")
        assert features.non_finite == {"nan for Xe": 1}
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


# Magpie


def some_formulas(count: int) -> list[str]:
    """Random compositions of one to five of the elements up to plutonium, and known ones."""
    draw = random.Random(5)
    elements = formula.ELEMENTS[:94]
    made = ["Fe2O3", "NaCl", "Fe3O4", "H", "XeF2", "ArF", "HeXe", "LaMnO3", "Ca(OH)2", "Es"]
    while len(made) < count:
        chosen = draw.sample(elements, draw.randint(1, 5))
        made.append("".join(f"{element}{draw.randint(1, 12)}" for element in chosen))
    return made


@pytest.mark.filterwarnings("ignore:No Pauling electronegativity:UserWarning")
def test_magpie_is_what_matminer_computes_one_at_a_time() -> None:
    from matminer.featurizers.composition import (
        ElementProperty,
        IonProperty,
        Stoichiometry,
        ValenceOrbital,
    )
    from pymatgen.core.composition import Composition

    parts = [
        Stoichiometry(),
        ElementProperty.from_preset("magpie", impute_nan=False),
        ValenceOrbital(props=["avg"], impute_nan=False),
        IonProperty(fast=True, impute_nan=False),
    ]
    formulas = some_formulas(100)
    expected = []
    for text in formulas:
        composition = Composition(formula.reduced(text))
        expected.append([value for part in parts for value in part.featurize(composition)])
    found = magpie.FEATURE_SET.compute(formulas)
    assert found.shape == (100, 145)
    np.testing.assert_array_equal(found, np.array(expected, dtype=np.float32))
    assert magpie.names() == tuple(label for part in parts for label in part.feature_labels())
    assert len(np.unique(found[np.isfinite(found).all(axis=1)], axis=1).T) == 141


def test_magpie_imputes_nothing() -> None:
    [row] = magpie.FEATURE_SET.compute(["ArF"])
    missing = {name for name, value in zip(magpie.names(), row, strict=True) if np.isnan(value)}
    assert missing == {
        *(
            f"MagpieData {statistic} Electronegativity"
            for statistic in ("minimum", "maximum", "range", "mean", "avg_dev", "mode")
        ),
        "max ionic char",
        "avg ionic char",
    }


def test_magpie_of_every_element_is_silent() -> None:
    """In a process of its own, because pymatgen warns once in the life of each."""
    code = (
        "from fesearch import formula; from fesearch.featuresets import magpie\n"
        "print(magpie.FEATURE_SET.compute([f'{e}2{e}O3' for e in formula.ELEMENTS]).shape)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "always::UserWarning", "-W", "always::RuntimeWarning", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "(118, 145)\n"
    assert done.stderr == ""


def test_the_formula_that_matminer_fails_on_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        def featurize(self, composition: object) -> list[float]:
            raise KeyError("Electronegativity")

    monkeypatch.setattr(magpie, "_featurizer", Failing)
    with pytest.raises(InputError) as refused:
        magpie.rows(["Fe2O3"])
    assert str(refused.value) == (
        "matminer cannot compute the magpie features of Fe2O3: 'Electronegativity'\n"
        "Leave the formula out of the data."
    )


def test_magpie_tables_are_those_matminer_reads() -> None:
    from matminer.utils.data import MagpieData
    from pymatgen.core.periodic_table import Element

    tables = magpie.tables()
    used = {name.split(" ")[2] for name in magpie.names() if name.startswith("MagpieData")}
    assert len(used) == 22
    data = MagpieData(impute_nan=False)
    for name in used:
        assert float(tables[f"{name}.table"].split()[25]) == data.get_elemental_property(
            Element("Fe"), name
        )
    iron = json.loads(tables["periodic_table.json.gz"])["Fe"]
    assert iron == [Element.Fe.X, list(Element.Fe.common_oxidation_states)]


def test_magpie_without_its_tables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(magpie, "_package", lambda name: tmp_path)
    with pytest.raises(FesearchError, match="The element tables are missing") as failed:
        magpie.tables()
    assert failed.value.hint == "Type: pip install --force-reinstall matminer pymatgen-core"


def test_a_cached_magpie_needs_no_matminer() -> None:
    """The second study starts at once: matminer takes two seconds to import."""
    featureset.build("magpie", ["Fe2O3", "NaCl"])
    code = (
        "import sys; from fesearch import featureset\n"
        "assert featureset.build('magpie', ['Fe2O3', 'NaCl']).matrix.shape == (2, 145)\n"
        "print(*{'matminer', 'pymatgen', 'pandas', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""


@pytest.mark.slow
def test_magpie_in_processes_is_magpie() -> None:
    formulas = some_formulas(featureset.SERIAL_BELOW + 50)
    alone = magpie.FEATURE_SET.compute(formulas, workers=1)
    np.testing.assert_array_equal(magpie.FEATURE_SET.compute(formulas, workers=2), alone)
