"""Divisions: what they leave out, their members, and that the test part stays sealed."""

import gc
import hashlib
import logging
from pathlib import Path

import numpy as np
import pytest
from divided import by_role, data, oxides
from hypothesis import given, settings
from hypothesis import strategies as st

from fesearch.errors import InputError
from fesearch.split import Split, make, members
from fesearch.splits.random import RandomSplit
from fesearch.splitspec import SplitSpec

# What a division leaves out


@settings(max_examples=30, deadline=None)
@given(
    copies=st.lists(st.integers(1, 4), min_size=30, max_size=60),
    amounts=st.lists(st.one_of(st.integers(1, 20), st.floats(0.01, 0.99)), min_size=2, max_size=3),
    group=st.sampled_from(["formula", "none"]),
)
def test_training_subsets_lie_in_one_another(
    copies: list[int], amounts: list[float], group: str
) -> None:
    rows = data([text for text, n in zip(oxides(60), copies, strict=False) for _ in range(n)])
    whole = make(rows, RandomSplit(group=group))
    n = len(whole.train)
    wanted = {amount: amount if isinstance(amount, int) else amount * n for amount in amounts}
    before: set[int] = set()
    for amount in sorted(wanted, key=wanted.__getitem__):
        split = make(rows, RandomSplit(group=group, train=amount))
        np.testing.assert_array_equal(split.val, whole.val)
        np.testing.assert_array_equal(split.test, whole.test)
        taken = set(split.train.tolist())
        assert before <= taken <= set(whole.train.tolist())
        assert 0 <= len(taken) - wanted[amount] + 1e-9 < (4 if group == "formula" else 1) + 1e-9
        before = taken
        others = {rows.reduced[row] for row in whole.train if row not in taken}
        if group == "formula":
            assert not others & {rows.reduced[row] for row in taken}


def test_all_training_rows_and_no_more() -> None:
    rows = data(oxides(20))
    whole = make(rows, RandomSplit())
    assert len(whole.train) == 16
    assert make(rows, RandomSplit(train=16)).fingerprint == whole.fingerprint
    with pytest.raises(InputError) as refused:
        make(rows, RandomSplit(train=17))
    assert str(refused.value) == (
        "The split random:seed=0,fractions=81:9:10,group=formula,train=17 asks for 17 rows to "
        "train on, and there are 16.\nGive train=16 or less, or a share, such as train=0.5."
    )


def test_sigma_leaves_out_what_lies_beyond_the_training_rows() -> None:
    rows = data(oxides(100))
    whole = make(rows, RandomSplit())
    values = np.zeros(100)
    values[whole.train] = np.linspace(-1, 1, len(whole.train))
    limit = 1.5 * np.std(values[whole.train])  # about the mean of the training rows, 0
    values[whole.test[:3]] = limit + 1e-6, -limit - 1e-6, limit - 1e-6
    values[whole.val[0]] = 1e6  # would move mean and deviation if they were of all rows
    split = make(data(oxides(100), values), RandomSplit(sigma=1.5), target="e")
    assert split.test.tolist() == sorted(set(whole.test.tolist()) - set(whole.test[:2].tolist()))
    assert split.val.tolist() == whole.val[1:].tolist()
    inside = np.abs(values[whole.train]) <= limit
    assert split.train.tolist() == whole.train[inside].tolist()
    assert 0 < len(split.train) < len(whole.train)


def test_sigma_is_that_of_all_training_rows_whatever_the_subset() -> None:
    values = np.random.default_rng(0).normal(size=200)
    rows = data(oxides(200), values)
    whole = make(rows, RandomSplit(sigma=1.2), target="e")
    few = make(rows, RandomSplit(sigma=1.2, train=20), target="e")
    assert len(few.train) == 20
    np.testing.assert_array_equal(few.test, whole.test)
    np.testing.assert_array_equal(few.val, whole.val)


def test_sigma_needs_a_target() -> None:
    with pytest.raises(InputError) as refused:
        make(data(oxides(20)), RandomSplit(sigma=5))
    assert str(refused.value) == ("The split option sigma=5 needs a target.\nName one: --target e")


def test_rows_with_features_keep_their_roles() -> None:
    rows = data(oxides(100))
    mask = np.arange(100) % 3 > 0

    def having(name: str) -> np.ndarray:
        assert name == "magpie_voronoi"
        return mask

    whole = by_role(rows, make(rows, RandomSplit()))
    part = by_role(rows, make(rows, RandomSplit(rows="magpie_voronoi"), having=having))
    has = {name for name, one in zip(rows.ids, mask, strict=True) if one}
    assert part == {name: role for name, role in whole.items() if name in has}


