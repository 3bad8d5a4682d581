"""Divisions: what can be asked for, who lands where, and that the test part stays sealed."""

import contextlib
import dataclasses
import gc
import hashlib
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fesearch import dataset
from fesearch.dataset import Dataset
from fesearch.errors import InputError
from fesearch.groups import Crossing
from fesearch.split import Split, fingerprint, make
from fesearch.splits.column import ColumnSplit
from fesearch.splits.random import RandomSplit
from fesearch.splitspec import SplitSpec

ELEMENTS = ("Al", "B", "Ca", "Fe", "K", "Li", "Mg", "Na", "Ni", "Ti")


def data(
    formulas: Sequence[str],
    targets: Sequence[float] | None = None,
    columns: Mapping[str, Sequence[str]] | None = None,
    ids: Sequence[str] | None = None,
) -> Dataset:
    values = targets if targets is not None else np.arange(len(formulas), dtype=np.float64)
    ids = ids or [f"r{row:04d}" for row in range(len(formulas))]
    return dataset.make(
        "toy", formulas, {"e": values}, {"e": "eV/atom"}, ids=ids, columns=columns or {}
    )


def oxides(count: int) -> list[str]:
    """Distinct formulas."""
    return [f"{ELEMENTS[n % 10]}{n // 10 + 1}O{(n // 10 + 1) * 7 + 1}" for n in range(count)]


def by_role(rows: Dataset, split: Split) -> dict[str, str]:
    """Row id -> role of the used rows."""
    parts = {"train": split.train, "val": split.val, "test": split.test}
    return {rows.ids[row]: role for role, part in parts.items() for row in part}


# What can be asked for


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("random", RandomSplit()),
        ("random:", RandomSplit()),
        ("random:seed=3", RandomSplit(seed=3)),
        ("random:fractions=90:10:0", RandomSplit(fractions=(90, 10, 0))),
        (" random:seed=1, group=none ", RandomSplit(seed=1, group="none")),
        ("column:fold0", ColumnSplit(column="fold0")),
        ("column:my: fold", ColumnSplit(column="my: fold")),
    ],
)
def test_text_is_read(text: str, spec: SplitSpec) -> None:
    assert SplitSpec.parse(text) == spec


def test_a_study_file_means_the_same_as_the_command_line() -> None:
    table = {"kind": "random", "seed": 2, "fractions": [80, 10, 10], "group": "none"}
    text = "random:seed=2,fractions=80:10:10,group=none"
    assert SplitSpec.from_mapping(table) == SplitSpec.parse(text)
    assert str(SplitSpec.from_mapping(table)) == text
    assert SplitSpec.from_mapping({"kind": "column", "column": "f"}) == ColumnSplit("f")
    assert SplitSpec.from_mapping({"seed": 4}) == RandomSplit(seed=4)


def test_the_text_says_every_option() -> None:
    assert str(RandomSplit()) == "random:seed=0,fractions=81:9:10,group=formula"
    assert str(ColumnSplit("fold0")) == "column:fold0"


@given(
    seed=st.integers(),
    fractions=st.tuples(
        st.floats(1e-9, 1e9), st.floats(1e-9, 1e9), st.floats(0, 1e9, allow_subnormal=False)
    ),
    group=st.sampled_from(["formula", "none"]),
)
def test_text_comes_back_as_it_was(
    seed: int, fractions: tuple[float, float, float], group: str
) -> None:
    spec = RandomSplit(seed, fractions, group)
    assert SplitSpec.parse(str(spec)) == spec


