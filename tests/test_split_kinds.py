"""The kinds of divisions, each in what it alone promises."""

import dataclasses
import hashlib
import math
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from divided import ELEMENTS, by_role, data, oxides
from hypothesis import given, settings
from hypothesis import strategies as st

from fesearch.errors import InputError
from fesearch.groups import Crossing
from fesearch.split import fingerprint, make, members
from fesearch.splits.column import ColumnSplit
from fesearch.splits.kfold import KFoldSplit
from fesearch.splits.leave_element import LeaveElementSplit
from fesearch.splits.random import RandomSplit
from fesearch.splitspec import SplitSpec

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


def test_two_fractions_are_training_and_test() -> None:
    """IRNet's 9:1, with a tenth of its training rows to validate on."""
    split = make(data(oxides(100)), SplitSpec.parse("random:fractions=9:1"))
    assert (len(split.train), len(split.val), len(split.test)) == (81, 9, 10)


def test_a_chemical_system_stays_on_one_side() -> None:
    rows = data([f"{metal}{n}O{n + 1}" for metal in ELEMENTS for n in (1, 3, 5)])
    crossing = make(rows, RandomSplit(group="system", fractions=(6, 2, 2))).crossing
    assert crossing["systems"] == Crossing(distinct=10, crossing=0, val_rows=0, test_rows=0)
    assert make(rows, RandomSplit(fractions=(6, 2, 2))).crossing["systems"].crossing > 0


def test_a_cell_of_a_column_stays_on_one_side() -> None:
    cells = [f"phase {n % 10}" if n < 50 else "" for n in range(100)]
    rows = data(oxides(100), columns={"phase": cells})
    for seed in range(5):
        role = by_role(rows, make(rows, RandomSplit(seed, group="column:phase")))
        sides = {cell: set() for cell in cells}
        for place, name in enumerate(rows.ids):
            sides[cells[place]].add(role[name])
        assert sides.pop("") == {"train", "val", "test"}
        assert all(len(side) == 1 for side in sides.values())


def test_the_column_of_groups_is_missing() -> None:
    rows = data(oxides(20), columns={"phase": ["a"] * 20})
    with pytest.raises(InputError) as refused:
        make(rows, RandomSplit(group="column:phases"))
    assert str(refused.value) == (
        "There is no column 'phases'.\nDid you mean 'phase'? Type: fesearch data show toy"
    )
    with pytest.raises(InputError, match="has 1 distinct values of 'phase', too few"):
        make(rows, RandomSplit(group="column:phase"))


# Repeated divisions


def test_members_are_the_random_divisions_of_the_seeds_that_follow() -> None:
    rows = data(oxides(60))
    spec = SplitSpec.parse("repeated:divisions=3,seed=4,fractions=8:1:1,group=none,train=0.5")
    for index, member in enumerate(members(rows, spec).members):
        text = f"random:seed={4 + index},fractions=8:1:1,group=none,train=0.5"
        assert member.fingerprint == make(rows, SplitSpec.parse(text)).fingerprint


# Folds


@settings(max_examples=30, deadline=None)
@given(
    formulas=repeated_formulas(),
    seed=st.integers(0, 5),
    k=st.integers(2, 6),
    group=st.sampled_from(["formula", "none"]),
)
def test_every_row_is_a_test_row_of_one_fold(
    formulas: list[str], seed: int, k: int, group: str
) -> None:
    rows = data(formulas)
    n, largest = len(rows), max(Counter(rows.reduced if group == "formula" else rows.ids).values())
    splits = members(rows, KFoldSplit(k, seed, group=group)).members
    assert sorted(np.concatenate([split.test for split in splits])) == list(range(n))
    for split in splits:
        assert sorted([*split.train, *split.val, *split.test]) == list(range(n))
        assert abs(len(split.test) - n / k) < largest
        assert 0 <= len(split.val) - 0.1 * (n - len(split.test)) < largest
        if group == "formula":
            assert split.crossing["formulas"].crossing == 0
    validated = [set(split.val) for split in splits]
    assert not validated[0] & validated[1]


def test_the_first_of_ten_folds_is_the_random_division_of_the_seed() -> None:
    rows = data([*oxides(80), *oxides(40)])
    first = make(rows, KFoldSplit(10, seed=3, member=0))
    assert first.fingerprint == make(rows, RandomSplit(seed=3)).fingerprint


