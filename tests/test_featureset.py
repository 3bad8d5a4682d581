"""What feature sets are computed from: formulas, structures and the user's own numbers."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from toy_sets import NAMES, TOY, TOY_STRUCTURES, calls

from fesearch import dataset, featureset
from fesearch.errors import InputError
from fesearch.featureset import ColumnFeatureSet, Inputs
from fesearch.structure import Structures

FORMULAS = ["Fe2O3", "NaCl", "Fe4O6", "XeF2", "NaCl", "Al2O3"]
COLUMNS = ColumnFeatureSet(name="columns", title="Own", source="the data", version="1")


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    calls.clear()


def with_numbers(**numbers: list[float]) -> Inputs:
    length = len(next(iter(numbers.values()), []))
    arrays = {name: np.array(values) for name, values in numbers.items()}
    return Inputs.of_formulas(["NaCl"] * length, numbers=arrays)


# Inputs


def test_inputs_of_a_data_set_are_its_rows_in_its_order() -> None:
    made = dataset.make(
        "salts",
        ["NaCl", "Fe4O6"],
        {"e": [1.0, 2.0]},
        {"e": "eV"},
        ids=["b", "a"],
        numbers={"density": [2.0, 5.0]},
        structures=Structures.of(["salt", ""]),
    )
    inputs = Inputs.of(made)
    assert list(inputs.formulas) == ["Fe2O3", "ClNa"]
    assert inputs.numbers["density"].tolist() == [5.0, 2.0]
    assert inputs.structures is not None
    assert list(inputs.structures.texts([0, 1])) == ["", "salt"]
    assert len(inputs) == 2


def test_what_is_not_a_formula_is_refused() -> None:
    with pytest.raises(InputError, match="'Fe2Qq' is not a formula: there is no element Qq"):
        Inputs.of_formulas(["NaCl", "Fe2Qq"])


# Formulas


def test_each_composition_is_computed_once_and_rows_keep_their_order() -> None:
    matrix, lacking = TOY.compute(Inputs.of_formulas(FORMULAS))
    assert calls == [["Fe2O3", "ClNa", "F2Xe", "Al2O3"]]
    assert matrix.dtype == np.float32
    assert matrix[:, 0].tolist() == [5, 4, 5, 4, 4, 5]
    assert lacking == {}


def test_progress_counts_distinct_compositions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(featureset, "CHUNK", 3)
    told: list[tuple[int, int]] = []
    TOY.compute(Inputs.of_formulas(FORMULAS), lambda done, total: told.append((done, total)))
    assert told == [(0, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize(
    "changed", [{"version": "2"}, {"tables": lambda: {"table": b"1 2 4"}}, {"name": "other"}]
)
def test_other_tables_or_code_are_another_digest(changed: dict[str, object]) -> None:
    assert replace(TOY, **changed).digest() != TOY.digest()  # type: ignore[arg-type]
    assert replace(TOY).digest() == TOY.digest()


def test_a_set_without_options_says_so() -> None:
    assert TOY.with_options({}) is TOY
    with pytest.raises(InputError) as refused:
        TOY.with_options({"longest": "3"})
    assert str(refused.value) == (
        "The feature set 'toy' has no option 'longest', nor any.\nType: --features toy"
    )


# Structures


def test_each_structure_is_computed_once_and_rows_without_say_why() -> None:
    structures = Structures.of(["salt", "", "slow one", "rutile", "salt", "slow one"])
    inputs = Inputs.of_formulas(["NaCl"] * 6, structures)
    matrix, lacking = TOY_STRUCTURES.compute(inputs)
    assert calls == [["salt", "slow one", "rutile"]]
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix[:, 0], [4, np.nan, np.nan, 6, 4, np.nan])
    assert lacking == {1: "no structure", 2: "too slow", 5: "too slow"}


def test_only_structures_that_are_there_are_read_and_each_once() -> None:
    asked: list[int] = []

    def read(rows: list[int]) -> Iterator[str]:
        asked.extend(rows)
        return (f"text {row}" for row in rows)

    structures = Structures(["a", "", "b", "a"], read)  # type: ignore[arg-type]
    TOY_STRUCTURES.compute(Inputs.of_formulas(["NaCl"] * 4, structures))
    assert asked == [0, 2]


def test_data_without_structures_are_refused() -> None:
    with pytest.raises(InputError) as refused:
        TOY_STRUCTURES.bound(Inputs.of_formulas(["NaCl"]))
    assert str(refused.value) == (
        "The feature set 'toy_structures' reads structures, and these data have none.\n"
        "Import them again with --structure COL, or choose other --features."
    )


# Own columns


def test_columns_are_the_numbers_by_name() -> None:
    inputs = with_numbers(width=[1.0, 2.0], age=[np.nan, 4.0])
    bound = COLUMNS.bound(inputs)
    assert bound.names() == ("age", "width")
    matrix, lacking = bound.compute(inputs)
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, [[np.nan, 1], [4, 2]])
    assert lacking == {}, "an empty cell is a value that is not known, not a row to leave out"
    assert bound.content(inputs) is None, "there is nothing to gain from a cache"


def test_the_digest_of_columns_is_of_their_names() -> None:
    one, two = with_numbers(age=[1.0]), with_numbers(age=[1.0], width=[2.0])
    other_values = with_numbers(age=[3.0])
    digest = COLUMNS.bound(one).digest()
    assert COLUMNS.bound(other_values).digest() == digest, "values are part of the data's hash"
    assert len({digest, COLUMNS.bound(two).digest(), COLUMNS.digest()}) == 3
    assert COLUMNS.naming(["a,b"]).digest() != COLUMNS.naming(["a", "b"]).digest()


def test_chosen_columns_stay_chosen() -> None:
    inputs = with_numbers(age=[1.0], width=[2.0])
    chosen = COLUMNS.naming(["width"]).bound(inputs)
    assert chosen.names() == ("width",)
    assert chosen.compute(inputs).matrix.tolist() == [[2.0]]


@pytest.mark.parametrize(
    ("chosen", "numbers", "which"),
    [
        (COLUMNS, {}, "the data's own numeric columns"),
        (COLUMNS.naming(["age"]), {"width": [1.0]}, "the column 'age'"),
    ],
)
def test_data_without_the_columns_are_refused(
    chosen: ColumnFeatureSet, numbers: dict[str, list[float]], which: str
) -> None:
    with pytest.raises(InputError) as refused:
        chosen.bound(with_numbers(**numbers))
    assert str(refused.value) == (
        f"The feature set 'columns' reads {which}, and these data have none such.\n"
        "Import them again with --numbers COL, or choose other --features."
    )


def test_names_are_as_declared() -> None:
    assert TOY.names() == NAMES
    assert COLUMNS.names() == ()
