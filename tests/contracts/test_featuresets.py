"""What every feature set promises, whoever wrote it."""

import subprocess
import sys

import numpy as np
import pytest

from fesearch.featureset import FEATURE_SETS, FeatureSet

FORMULAS = ("Fe2O3", "NaCl", "CaTiO3", "Al", "NaCl", "LiFePO4", "Ni3Al")


@pytest.fixture(params=FEATURE_SETS.names())
def feature_set(request: pytest.FixtureRequest) -> FeatureSet:
    return FEATURE_SETS.get(request.param)


def test_it_says_what_it_is(feature_set: FeatureSet) -> None:
    assert feature_set.name in FEATURE_SETS.names()
    assert FEATURE_SETS.get(feature_set.name) is feature_set
    assert feature_set.title
    assert feature_set.source
    assert feature_set.version


def test_rows_and_columns(feature_set: FeatureSet) -> None:
    names = feature_set.names()
    assert len(set(names)) == len(names)
    assert all(isinstance(name, str) and name for name in names)
    matrix = feature_set.compute(FORMULAS)
    assert matrix.shape == (len(FORMULAS), len(names))
    assert matrix.dtype == np.float32
    assert np.isfinite(matrix).all()


def test_a_row_depends_on_its_formula_alone(feature_set: FeatureSet) -> None:
    matrix = feature_set.compute(FORMULAS)
    np.testing.assert_array_equal(feature_set.compute(FORMULAS[::-1]), matrix[::-1])
    np.testing.assert_array_equal(feature_set.compute(FORMULAS[2:3])[0], matrix[2])
    np.testing.assert_array_equal(matrix[1], matrix[4])
    other = [row.tobytes() for row in matrix[[0, 1, 2, 3, 5, 6]]]
    assert len(set(other)) == 6


def test_the_spelling_of_a_formula_does_not_matter(feature_set: FeatureSet) -> None:
    first, *others = feature_set.compute(["Fe2O3", "O3Fe2", "Fe4O6", "Fe0.4 O0.6"])
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_the_formulas_are_left_alone(feature_set: FeatureSet) -> None:
    formulas = list(FORMULAS)
    feature_set.compute(formulas)
    assert formulas == list(FORMULAS)


def test_the_digest_is_the_same_in_every_process(feature_set: FeatureSet) -> None:
    assert len(feature_set.digest()) == 64
    code = (
        "import sys; from fesearch.featureset import FEATURE_SETS\n"
        "print(FEATURE_SETS.get(sys.argv[1]).digest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, feature_set.name],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == feature_set.digest()
