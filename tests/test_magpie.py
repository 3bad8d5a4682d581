"""Magpie's features: matminer's numbers and names, without matminer's time."""

import csv
import gzip
import itertools
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fesearch import formula
from fesearch.errors import FesearchError, InputError
from fesearch.featuresets import _element_tables, magpie

OQMD = Path(__file__).parents[2] / "shared" / "data" / "oqmd_bandgap.csv.gz"
KNOWN = [
    *("Fe2O3", "Fe3O4", "NaCl", "H", "C", "CO2", "CH4", "LaMnO3", "Ca(OH)2", "CuSO4·5H2O", "Es"),
    *("XeF2", "ArF", "HeXe", "HeNe", "Fe0.5Ni0.5", "Fe0.5000001Ni0.4999999", "NaN", "NO", "CsN"),
    *("Li0.123456789Co0.876543211O2", "La0.7Sr0.3MnO3", "YBa2Cu3O6.93", "Y3NC80"),
    *(
        "Al20Co20Cr20Fe20Ni20",
        "Zr41.2Ti13.8Cu12.5Ni10Be22.5",
        "HLiBeBCNOFNaMgAl",
        "Cu99999Zn100000",
    ),
]
ELEMENTS = formula.ELEMENTS[:112]  # those after copernicium are in no table of Magpie
POSSIBLE = magpie.names().index("compound possible")


