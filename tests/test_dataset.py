"""Data sets in memory and on disk."""

import csv
import itertools
import random
import string
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fesearch import dataset, intake, library
from fesearch.dataset import Dataset, Step, make
from fesearch.description import describe
from fesearch.errors import InputError
from fesearch.formula import ELEMENTS
from fesearch.intake import Wanted
from fesearch.source import Summary
from fesearch.structure import Structures


@pytest.fixture(autouse=True)
def artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FESEARCH_ARTIFACTS", str(tmp_path / "kept"))
    return tmp_path / "kept"


def small(name: str = "oxides", **changes: object) -> Dataset:
    """Three rows, two of one composition."""
    keywords: dict[str, object] = {
        "formulas": ["Fe2O3", "Al2 O3", "Fe4O6"],
        "targets": {"e": [-1.5, -3.0, -1.25]},
        "units": {"e": "eV/atom"},
        "ids": ["c", "a", "b"],
        "columns": {"fold": ["train", "", "test"]},
        "source": "a bench",
        **changes,
    }
    return make(name, **keywords)  # type: ignore[arg-type]


def test_rows_are_sorted_by_id_and_cannot_be_changed() -> None:
    data = small()
    assert data.ids == ("a", "b", "c")
    assert data.formulas == ("Al2 O3", "Fe4O6", "Fe2O3")
    assert data.reduced == ("Al2O3", "Fe2O3", "Fe2O3")
    assert data.target("e").tolist() == [-3.0, -1.25, -1.5]
    assert data.columns == {"fold": ("", "test", "train")}
    with pytest.raises(ValueError, match="read-only"):
        data.target("e")[0] = 0.0


def test_rows_without_ids_are_called_by_their_composition() -> None:
    assert small(ids=None).ids == ("Al2O3", "Fe2O3", "Fe2O3#2")


ROW = st.tuples(
    st.sampled_from(["Fe2O3", "Fe4O6", "NaCl"]),
    st.sampled_from([-1.0, 0.0, 2.5]),
    st.sampled_from([1.0, np.nan]),
    st.sampled_from(["", "train"]),
)


@given(st.lists(ROW, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_without_ids_the_order_of_rows_is_of_no_effect(
    rows: list[tuple[str, float, float, str]], order: random.Random
) -> None:
    def data(some: list[tuple[str, float, float, str]]) -> Dataset:
        formulas, targets, numbers, folds = zip(*some, strict=True)
        kept = {"numbers": {"x": numbers}, "columns": {"fold": folds}}
        return make("any", formulas, {"e": targets}, {"e": "eV"}, **kept)  # type: ignore[arg-type]

    shuffled = order.sample(rows, len(rows))
    assert data(shuffled).hash == data(rows).hash
    assert data(shuffled).ids == data(rows).ids


def test_the_hash_stands_for_the_rows_and_nothing_else() -> None:
    data = small()
    assert data.hash == "26ae7756a42f313bd9cb3199d859879fda323e90c0ebd338ba21f3995e89f35a"
    backwards = small(
        "other",
        formulas=["Fe4O6", "Al2 O3", "Fe2O3"],
        targets={"e": [-1.25, -3.0, -1.5]},
        ids=["b", "a", "c"],
        columns={"fold": ["test", "", "train"]},
        source="elsewhere",
    )
    assert backwards.hash == data.hash
    assert small(targets={"e": [0.0, 0, 0]}).hash == small(targets={"e": [-0.0, 0, 0]}).hash


@pytest.mark.parametrize(
    "changes",
    [
        {"formulas": ["Fe2O3", "Al2O3", "Fe4O6"]},
        {"targets": {"e": [-1.5, -3.0, -1.25000001]}},
        {"targets": {"f": [-1.5, -3.0, -1.25]}, "units": {"f": "eV/atom"}},
        {"units": {"e": "eV"}},
        {"ids": ["c", "a", "bb"]},
        {"columns": {"fold": ["train", "", "val"]}},
        {"columns": {}},
    ],
)
def test_the_hash_changes_with_the_rows(changes: dict[str, object]) -> None:
    assert small(**changes).hash != small().hash


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"formulas": [], "ids": [], "targets": {"e": []}}, "The data set 'oxides' has no rows."),
        ({"targets": {}}, "The data set 'oxides' has no targets."),
        ({"targets": {"e": [1.0]}}, "The data set 'oxides' has columns of unequal length."),
        ({"ids": ["a", "b", "a"]}, "The data set 'oxides' has the row id 'a', empty or repeated."),
        ({"ids": ["a", "b", ""]}, "The data set 'oxides' has the row id '', empty or repeated."),
        ({"units": {}}, "The target 'e' has no unit."),
        ({"targets": {"e": [0, np.nan, 0]}}, "The target 'e' of row 'a' is nan."),
        ({"formulas": ["Fe", "Al", "Q"]}, "'Q' is not a formula: there is no element Q."),
        ({"name": "../up"}, "A data set cannot be called '../up'."),
    ],
)
def test_what_is_no_data_set_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        small(**changes)  # type: ignore[arg-type]
    assert caught.value.message == message


