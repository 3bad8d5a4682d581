"""What every feature set promises, whoever wrote it and whatever it is computed from."""

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fesearch.errors import InputError
from fesearch.features import build
from fesearch.featureset import FEATURE_SETS, FeatureSet, Inputs
from fesearch.structure import Structures

FORMULAS = ("Fe2O3", "NaCl", "CaTiO3", "Al", "NaCl", "LiFePO4", "Ni3Al")


def structure_of(formula: str, edge: float) -> str:
    """The text of two atoms in a cube; features do not mind that it is not the formula's."""
    symbols = "NaCl" if formula == "NaCl" else formula[:2] + "Cl"
    atoms = [(symbols[:2], [0, 0, 0]), (symbols[2:], [0.5, 0.5, 0.5])]
    sites = [{"abc": at, "species": [{"element": one, "occu": 1}]} for one, at in atoms]
    return json.dumps({"lattice": {"matrix": np.diag([edge] * 3).tolist()}, "sites": sites})


def inputs(formulas: tuple[str, ...] = FORMULAS) -> Inputs:
    """Rows with all that a feature set can be computed from."""
    texts = [structure_of(text, 3.0 + 0.1 * len(text)) for text in formulas]
    density = np.array([float(int.from_bytes(text.encode()[:3])) for text in formulas])
    return Inputs.of_formulas(formulas, Structures.of(texts), {"density": density})


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> object:
    """One for all tests: features of structures take Ray and seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FESEARCH_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


def of_each_kind() -> list[Any]:
    """All names; structures take longer than ten seconds where Ray is slow to start."""
    marks = {"structure": [pytest.mark.slow]}
    return [pytest.param(one.name, marks=marks.get(one.needs, [])) for one in FEATURE_SETS]


@pytest.fixture(params=of_each_kind())
def feature_set(request: pytest.FixtureRequest) -> FeatureSet:
    """Each in turn, bound to the rows of `inputs`."""
    return FEATURE_SETS.get(request.param).bound(inputs())


def test_it_says_what_it_is(feature_set: FeatureSet) -> None:
    declared = FEATURE_SETS.get(feature_set.name)
    assert declared is FEATURE_SETS.get(feature_set.name)
    assert declared.name == feature_set.name
    assert declared.title
    assert declared.source
    assert declared.version
    assert declared.needs in ("formula", "structure", "columns")


def test_rows_and_columns(feature_set: FeatureSet) -> None:
    names = feature_set.names()
    assert len(set(names)) == len(names)
    assert all(isinstance(name, str) and name for name in names)
    matrix, lacking = feature_set.compute(inputs())
    assert matrix.shape == (len(FORMULAS), len(names))
    assert matrix.dtype == np.float32
    assert np.isfinite(matrix).all()
    assert lacking == {}


def test_a_row_depends_on_its_own_inputs_alone(feature_set: FeatureSet) -> None:
    matrix = feature_set.compute(inputs()).matrix
    turned = feature_set.compute(inputs(FORMULAS[::-1])).matrix
    np.testing.assert_array_equal(turned, matrix[::-1])
    np.testing.assert_array_equal(feature_set.compute(inputs(FORMULAS[2:3])).matrix[0], matrix[2])
    np.testing.assert_array_equal(matrix[1], matrix[4])
    other = [row.tobytes() for row in matrix[[0, 1, 2, 3, 5, 6]]]
    assert len(set(other)) == 6


def test_no_rows_are_no_trouble(feature_set: FeatureSet) -> None:
    matrix, lacking = feature_set.compute(inputs(()))
    assert matrix.shape == (0, len(feature_set.names()))
    assert lacking == {}


def test_the_inputs_are_left_alone(feature_set: FeatureSet) -> None:
    given = inputs()
    formulas, density = list(given.formulas), given.numbers["density"].copy()
    feature_set.compute(given)
    assert list(given.formulas) == formulas
    np.testing.assert_array_equal(given.numbers["density"], density)


def test_the_cache_gives_what_was_computed(feature_set: FeatureSet) -> None:
    expected = feature_set.compute(inputs()).matrix
    for _ in range(2):
        features = build(feature_set.name, inputs())
        np.testing.assert_array_equal(features.matrix, expected)
        assert (features.names, features.digest) == (feature_set.names(), feature_set.digest())


def test_it_stands_beside_others(feature_set: FeatureSet) -> None:
    other = "magpie" if feature_set.name == "element_grid" else "element_grid"
    features = build(f"{feature_set.name}+{other}", inputs())
    width = len(feature_set.names())
    np.testing.assert_array_equal(features.matrix[:, :width], feature_set.compute(inputs()).matrix)
    np.testing.assert_array_equal(features.matrix[:, width:], build(other, inputs()).matrix)


def test_an_unknown_option_is_refused(feature_set: FeatureSet) -> None:
    with pytest.raises(InputError) as refused:
        FEATURE_SETS.get(feature_set.name).with_options({"nonsense": "1"})
    assert "option" in refused.value.message
    assert feature_set.name in refused.value.message
    assert "nonsense" in refused.value.message


def test_another_version_is_another_digest(feature_set: FeatureSet) -> None:
    assert replace(feature_set, version="0").digest() != feature_set.digest()


def test_the_digest_is_the_same_in_every_process(feature_set: FeatureSet) -> None:
    declared = FEATURE_SETS.get(feature_set.name)
    assert len(declared.digest()) == 64
    code = (
        "import sys; from fesearch.featureset import FEATURE_SETS\n"
        "print(FEATURE_SETS.get(sys.argv[1]).digest())\n"
        "print(*{'matminer', 'pymatgen', 'ray', 'torch', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, feature_set.name],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    digest, heavy = done.stdout.split("\n")[:2]
    assert digest == declared.digest()
    assert heavy == "", "what it is can be said without heavy libraries"


def test_the_spelling_of_a_formula_does_not_matter(feature_set: FeatureSet) -> None:
    spellings = ["Fe2O3", "O3Fe2", "Fe4O6", "Fe0.4 O0.6"]
    structures = Structures.of([structure_of("Fe2O3", 3.5)] * 4)
    given = Inputs.of_formulas(spellings, structures, {"density": np.full(4, 5.24)})
    first, *others = feature_set.compute(given).matrix
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_rows_without_a_structure_are_told(feature_set: FeatureSet) -> None:
    given = inputs()
    assert given.structures is not None
    some = replace(given, structures=given.structures.without({0, 3}))
    matrix, lacking = feature_set.compute(some)
    if feature_set.needs == "structure":
        assert lacking == {0: "no structure", 3: "no structure"}
        assert np.isnan(matrix[[0, 3]]).all()
        assert np.isfinite(np.delete(matrix, [0, 3], axis=0)).all()
    else:
        assert lacking == {}
        assert np.isfinite(matrix).all()