def test_a_group_larger_than_a_fold() -> None:
    rows = data(oxides(20) + oxides(1) * 500)
    with pytest.raises(InputError) as refused:
        members(rows, KFoldSplit())
    assert "leaves the test part empty." in refused.value.message
    assert refused.value.hint == "One group has more than a fold of the rows: give less than k=5."
    with pytest.raises(InputError) as refused:
        make(data(oxides(30)), KFoldSplit(k=31, member=0))
    assert "has 30 distinct reduced formulas, too few" in refused.value.message


# Divisions without most of an element


def test_little_of_an_element_is_left_to_train_and_validate_on() -> None:
    rows = data(oxides(200))
    magnesium = {name for name, text in zip(rows.ids, rows.reduced, strict=True) if "Mg" in text}
    whole = by_role(rows, make(rows, RandomSplit(seed=2)))
    before: set[str] = set()
    for kept in (0, 0.1, 0.5, 0.9, 1):
        role = by_role(rows, make(rows, LeaveElementSplit("Mg", kept, seed=2)))
        assert all(whole[name] == one for name, one in role.items())
        dropped = set(whole) - set(role)
        assert dropped <= magnesium
        assert not any(whole[name] == "test" for name in dropped)
        seen = {name for name, one in role.items() if one != "test"} & magnesium
        told = sum(one != "test" for name, one in whole.items() if name in magnesium)
        assert len(seen) == math.ceil(kept * told)
        assert before <= seen
        before = seen


def test_no_row_has_the_element() -> None:
    with pytest.raises(InputError) as refused:
        make(data(oxides(20)), LeaveElementSplit("Xe"))
    assert str(refused.value) == (
        "No row of 'toy' contains Xe.\nSee its elements: fesearch data show toy"
    )


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


def test_several_columns_are_members() -> None:
    columns = {"a": ["train", "val", "test", ""], "b+c": ["val", "train", "", "train"]}
    rows = data(oxides(4), columns=columns)
    first, second = members(rows, SplitSpec.parse("column:a+b%2Bc")).members
    assert first.fingerprint == make(rows, ColumnSplit("a")).fingerprint
    assert second.fingerprint == make(rows, ColumnSplit("b+c")).fingerprint
    assert second.spec == "column:a+b%2Bc,member=1"


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


# Outside all members


def test_outside_are_the_rows_that_no_member_tests() -> None:
    rows = data(oxides(200))
    spec = SplitSpec.parse("repeated:divisions=3,member=outside")
    assert SplitSpec.parse(str(spec)) == spec
    found, whole = make(rows, spec), members(rows, spec)
    tested = set(np.concatenate([one.test for one in whole.members]).tolist())
    first = by_role(rows, whole.members[0])
    expected = {r: p for r, p in first.items() if rows.ids.index(r) not in tested}
    assert by_role(rows, found) == expected
    assert len(expected) == 200 - len(tested)
    assert set(expected.values()) == {"train", "val"}
    assert (found.parent, found.member, len(found.test)) == (None, None, 0)
    folded = make(rows, SplitSpec.parse("repeated:divisions=3,member=outside,folds=3,train=0.5"))
    assert folded.folds is not None
    assert set(folded.train.tolist()) < set(found.train.tolist())


def test_outside_of_columns_are_rows_that_none_of_them_tests() -> None:
    roles = ["train", "val", "test", "train"] * 5, ["test", "train", "val", "train"] * 5
    rows = data(oxides(20), columns={"a": roles[0], "b": roles[1]})
    found = make(rows, SplitSpec.parse("column:a+b,member=outside"))
    assert found.val.tolist() == list(range(1, 20, 4))
    assert found.train.tolist() == list(range(3, 20, 4))


def test_no_row_is_outside_of_folds() -> None:
    with pytest.raises(InputError) as caught:
        make(data(oxides(50)), SplitSpec.parse("kfold:k=5,member=outside"))
    assert str(caught.value) == (
        "Every row of 'toy' is a test row of a member of "
        "kfold:k=5,seed=0,val=0.1,group=formula; no row is outside.\n"
        "Search on a member (member=0), or outside those of "
        "--split repeated:divisions=5,member=outside"
    )
    with pytest.raises(InputError, match="is a single division, and member=outside is none"):
        SplitSpec.parse("random:member=outside")