def test_rows_need_to_know_who_has_the_features() -> None:
    with pytest.raises(InputError) as refused:
        make(data(oxides(20)), RandomSplit(rows="magpie_voronoi"))
    assert str(refused.value) == (
        "Which rows of 'toy' have the features 'magpie_voronoi' is not known.\n"
        "Leave the split option rows out."
    )


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_rows_without_features_may_not_be_a_whole_part(part: str) -> None:
    rows = data(oxides(20))
    mask = np.ones(20, dtype=bool)
    mask[getattr(make(rows, RandomSplit()), part)] = False
    with pytest.raises(InputError, match=f"leaves the {part} part empty"):
        make(rows, RandomSplit(rows="magpie"), having=lambda name: mask)


# Members of repeated divisions


def test_members_have_a_parent() -> None:
    rows = data(oxides(50))
    spec = SplitSpec.parse("kfold:k=3")
    repeated = members(rows, spec)
    assert repeated.spec == "kfold:k=3,seed=0,val=0.1,group=formula"
    prints = [member.fingerprint for member in repeated.members]
    lines = "\n".join(["repeated", *prints])
    assert repeated.fingerprint == hashlib.sha256(lines.encode()).hexdigest()
    for index, member in enumerate(repeated.members):
        one = make(rows, SplitSpec.parse(f"kfold:k=3,member={index}"))
        assert (one.parent, one.member) == (repeated.fingerprint, index)
        assert one.fingerprint == member.fingerprint
        assert one.spec == f"{repeated.spec},member={index}"
    assert members(rows, SplitSpec.parse("kfold:k=3,member=1")).fingerprint == repeated.fingerprint


def test_one_member_must_be_chosen() -> None:
    with pytest.raises(InputError) as refused:
        make(data(oxides(20)), SplitSpec.parse("kfold:k=3"))
    assert str(refused.value) == (
        "The split kfold:k=3,seed=0,val=0.1,group=formula is 3 divisions.\n"
        "Choose one from member=0 to member=2, or member=outside: "
        "--split kfold:k=3,seed=0,val=0.1,group=formula,member=0"
    )


def test_a_single_division_has_no_members() -> None:
    with pytest.raises(InputError) as refused:
        members(data(oxides(20)), RandomSplit())
    assert str(refused.value) == (
        "The split random:seed=0,fractions=81:9:10,group=formula is a single division, without "
        "members.\nGive a repeated one, such as --split kfold:k=5"
    )


def test_members_differ() -> None:
    rows = data(oxides(3), columns={name: ["train", "val", "test"] for name in "abc"})
    with pytest.raises(InputError) as refused:
        members(rows, SplitSpec.parse("column:a+b"))
    assert str(refused.value) == (
        "Members 0 and 1 of the split column:a+b of 'toy' are the same division.\n"
        "Give fewer members, or more rows."
    )


# What a model was told of what it is asked


def test_leakage_is_a_warning_with_its_shares(caplog: pytest.LogCaptureFixture) -> None:
    roles = ["train"] * 3 + ["val"] * 2 + ["test"] * 4
    formulas = ["FeO", "NaCl", "KCl", "Fe2O2", "MgO", "NaCl", "Na2Cl2", "KCl", "CaO"]
    split = make(data(formulas, columns={"fold": roles}), SplitSpec.parse("column:fold"))
    with caplog.at_level(logging.INFO):
        split.log_leakage()
    assert caplog.records[0].levelno == logging.WARNING
    assert caplog.messages == [
        "The reduced formula of 3 of 4 test rows (75.0%) and of 1 of 2 validation rows (50.0%) is "
        "in training too: errors there look too small.\n"
        "To keep each formula on one side type: --split random:group=formula"
    ]


def test_no_leakage_is_said_too(caplog: pytest.LogCaptureFixture) -> None:
    split = make(data([*oxides(20), *oxides(20)]), RandomSplit())
    with caplog.at_level(logging.INFO):
        split.log_leakage()
    assert caplog.records[0].levelno == logging.INFO
    assert caplog.messages == ["No test or validation row has its reduced formula in training."]


def test_real_rows_leak_unless_grouped() -> None:
    """The first rows of the real file, where it lies beside the project."""
    path = Path(__file__).parents[2] / "shared" / "data" / "mp_e_form_raw.csv.gz"
    if not path.exists():
        pytest.skip("mp_e_form_raw.csv.gz is not beside the project in ../shared/data")
    lines = np.loadtxt(path, delimiter=",", dtype=str, skiprows=1, usecols=0, max_rows=20_000)
    rows = data(lines.tolist(), ids=[f"r{n:05d}" for n in range(len(lines))])
    loose = make(rows, RandomSplit(group="none"))
    assert loose.crossing["formulas"].test_rows > 0.1 * len(loose.test)
    assert make(rows, RandomSplit()).crossing["formulas"].test_rows == 0


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
