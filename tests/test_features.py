"""Features by name: sets side by side, from the cache or computed, and rows that lack them."""

from dataclasses import replace

import numpy as np
import pytest
from toy_sets import NAMES, TOY, TOY_STRUCTURES, calls, install

from fesearch import dataset, featurecache
from fesearch.errors import FesearchError, InputError
from fesearch.features import Combination, Features, available, build
from fesearch.featureset import FeatureSet, Inputs
from fesearch.paths import cache_dir
from fesearch.structure import Structures

FORMULAS = ["Fe2O3", "NaCl", "Fe4O6", "XeF2", "NaCl", "Al2O3"]
TEXTS = ["salt", "", "slow one", "rutile", "salt", "slow one"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FESEARCH_CACHE_DIR", str(tmp_path_factory.mktemp("c") / "cache"))
    calls.clear()
    install(monkeypatch)


def inputs(
    formulas: list[str] = FORMULAS,
    texts: list[str] | None = None,
    **numbers: list[float],
) -> Inputs:
    structures = None if texts is None else Structures.of(texts)
    arrays = {name: np.array(values) for name, values in numbers.items()}
    return Inputs.of_formulas(formulas, structures, arrays)


def never(done: int, total: int) -> None:
    pytest.fail("progress is told of what the cache has")


def cached_names() -> list[str]:
    return [entry.name for entry in featurecache.cached()]


# Names and options


def test_one_name_is_one_set() -> None:
    found = Combination.parse(" toy ")
    assert found.terms == (TOY,)
    assert (found.name, found.names, found.digest) == ("toy", NAMES, TOY.digest())


def test_sets_stand_side_by_side_in_the_order_typed() -> None:
    one, two = Combination.parse("toy + element_grid"), Combination.parse("element_grid+toy")
    assert one.name == "toy+element_grid"
    assert one.names[:5] == (*NAMES, "row 0 column 0 H")
    assert one.needs == {"formula"}
    assert len({one.digest, two.digest, TOY.digest()}) == 3
    assert one.digest == Combination.parse("toy+element_grid").digest


def test_names_are_prefixed_only_where_they_clash() -> None:
    given = inputs(["NaCl"], Na=[3.0], age=[7.0])
    bound = Combination.parse("element_fractions+columns").bound(given)
    assert bound.names[10] == "element_fractions.Na"
    assert bound.names[11] == "Mg"
    assert bound.names[-2:] == ("columns.Na", "age")
    assert len(set(bound.names)) == len(bound.names)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("magpi", "There is no feature set 'magpi'.\nDid you mean 'magpie'? "),
        ("toy+element_girds", "There is no feature set 'element_girds'.\nDid you mean"),
        ("toy+", "There is no feature set ''.\nType: fesearch features list"),
        ("toy+toy", "The feature set 'toy' is named 2 times in 'toy+toy'.\nName it once. "),
        ("toy:a=1", "The feature set 'toy' has no option 'a', nor any.\nType: --features toy"),
        (
            "element_sequence:longest",
            "The option 'longest' of the feature set 'element_sequence' has no value.\n"
            "Write it like element_sequence:longest=12",
        ),
        (
            "element_sequence:longest=9,longest=10",
            "The option 'longest' of the feature set 'element_sequence' is given twice.\n",
        ),
    ],
)
def test_wrong_names_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        build(text, inputs())
    assert str(refused.value).startswith(message)


# Matrices


def both(name: str, given: Inputs) -> tuple[Features, Features]:
    """The features as first computed, and as found again."""
    return build(name, given), build(name, given, never)


def test_the_second_build_computes_nothing() -> None:
    first, second = both("toy", inputs())
    assert len(calls) == 1
    assert isinstance(second.matrix, np.memmap)
    np.testing.assert_array_equal(first.matrix, second.matrix)
    for features in (first, second):
        assert (features.name, features.digest, features.names) == ("toy", TOY.digest(), NAMES)
        assert features.matrix.shape == (6, len(NAMES))
        assert features.matrix.dtype == np.float32
        assert features.constant == ("one",)
        assert features.non_finite == {"nan for Xe": 1, "infinite": 6}
        assert features.lacking == {}
        with pytest.raises(ValueError, match="read-only"):
            features.matrix[0, 0] = 1.0


def test_a_sum_is_its_terms_column_by_column() -> None:
    given = inputs(texts=TEXTS, one=[1.0, 2.0, np.nan, 4.0, 5.0, 6.0])
    for features in both("toy+columns+element_grid", given):
        matrix = features.matrix
        assert matrix.shape == (6, 4 + 1 + 100)
        assert matrix.dtype == np.float32
        assert not matrix.flags.writeable
        np.testing.assert_array_equal(matrix[:, :4], build("toy", given).matrix)
        np.testing.assert_array_equal(matrix[:, 4], given.numbers["one"])
        np.testing.assert_array_equal(matrix[:, 5:], build("element_grid", given).matrix)
        assert features.names[3:5] == ("toy.one", "columns.one")
        assert "toy.one" in features.constant
        assert "row 0 column 0 H" in features.constant
        assert features.non_finite == {"nan for Xe": 1, "infinite": 6, "columns.one": 1}


