"""What divisions can be asked for, on the command line and in a study file."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fesearch.errors import InputError
from fesearch.formula import ELEMENTS
from fesearch.splits.column import ColumnSplit
from fesearch.splits.kfold import KFoldSplit
from fesearch.splits.leave_element import LeaveElementSplit
from fesearch.splits.random import RandomSplit
from fesearch.splits.repeated import RepeatedSplit
from fesearch.splitspec import SplitSpec


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
        ("random:fractions=9:1", RandomSplit(fractions=(81, 9, 10))),
        ("random:group=column:a%2Cb=50%", RandomSplit(group="column:a,b=50%")),
        ("column:fold0+fold1", ColumnSplit(("fold0", "fold1"))),
        ("column:a%2Bb+c,member=1", ColumnSplit(("a+b", "c"), member=1)),
        ("repeated:divisions=3,member=2", RepeatedSplit(3, member=2)),
        ("kfold:k=3,val=0.2,group=system", KFoldSplit(k=3, val=0.2, group="system")),
        ("leave_element:element=Mg,kept=1", LeaveElementSplit("Mg", kept=1)),
        ("random:train=0.1,sigma=5", RandomSplit(train=0.1, sigma=5)),
        ("random:train=3000", RandomSplit(train=3000)),
        (
            "random:rows=element_sequence:longest=12",
            RandomSplit(rows="element_sequence:longest=12"),
        ),
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
    folds = {"kind": "column", "column": ["fold0", "fold1"], "member": 1, "train": 0.5}
    assert SplitSpec.from_mapping(folds) == SplitSpec.parse("column:fold0+fold1,member=1,train=0.5")


def test_the_text_says_every_option() -> None:
    assert str(RandomSplit()) == "random:seed=0,fractions=81:9:10,group=formula"
    assert str(ColumnSplit("fold0")) == "column:fold0"
    assert str(ColumnSplit(("a,b", "c+d", " 5%"), member=0)) == (
        "column:a%2Cb+c%2Bd+%205%25,member=0"
    )
    assert str(KFoldSplit(member=1, train=3000, sigma=5, rows="magpie+columns")) == (
        "kfold:k=5,seed=0,val=0.1,group=formula,member=1,train=3000,sigma=5,rows=magpie+columns"
    )
    assert str(LeaveElementSplit("Mg")) == (
        "leave_element:element=Mg,kept=0.1,seed=0,fractions=81:9:10,group=formula"
    )


WORDS = st.text(min_size=1)
SHARES = st.floats(0, 1, exclude_min=True, exclude_max=True)
FRACTIONS = st.tuples(
    st.floats(1e-9, 1e9), st.floats(1e-9, 1e9), st.floats(0, 1e9, allow_subnormal=False)
)
GROUPS = st.one_of(
    st.sampled_from(["formula", "system", "none"]), WORDS.map(lambda name: f"column:{name}")
)
COMMON = {
    "train": st.one_of(st.none(), SHARES, st.integers(1)),
    "sigma": st.one_of(st.none(), st.floats(0, exclude_min=True, allow_infinity=False)),
    "rows": st.one_of(st.none(), WORDS.filter(str.strip)),
}
DRAW = {"seed": st.integers(), "group": GROUPS}
SPECS = st.one_of(
    st.builds(RandomSplit, fractions=FRACTIONS, **DRAW, **COMMON),
    st.builds(RepeatedSplit, st.integers(2), fractions=FRACTIONS, **DRAW, **COMMON),
    st.builds(
        KFoldSplit, st.integers(2, 9), val=SHARES, member=st.integers(0, 1), **DRAW, **COMMON
    ),
    st.builds(LeaveElementSplit, st.sampled_from(ELEMENTS), kept=st.floats(0, 1), **DRAW, **COMMON),
    st.builds(ColumnSplit, st.one_of(WORDS, st.lists(WORDS, min_size=1)), **COMMON),
)


@settings(deadline=None)  # looks for kinds in installed packages
@given(SPECS)
def test_text_comes_back_as_it_was(spec: SplitSpec) -> None:
    assert SplitSpec.parse(str(spec)) == spec


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_spec_or_refused(text: str) -> None:
    options = ("random:fractions=", "random:group=column:", "kfold:k=", "random:train=")
    for asked in (text, *(f"{start}{text}" for start in (*options, "random:", "column:"))):
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
        ("column:a+", "A split by column names no column.", "Type: --split column:NAME"),
        ("column:,train=9", "A split by column names no column.", "Type: --split column:NAME"),
        ("column:a,b", "The split option 'b' has no value.", "Write NAME=VALUE"),
        (
            "column:a,member=0",
            "A column split is a single division, and member=0 is none of it.",
            "Leave member out.",
        ),
        (
            "column:a+b,member=2",
            "The split member is 2, of 2.",
            "Give member=0 to member=1, or member=outside.",
        ),
        ("kfold:member=-1", "The split member is '-1'.", "Give a whole number from 0 on, such"),
        ("kfold:k=1", "The split k is '1'.", "Give a whole number from 2 on, such as k=5."),
        ("kfold:val=1", "The split val is '1'.", "Give a share between 0 and 1, such as val=0.1."),
        ("repeated:divisions=1", "The split divisions is '1'.", "Give a whole number from 2 on"),
        ("random:train=0", "The split train is '0'.", "Give a share between 0 and 1 or a number"),
        ("random:train=1.5", "The split train is '1.5'.", "Give a share between 0 and 1 or a num"),
        ("random:sigma=0", "The split sigma is '0'.", "Give a number of standard deviations abov"),
        ("random:sigma=inf", "The split sigma is 'inf'.", "Give a number of standard deviations"),
        ("random:rows=", "The split rows is ''.", "Give a feature set: rows=NAME."),
        ("random:group=column:", "There is no split grouping 'column:'.", "Did you mean 'column:N"),
        (
            "leave_element",
            "A split by element names none.",
            "Type: --split leave_element:element=Mg,kept=0.1",
        ),
        (
            "leave_element:element=mg",
            "There is no element 'mg'.",
            "Type: --split leave_element:element=Mg,kept=0.1",
        ),
        (
            "leave_element:element=Mg,kept=1.1",
            "The split kept is '1.1'.",
            "Give a share from 0 to 1, such as kept=0.1.",
        ),
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
        ({"kind": "column", "column": ["a", 3]}, "A split by column names no column."),
        ({"train": True}, "The split train is True."),
        ({"train": 10.0}, "The split train is 10.0."),
        ({"sigma": 10**400}, f"The split sigma is {10**400}."),
        ({"fractions": [10**400, 1, 1]}, f"The split fractions are {[10**400, 1, 1]}."),
        ({"group": 3}, "There is no split grouping '3'."),
        ({"rows": 3}, "The split rows is 3."),
        ({"kind": "leave_element", "element": 12}, "There is no element '12'."),
        ({"kind": "kfold", "member": 5}, "The split member is 5, of 5."),
    ],
)
def test_what_a_study_file_cannot_ask_for(table: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        SplitSpec.from_mapping(table)
    assert refused.value.message == message