def generated(count: int, seed: int) -> list[str]:
    """Random compositions of one to seven elements, a third of them with decimal amounts."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        chosen = draw.sample(ELEMENTS[:94], draw.randint(1, 7))
        amounts = [
            f"{draw.uniform(0.01, 3):.2f}" if number % 3 == 0 else str(draw.randint(1, 12))
            for _ in chosen
        ]
        made.append("".join(map("".join, zip(chosen, amounts, strict=True))))
    return made


@pytest.fixture(scope="module")
def matminer() -> Any:
    """The featurizer whose numbers ours are."""
    from matminer.featurizers.base import MultipleFeaturizer
    from matminer.featurizers.composition import (
        ElementProperty,
        IonProperty,
        Stoichiometry,
        ValenceOrbital,
    )

    return MultipleFeaturizer(
        [
            Stoichiometry(),
            ElementProperty.from_preset("magpie", impute_nan=False),
            ValenceOrbital(props=["avg"], impute_nan=False),
            IonProperty(fast=True, impute_nan=False),
        ]
    )


def assert_equal_to_matminer(formulas: list[str], matminer: Any) -> None:
    from pymatgen.core.composition import Composition

    reduced = [formula.reduced(text) for text in formulas]
    found = magpie.rows(reduced)
    expected = np.array([matminer.featurize(Composition(text)) for text in reduced], dtype=float)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    scale = np.nanmax(np.abs(expected), axis=0)
    difference = np.nanmax(np.abs(found - expected), axis=0)
    assert (difference <= 1e-12 * scale).all()


@pytest.mark.filterwarnings("ignore:No Pauling electronegativity:UserWarning")
def test_the_numbers_are_those_of_matminer(matminer: Any) -> None:
    assert_equal_to_matminer(KNOWN + generated(150 - len(KNOWN), seed=5), matminer)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:No Pauling electronegativity:UserWarning")
def test_the_numbers_are_those_of_matminer_for_many_formulas(matminer: Any) -> None:
    assert_equal_to_matminer(generated(2000, seed=6), matminer)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:No Pauling electronegativity:UserWarning")
@pytest.mark.skipif(not OQMD.exists(), reason=f"needs {OQMD.name} in ../shared/data")
def test_the_numbers_are_those_of_matminer_for_real_formulas(matminer: Any) -> None:
    with gzip.open(OQMD, "rt", encoding="utf-8") as file:
        formulas = [row["formula"] for row in csv.DictReader(file)]
    assert_equal_to_matminer(random.Random(7).sample(formulas, 2000), matminer)


def test_the_names_are_those_of_matminer(matminer: Any) -> None:
    assert magpie.names() == tuple(matminer.feature_labels())


def test_only_the_mean_valences_are_there_twice() -> None:
    found = magpie.rows([formula.reduced(text) for text in generated(300, seed=8)])
    distinct, place = np.unique(found[np.isfinite(found).all(axis=1)], axis=1, return_inverse=True)
    assert (found.shape[1], distinct.shape[1]) == (145, 141)
    for orbital in "spdf":
        of = magpie.names().index
        twice = of(f"avg {orbital} valence electrons"), of(f"MagpieData mean N{orbital}Valence")
        assert place[twice[0]] == place[twice[1]]


def test_nothing_is_imputed() -> None:
    [row] = magpie.rows(["ArF"])
    missing = {name for name, value in zip(magpie.names(), row, strict=True) if np.isnan(value)}
    assert missing == {
        *(f"MagpieData {statistic} Electronegativity" for statistic in magpie.STATISTICS),
        "max ionic char",
        "avg ionic char",
    }


# Whether a neutral compound is possible

compositions = st.lists(
    st.tuples(st.sampled_from(ELEMENTS), st.integers(1, 30)),
    min_size=2,
    max_size=6,
    unique_by=lambda pair: pair[0],
)


@given(compositions)
@settings(max_examples=500)
def test_possible_means_that_some_choice_of_charges_adds_up_to_0(
    pairs: list[tuple[str, int]],
) -> None:
    text = formula.reduced("".join(f"{symbol}{amount}" for symbol, amount in pairs))
    symbols, amounts, _ = formula.contents([text])
    tables = _element_tables.element_tables()
    choices = [tables.charges[tables.place[symbol]] for symbol in symbols]
    expected = any(
        sum(charge * amount for charge, amount in zip(charges, amounts, strict=True)) == 0
        for charges in itertools.product(*choices)
    )
    assert magpie.rows([text])[0, POSSIBLE] == expected


def test_many_elements_are_no_matter() -> None:
    """Even charges of 33 elements cannot make up for the three of aluminium."""
    tables = _element_tables.element_tables()
    charged = [symbol for symbol, place in tables.place.items() if tables.charges[place]]
    even = [
        symbol
        for symbol in charged
        if all(charge % 2 == 0 for charge in tables.charges[tables.place[symbol]])
    ]
    every = "".join(f"{symbol}{n % 7 + 1}" for n, symbol in enumerate(charged))
    odd = "Al" + "".join(f"{symbol}{n % 7 + 1}" for n, symbol in enumerate(even))
    found = magpie.rows([formula.reduced(f"{text}O400") for text in (every, odd)])
    assert found[:, 0].tolist() == [len(charged), len(even) + 1] == [100, 34]
    assert found[:, POSSIBLE].tolist() == [1, 0]


def test_charges_that_add_up_in_too_many_ways_are_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(magpie, "MOST_SUMS", 10)
    assert magpie.rows(["C4H9N2"]).shape == (1, 145)
    with pytest.raises(InputError) as refused:
        magpie.rows(["Fe2O3", "C4H9N2S3"])
    assert str(refused.value) == (
        "The charges in 'C4H9N2S3' add up in more than 10 ways.\n"
        "Give its amounts with fewer digits, or leave the formula out of the data."
    )


# The tables


def test_the_tables_are_those_of_matminer_and_pymatgen() -> None:
    from matminer.featurizers.composition import ElementProperty
    from matminer.utils.data import MagpieData
    from pymatgen.core.periodic_table import Element

    assert list(_element_tables.PROPERTIES) == ElementProperty.from_preset("magpie").features
    magpie_data = MagpieData(impute_nan=False)
    tables = _element_tables.element_tables()
    assert list(tables.place) == list(ELEMENTS)
    for symbol, place in tables.place.items():
        element = Element(symbol)
        expected = [
            magpie_data.get_elemental_property(element, name) for name in _element_tables.PROPERTIES
        ]
        np.testing.assert_array_equal(tables.properties[:, place], expected)
        assert tables.charges[place] == element.common_oxidation_states
        if not np.isnan(tables.electronegativity[place]):
            assert tables.electronegativity[place] == element.X
    without = [e for e in ELEMENTS if np.isnan(tables.electronegativity[tables.place[e]])]
    assert without == [e for e in ELEMENTS if not Element(e).data.get("X")]


def test_an_element_that_the_tables_lack_is_named() -> None:
    with pytest.raises(InputError) as refused:
        magpie.FEATURE_SET.rows(["Fe2O3", "NhO"])
    assert str(refused.value) == (
        "The element tables of magpie lack Nh, which 'NhO' contains.\n"
        "Leave the formula out of the data."
    )


def test_what_is_read_is_what_the_digest_covers() -> None:
    found = _element_tables.files()
    assert len(found) == len(_element_tables.PROPERTIES) + 1
    assert json.loads(found["periodic_table.json.gz"])["Fe"] == [1.83, [2, 3]]


def test_missing_tables_are_said_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_element_tables, "_package", lambda name: tmp_path)
    with pytest.raises(FesearchError) as failed:
        _element_tables.files()
    missing = tmp_path / "utils" / "data_files" / "magpie_elementdata" / "Number.table"
    assert str(failed.value) == (
        f"The element table {missing} is missing.\n"
        "Type: pip install --force-reinstall matminer pymatgen-core"
    )


def test_a_missing_package_is_said_so() -> None:
    with pytest.raises(FesearchError) as failed:
        _element_tables._package("matminer_that_is_not_there")
    assert str(failed.value) == (
        "The package 'matminer_that_is_not_there' is missing.\n"
        "Type: pip install matminer_that_is_not_there"
    )


def test_matminer_is_not_imported() -> None:
    """It takes seconds, and hundreds of megabytes."""
    code = (
        "import sys; from fesearch.featureset import FEATURE_SETS\n"
        "assert FEATURE_SETS.get('magpie').rows(['Fe2O3', 'ClNa']).shape == (2, 145)\n"
        "print(*{'matminer', 'pymatgen', 'pandas', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""