def test_saved_loaded_and_listed(artifacts: Path) -> None:
    data = small(title="Oxides", licence="CC0", citation="me")
    assert library.save(data) == artifacts / "datasets" / "oxides.parquet"
    library.save(data)  # the same rows again do no harm
    loaded = library.load("oxides")
    assert _content(loaded) == _content(data)
    assert [summary.name for summary in library.listing()] == ["miedema", "oxides"]
    assert library.listing()[1] == Summary("oxides", 3, data.units, data.hash, "a bench")
    assert [path.name for path in (artifacts / "datasets").iterdir()] == ["oxides.parquet"]


def _content(data: Dataset) -> dict[str, object]:
    arrays = {name: array.tolist() for name, array in data.targets.items()}
    return {**vars(data), "targets": arrays, "hash": data.hash}


def test_numbers_structures_and_steps_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_GROUP", 2)
    texts = ["one", "", "three"]  # of the rows c, a and b
    steps = (Step("compounds", 4, 3),)
    numbers = {"volume": [1.0, np.nan, 3.0]}
    data = small(numbers=numbers, structures=Structures.of(texts), steps=steps)
    library.save(data)
    loaded = library.load("oxides")
    assert loaded.hash == data.hash != small().hash
    assert loaded.steps == steps
    np.testing.assert_array_equal(loaded.numbers["volume"], [np.nan, 3.0, 1.0])
    assert loaded.structures is not None
    assert list(loaded.structures.texts([2, 0, 1])) == ["one", "", "three"]
    assert small(steps=steps).hash == small().hash


def test_a_structure_that_was_changed_is_refused() -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = library.save(small(structures=Structures.of(["one", "two", "three"])))
    table = pq.read_table(path)
    place = table.column_names.index("structure")
    pq.write_table(table.set_column(place, "structure", pa.array(["two", "3", "one"])), path)
    structures = library.load("oxides").structures
    assert structures is not None
    assert list(structures.texts([0])) == ["two"]
    with pytest.raises(InputError, match="The file of the data set 'oxides' is damaged"):
        list(structures.texts([1]))


def test_an_infinite_number_is_refused() -> None:
    with pytest.raises(InputError, match="The number 'volume' of row 'a' is inf"):
        small(numbers={"volume": [1.0, np.inf, 2.0]})
    with pytest.raises(InputError, match=r"The number 'volume' of row 'a' is -1e\+39"):
        small(numbers={"volume": [3e38, -1e39, 2.0]})


def test_the_hash_of_many_rows_does_not_depend_on_the_pieces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = small(structures=Structures.of(["a", "", "b"])).hash
    for piece in (1, 2, 3):
        monkeypatch.setattr(dataset, "_PIECE", piece)
        assert small(structures=Structures.of(["a", "", "b"])).hash == whole


def test_a_name_is_never_given_to_other_data() -> None:
    library.save(small())
    with pytest.raises(InputError) as caught:
        library.save(small(units={"e": "eV"}))
    assert str(caught.value) == (
        "There is another data set called 'oxides' already.\n"
        "Choose another: --name NAME, or type: fesearch data delete oxides"
    )
    assert library.load("oxides").units == {"e": "eV/atom"}


def test_nothing_is_imported_over_what_comes_with_the_package() -> None:
    with pytest.raises(InputError, match="'miedema' is the name of data that comes with fesearch"):
        library.save(small("miedema"))


def test_data_may_be_called_as_a_kind_of_files(artifacts: Path) -> None:
    assert library.save(small("parquet")) == artifacts / "datasets" / "parquet.parquet"
    assert len(library.load("parquet")) == 3
    library.delete("parquet")