@given(st.text())
def test_any_text_is_a_spec_or_refused(text: str) -> None:
    for asked in (text, f"random:{text}", f"random:fractions={text}", f"column:{text}"):
        with contextlib.suppress(InputError):
            spec = SplitSpec.parse(asked)
            assert str(SplitSpec.parse(str(spec))) == str(spec)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("randon", "There is no kind of split 'randon'.", "Did you mean 'random'?"),
        ("random:sed=3", "There is no random split option 'sed'.", "Did you mean 'seed'?"),
        ("random:kind=column", "There is no random split option 'kind'.", "Type: --split random"),
        ("random:seed=x", "The split seed is 'x'.", "Give a whole number, such as seed=0."),
        ("random:seed", "The split option 'seed' has no value.", "Write NAME=VALUE"),
        ("random:seed=1,seed=2", "The split option 'seed' is given twice.", "--split random"),
        ("random:group=fold", "There is no split grouping 'fold'.", "Type: --split random"),
        (
            "random:fractions=90",
            "The split fractions are '90'.",
            "Give three numbers, such as 81:9:10, or train and test, such as 9:1.",
        ),
        (
            "random:fractions=90:0:10",
            "The split fractions 90:0:10 leave no rows to train on or to validate on, or are "
            "negative.",
            "Give train:val:test with train and val above 0, such as 81:9:10 or 90:10:0.",
        ),
        ("column", "A split by column names no column.", "Type: --split column:NAME"),
    ],
)
def test_what_cannot_be_asked_for(text: str, message: str, hint: str) -> None:
    with pytest.raises(InputError) as refused:
        SplitSpec.parse(text)
    assert refused.value.message == message
    assert refused.value.hint.startswith(hint)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"kind": "random", "fraction": [8, 1, 1]}, "There is no random split option 'fraction'."),
        ({"kind": "column", "seed": 1}, "There is no column split option 'seed'."),
        ({"kind": ["random"]}, "There is no kind of split '['random']'."),
        ({"seed": True}, "The split seed is True."),
        ({"seed": 1.5}, "The split seed is 1.5."),
        ({"fractions": [8, "x", 1]}, "The split fractions are [8, 'x', 1]."),
        ({"fractions": 9}, "The split fractions are 9."),
        (
            {"fractions": [8, float("nan"), 1]},
            "The split fractions 8:nan:1 leave no rows to train on or to validate on, or are "
            "negative.",
        ),
        ({"kind": "column"}, "A split by column names no column."),
        ({"kind": "column", "column": 3}, "A split by column names no column."),
    ],
)
def test_what_a_study_file_cannot_ask_for(table: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        SplitSpec.from_mapping(table)
    assert refused.value.message == message


# Random divisions


def test_golden_division() -> None:
    """A change here makes every recorded result incomparable with new ones."""
    split = make(data(oxides(20)), RandomSplit(seed=1))
    assert split.val.tolist() == GOLDEN_VAL
    assert split.test.tolist() == GOLDEN_TEST
    assert split.fingerprint == GOLDEN_FINGERPRINT


GOLDEN_VAL = [5, 15]
GOLDEN_TEST = [3, 19]
GOLDEN_FINGERPRINT = "f200a5853ccb81cc20f98f232b77fe80e950b3436cca4c5d78b00e0f01471cc7"


def test_fingerprint_is_of_the_sorted_lines_of_used_rows() -> None:
    lines = "a\x1ftrain\nb\x1fval"
    expected = hashlib.sha256(lines.encode()).hexdigest()
    assert fingerprint(["b", "unused", "a"], ["val", "", "train"]) == expected


@st.composite
def repeated_formulas(draw: st.DrawFn) -> list[str]:
    """Formulas of which some occur many times, also spelled as multiples (FeO, Fe2O2).

    Drawn from two numbers, because shrinking a long list would take minutes.
    """
    count, seed = draw(st.integers(60, 300)), draw(st.integers(0, 10_000))
    chance = random.Random(seed)
    pool = oxides(chance.randint(25, 60))
    return [chance.choice(pool) * chance.randint(1, 2) for _ in range(count)]


@settings(max_examples=40, deadline=None)
@given(
    formulas=repeated_formulas(),
    seed=st.integers(0, 5),
    group=st.sampled_from(["formula", "none"]),
)
def test_parts_are_disjoint_complete_grouped_and_near_their_share(
    formulas: list[str], seed: int, group: str
) -> None:
    rows = data(formulas)
    split = make(rows, RandomSplit(seed=seed, group=group))
    n = len(rows)
    assert sorted([*split.train, *split.val, *split.test]) == list(range(n))
    sizes = Counter(rows.reduced if group == "formula" else rows.ids)
    largest = max(sizes.values())
    for part, share in ((split.test, 0.10), (split.val, 0.09)):
        assert share * n <= len(part) < share * n + largest
        assert part.dtype == np.int64
        assert np.all(np.diff(part) > 0)
    sides = [{rows.reduced[row] for row in part} for part in (split.train, split.val, split.test)]
    sides_of = Counter(text for side in sides for text in side)
    known = split.crossing["formulas"]
    assert known.crossing == sum(count > 1 for count in sides_of.values())
    assert known.distinct == len(set(rows.reduced))
    told = [sum(rows.reduced[row] in sides[0] for row in part) for part in (split.val, split.test)]
    assert [known.val_rows, known.test_rows] == told
    if group == "formula":
        assert (known.crossing, *told) == (0, 0, 0)


@settings(max_examples=20, deadline=None)
@given(formulas=repeated_formulas(), order=st.integers(0, 10_000), seed=st.integers(0, 5))
def test_order_of_rows_and_targets_do_not_matter(
    formulas: list[str], order: int, seed: int
) -> None:
    rows = data(formulas)
    places = list(range(len(formulas)))
    random.Random(order).shuffle(places)
    # Past `dataset.make`, which would sort the rows back
    shuffled = dataclasses.replace(
        rows,
        ids=tuple(rows.ids[p] for p in places),
        reduced=tuple(rows.reduced[p] for p in places),
        targets={"e": -rows.targets["e"]},
    )
    split, again = make(rows, RandomSplit(seed=seed)), make(shuffled, RandomSplit(seed=seed))
    assert by_role(rows, split) == by_role(shuffled, again)
    assert split.fingerprint == again.fingerprint


def test_another_seed_is_another_division() -> None:
    rows = data(oxides(100))
    seeds = [make(rows, RandomSplit(seed=seed)).fingerprint for seed in range(5)]
    assert len(set(seeds)) == 5


def test_no_test_part_where_none_is_asked_for() -> None:
    split = make(data(oxides(20)), SplitSpec.parse("random:fractions=90:10:0"))
    assert (len(split.train), len(split.val), len(split.test)) == (18, 2, 0)


def test_crossing_systems_are_counted() -> None:
    """FeO and Fe2O3 are one chemical system: told of one, a model is asked about the other."""
    columns = {"fold": ["train", "val", "train", "test", "", "val"]}
    rows = data(["FeO", "Fe2O3", "NaCl", "KCl", "NaBr", "Fe3O4"], columns=columns)
    crossing = make(rows, ColumnSplit("fold")).crossing
    assert crossing["formulas"] == Crossing(distinct=5, crossing=0, val_rows=0, test_rows=0)
    assert crossing["systems"] == Crossing(distinct=3, crossing=1, val_rows=2, test_rows=0)


def test_too_few_formulas() -> None:
    with pytest.raises(InputError) as refused:
        make(data(oxides(9) * 3), RandomSplit())
    assert str(refused.value) == (
        "The data set 'toy' has 9 distinct reduced formulas, too few to divide at random.\n"
        "Give at least 10, or a column of roles: --split column:NAME"
    )
    with pytest.raises(InputError, match="has 9 rows, too few"):
        make(data(oxides(9)), RandomSplit(group="none"))


def test_one_formula_with_most_rows_leaves_a_part_empty() -> None:
    rows = data(oxides(10) + oxides(1) * 500)
    refused = []
    for seed in range(30):
        try:
            make(rows, RandomSplit(seed=seed, fractions=(1, 500, 500)))
        except InputError as error:
            refused.append(str(error))
    assert refused
    assert (
        "of 'toy' leaves the train part empty.\n"
        "Every division needs rows to train on and rows to validate on."
    ) in refused[0]


# Divisions from a column


def test_a_column_of_roles() -> None:
    columns = {"fold0": ["train", "val", "", "valid", "validation", "test", "train"]}
    split = make(data(oxides(7), columns=columns), ColumnSplit("fold0"))
    assert split.spec == "column:fold0"
    assert split.rows == 7
    assert split.train.tolist() == [0, 6]
    assert split.val.tolist() == [1, 3, 4]
    assert split.test.tolist() == [5]
    assert (split.parent, split.member) == (None, None)


def test_the_column_is_missing() -> None:
    rows = data(oxides(3), columns={"fold0": ["train", "val", "test"]})
    with pytest.raises(InputError) as refused:
        make(rows, ColumnSplit("fold1"))
    assert str(refused.value) == (
        "There is no column of roles 'fold1'.\nDid you mean 'fold0'? Type: fesearch data show toy"
    )


def test_a_wrong_word_is_named_with_its_rows() -> None:
    words = ["train", "val", *["tset"] * 7, "Val"]
    with pytest.raises(InputError) as refused:
        make(data(oxides(10), columns={"fold": words}), ColumnSplit("fold"))
    assert str(refused.value) == (
        "Column 'fold' says 'tset' in 7 row(s): r0002, r0003, r0004, r0005, r0006 and 2 more.\n"
        "Each cell is train, val, test or empty (row not used)."
    )


@pytest.mark.parametrize(("word", "empty"), [("train", "val"), ("val", "train")])
def test_both_development_parts_need_rows(word: str, empty: str) -> None:
    with pytest.raises(InputError) as refused:
        make(data(oxides(3), columns={"fold": [word, word, "test"]}), ColumnSplit("fold"))
    assert str(refused.value) == (
        f"The division column:fold of 'toy' leaves the {empty} part empty.\n"
        "Every division needs rows to train on and rows to validate on."
    )


def test_published_folds() -> None:
    """The real file, where it lies beside the project: rows a fold leaves out are not used."""
    path = Path(__file__).parents[2] / "shared" / "data" / "mp_e_form_folds.csv.gz"
    if not path.exists():
        pytest.skip("mp_e_form_folds.csv.gz is not beside the project in ../shared/data")
    lines = np.genfromtxt(path, delimiter=",", dtype=str, encoding="utf-8")
    header, body = lines[0].tolist(), lines[1::25]
    folds = {name: body[:, header.index(name)].tolist() for name in ("fold0", "fold1")}
    rows = data(body[:, 0].tolist(), columns=folds)
    for name, words in folds.items():
        split = make(rows, ColumnSplit(name))
        counts = Counter(words)
        assert (len(split.train), len(split.val), len(split.test)) == (
            counts["train"],
            counts["val"],
            counts["test"],
        )


# What a trial may see


def divided() -> tuple[Split, np.ndarray, np.ndarray]:
    rows = data(oxides(40))
    x = np.arange(80, dtype=np.float64).reshape(40, 2)
    return make(rows, RandomSplit()), x, rows.targets["e"]


def test_development_is_training_and_validation_rows() -> None:
    split, x, y = divided()
    view = split.development(x, y)
    np.testing.assert_array_equal(view.train_x, x[split.train])
    np.testing.assert_array_equal(view.train_y, y[split.train])
    np.testing.assert_array_equal(view.val_x, x[split.val])
    np.testing.assert_array_equal(view.val_y, y[split.val])
    assert view.width == 2


@pytest.mark.parametrize("fortran", [False, True])
def test_development_holds_read_only_copies_and_nothing_else(fortran: bool, tmp_path: Path) -> None:
    split, x, y = divided()
    np.save(tmp_path / "x.npy", np.asarray(x, dtype=np.float32, order="F" if fortran else "C"))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    view = split.development(mapped, y)
    for name, kind in {"x": np.float32, "y": np.float64}.items():
        for part in ("train", "val"):
            array = getattr(view, f"{part}_{name}")
            assert type(array) is np.ndarray
            assert array.dtype == kind
            assert array.flags.c_contiguous
            assert not array.flags.writeable
            assert array.base is None
            assert mapped not in gc.get_referents(array)
    with pytest.raises(ValueError, match="read-only"):
        view.train_y[0] = 1.0


def test_the_test_part_is_apart() -> None:
    split, x, y = divided()
    test_x, test_y = split.test_part(x, y)
    np.testing.assert_array_equal(test_x, x[split.test])
    np.testing.assert_array_equal(test_y, y[split.test])
    view = split.development(x, y)
    assert not np.isin(test_y, np.concatenate([view.train_y, view.val_y])).any()


def test_no_test_part_to_look_at() -> None:
    split = make(data(oxides(20)), RandomSplit(fractions=(9, 1, 0)))
    with pytest.raises(InputError) as refused:
        split.test_part(np.zeros((20, 1)), np.zeros(20))
    assert str(refused.value) == (
        "The division random:seed=0,fractions=9:1:0,group=formula has no test rows.\n"
        "Choose a --split with a test part before the search."
    )


def test_features_of_another_data_set() -> None:
    split, x, y = divided()
    with pytest.raises(InputError) as refused:
        split.development(x[:-1], y)
    assert str(refused.value) == (
        "There are 39 rows of features for a data set of 40 rows.\n"
        "Take features and target of the data set that was divided."
    )
    with pytest.raises(InputError, match="There are 39 target values"):
        split.development(x, y[:-1])


def test_rows_of_a_split_cannot_be_changed() -> None:
    split, _, _ = divided()
    for part in (split.train, split.val, split.test):
        with pytest.raises(ValueError, match="read-only"):
            part[0] = 1