def test_terms_are_cached_each_by_itself_and_columns_not_at_all() -> None:
    given = inputs(age=[1.0] * 6)
    build("columns+toy", given)
    assert cached_names() == ["toy"]
    build("element_grid+toy", given, lambda done, total: None)
    assert len(calls) == 1, "another sum finds it"
    assert cached_names() == ["element_grid", "toy"]
    build("element_sequence:longest=9", given)
    assert cached_names() == ["element_grid", "element_sequence", "toy"], "without its options"


def test_computing_without_the_cache_gives_the_same() -> None:
    given = inputs(texts=TEXTS, age=[1.0] * 6)
    built = build("toy+toy_structures+columns", given)
    matrix, lacking = Combination.parse("toy+toy_structures+columns").compute(given)
    np.testing.assert_array_equal(matrix, built.matrix)
    assert lacking == built.lacking


def test_no_formulas_are_no_rows() -> None:
    for features in both("toy", inputs([])):
        assert features.matrix.shape == (0, len(NAMES))
        assert (features.constant, features.non_finite) == ((), {})


# Rows that lack features


def test_rows_without_a_structure_say_so_also_from_the_cache() -> None:
    texts = ["salt", "", "rutile", "rutile", "salt", "salt"]
    for features in both("toy_structures+toy", inputs(texts=texts)):
        assert features.lacking == {1: "no structure"}
        assert np.isnan(features.matrix[1, :2]).all()
        assert features.matrix[1, 2] == len("ClNa"), "other sets are not concerned"
        assert features.constant == ("toy_structures.one", "toy.one"), "in the rows that have them"
        assert features.non_finite == {"nan for Xe": 1, "infinite": 6}
    assert len(calls) == 2


def test_structures_that_failed_are_tried_again() -> None:
    for count in (1, 2):
        features = build("toy_structures", inputs(texts=TEXTS))
        assert features.lacking == {1: "no structure", 2: "too slow", 5: "too slow"}
        assert len(calls) == count
    assert cached_names() == []


def test_the_same_structures_of_other_formulas_are_found() -> None:
    build("toy_structures", inputs(texts=["salt"] * 6))
    build("toy_structures", inputs(FORMULAS[::-1], texts=["salt"] * 6), never)
    build("toy_structures", inputs(texts=["rutile"] * 6))
    assert len(calls) == 2


def test_rows_that_have_all_features_are_available() -> None:
    made = dataset.make(
        "salts",
        FORMULAS,
        {"e": [0.0] * 6},
        {"e": "eV"},
        ids=list("abcdef"),
        structures=Structures.of(TEXTS),
    )
    wanted = [True, False, False, True, True, False]
    assert available("toy_structures", made).tolist() == wanted
    assert available("toy+toy_structures", made).tolist() == wanted
    assert available("toy", made).tolist() == [True] * 6


# What is another entry of the cache


def test_other_formulas_or_another_order_are_another_entry() -> None:
    build("toy", inputs())
    turned = build("toy", inputs(FORMULAS[::-1]))
    assert len(calls) == 2
    assert turned.matrix[:, 0].tolist() == [5, 4, 4, 5, 4, 5]


@pytest.mark.parametrize("changed", [{"version": "2"}, {"tables": lambda: {"table": b"1 2 4"}}])
def test_other_tables_or_code_are_another_entry(
    changed: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = build("toy", inputs()).digest
    install(monkeypatch, replace(TOY, **changed))  # type: ignore[arg-type]
    after = build("toy", inputs()).digest
    assert before != after
    assert len(calls) == 2


def test_an_entry_of_another_version_is_computed_again() -> None:
    build("toy", inputs())
    [entry] = featurecache.cached()
    featurecache.save(entry.path, np.zeros((6, 4), dtype=np.float32), {"constant": []})
    assert build("toy", inputs()).matrix[0, 0] == 5
    assert len(calls) == 2


def test_nothing_is_left_of_a_computation_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(formulas: object) -> np.ndarray:
        raise InputError("No.", "Stop.")

    install(monkeypatch, replace(TOY, rows=fail))
    with pytest.raises(InputError, match="No"):
        build("toy", inputs())
    assert list((cache_dir() / "features").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_said_before_the_work() -> None:
    cache_dir().write_text("a file where the folder should be")
    with pytest.raises(FesearchError) as failed:
        build("toy", inputs())
    assert str(failed.value) == (
        f"The features cannot be written to {cache_dir() / 'features'}: Not a directory.\n"
        "Make room there, or name another folder in FESEARCH_CACHE_DIR."
    )
    assert not calls


@pytest.mark.parametrize("wanted", [TOY_STRUCTURES])
def test_data_that_lack_what_a_set_reads_are_refused_before_the_work(wanted: FeatureSet) -> None:
    with pytest.raises(InputError, match="reads structures, and these data have none"):
        build(f"toy+{wanted.name}", inputs())
    with pytest.raises(InputError, match="reads the data's own numeric columns"):
        build("toy+columns", inputs())
    assert not calls