def test_an_unknown_name_gets_the_nearest() -> None:
    library.save(small())
    for wrong, near in (("oxide", "oxides"), ("midema", "miedema")):
        with pytest.raises(InputError) as caught:
            library.load(wrong)
        assert str(caught.value) == (
            f"There is no data set '{wrong}'.\nDid you mean '{near}'? Type: fesearch data list"
        )
    with pytest.raises(InputError, match="There is no data set 'delimited'"):
        library.load("delimited")
    with pytest.raises(InputError, match=r"There is no target 'f'\."):
        small().target("f")


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_a_file_cut_short_is_refused(keep: float) -> None:
    path = library.save(small())
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    _assert_damaged(path)


def test_a_file_with_another_value_is_refused() -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = library.save(small())
    table = pq.read_table(path)
    place = table.column_names.index("target:e")
    pq.write_table(table.set_column(place, "target:e", pa.array([-3.0, -1.25, -1.6])), path)
    _assert_damaged(path)


def test_a_wrong_byte_never_gives_other_rows() -> None:
    data = small()
    path = library.save(data)
    content = path.read_bytes()
    for place in random.Random(1).sample(range(len(content)), 60):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        try:
            loaded = library.load("oxides")
        except InputError:
            continue
        assert loaded.hash == data.hash


def test_a_parquet_file_of_something_else_is_refused(
    artifacts: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = artifacts / "datasets" / "oxides.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"x": [1]}), path)
    _assert_damaged(path)
    library.save(small("others"))
    assert [summary.name for summary in library.listing()] == ["miedema", "others"]
    assert caplog.messages == [
        "Warning: The file of the data set 'oxides' is damaged. "
        f"Remove {path} and import the data again."
    ]


def _assert_damaged(path: Path) -> None:
    with pytest.raises(InputError) as caught:
        library.load("oxides")
    assert str(caught.value) == (
        f"The file of the data set 'oxides' is damaged.\nRemove {path} and import the data again."
    )


def test_a_save_that_fails_leaves_nothing(artifacts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(data: Dataset, path: Path) -> None:
        path.write_bytes(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(library, "_write", stopped)
    with pytest.raises(KeyboardInterrupt):
        library.save(small())
    assert list((artifacts / "datasets").iterdir()) == []


def test_description() -> None:
    shown = describe(small(targets={"e": [1.0, 2.0, 6.0]}), bins=5)
    assert shown.compositions == 2
    assert list(shown.elements.items()) == [("O", 3), ("Fe", 2), ("Al", 1)]
    target = shown.targets["e"]
    assert (target.unit, target.mean, target.minimum, target.maximum) == ("eV/atom", 3.0, 1.0, 6.0)
    assert target.sd == pytest.approx((14 / 3) ** 0.5)
    assert target.quartiles == (1.5, 2.0, 4.0)
    assert target.counts == (1, 1, 0, 0, 1)


def test_listing_imports_nothing_heavy() -> None:
    heavy = "pyarrow pandas matminer pymatgen torch sklearn"
    code = (
        "import sys; from fesearch import library; assert library.listing(); "
        f"sys.exit(' '.join(m for m in '{heavy}'.split() if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


_formulas = st.lists(
    st.tuples(st.sampled_from(ELEMENTS), st.integers(1, 9)).map(lambda p: f"{p[0]}{p[1]}"),
    min_size=1,
    max_size=4,
).map("".join)
_numbers = st.floats(allow_nan=False, allow_infinity=False)
_texts = st.text(alphabet=string.printable + "é·\u2028", max_size=8).map(str.strip)
_tables = st.lists(st.tuples(_formulas, _numbers, _texts), min_size=1, max_size=8)
_names = itertools.count()


@given(_tables)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_table_goes_through_csv_and_parquet_unchanged(
    tmp_path: Path, table: list[tuple[str, float, str]]
) -> None:
    path = tmp_path / "any.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["formula", "e", "note"])
        rows.writerows((text, repr(number), note) for text, number, note in table)
    name = f"any{next(_names)}"
    data = intake.read(path, name, Wanted({"e": "eV"}, formula="formula", columns=("note",)))
    formulas, numbers, notes = (list(column) for column in zip(*table, strict=True))
    made = make(name, formulas, {"e": numbers}, {"e": "eV"}, columns={"note": notes})
    library.save(data)
    assert library.load(name).hash == data.hash == made.hash
