"""The built-in alloys: the shipped table is what matminer computes."""

import gzip
import random
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from fesearch import formula
from fesearch.datasets import miedema
from fesearch.description import describe
from fesearch.source import Summary


def test_the_shipped_table_is_the_one_declared() -> None:
    data = miedema.load()
    declared = miedema.SOURCE.summary
    assert declared == Summary("miedema", len(data), data.units, data.hash, data.source)
    assert data.hash == miedema.HASH
    assert len(data) == len(set(data.reduced)) == 11_000
    assert data.units == {"formation_enthalpy": "eV/atom"}
    assert miedema.FILE.stat().st_size < 150_000


def test_it_loads_in_well_under_a_second() -> None:
    miedema.load()
    start = time.process_time()
    miedema.load()
    assert time.process_time() - start < 1.0


def test_its_compositions_are_those_of_the_design() -> None:
    compositions = miedema.compositions()
    assert compositions == list(miedema.load().reduced)
    elements = {len(formula.symbols(text)) for text in compositions}
    assert elements == {2, 3}
    used = describe(miedema.load()).elements
    assert set(used) == set(miedema.ELEMENTS)
    assert min(used.values()) > 400


@pytest.fixture
def _quiet_matminer() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.usefixtures("_quiet_matminer")
def test_a_sample_computed_again_gives_the_shipped_values() -> None:
    data = miedema.load()
    rows = random.Random(1).sample(range(len(data)), 200)
    again = miedema.enthalpies([data.formulas[row] for row in rows])
    assert data.target("formation_enthalpy")[rows] == pytest.approx(again, abs=1.5e-4)


@pytest.mark.usefixtures("_quiet_matminer")
def test_the_elements_are_those_matminer_treats_as_the_model_does() -> None:
    from matminer.featurizers.composition.alloy import Miedema

    table = Miedema(struct_types="inter", impute_nan=False).df_dataset
    valence = table["valence_electrons"]
    p_block = {"B", "C", "N", *("Al", "Si", "P"), *("Ga", "Ge", "As"), *("In", "Sn", "Sb")}
    p_block |= {"Tl", "Pb", "Bi"}
    f_electrons_counted = {"Dy", "Ho", "Er", "Tm", "Yb"}
    assert set(table.index) - set(miedema.ELEMENTS) == p_block | f_electrons_counted | {"H"}
    plain = {symbol for symbol in miedema.ELEMENTS if not 3 <= valence[symbol] <= 11}
    alkaline = {"Li", "Na", "K", "Rb", "Cs", "Be", "Mg", "Ca", "Sr", "Ba"}
    assert plain == alkaline | {"Zn", "Cd", "Hg"}
    assert set(table["H_trans"][list(miedema.ELEMENTS)]) == {0}


@pytest.mark.usefixtures("_quiet_matminer")
def test_writing_it_twice_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(miedema, "compositions", lambda: ["Ag2Au", "FeNi"])
    first, second = tmp_path / "a.csv.gz", tmp_path / "b.csv.gz"
    miedema.write(first)
    miedema.write(second)
    assert first.read_bytes() == second.read_bytes()
    lines = gzip.decompress(first.read_bytes()).decode().splitlines()
    assert lines[:2] == ["formula,formation_enthalpy", "Ag2Au,-0.0739"]
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.csv.gz", "b.csv.gz"]
