"""Rows that belong together, and the order in which they are drawn."""

import hashlib

import numpy as np
import pytest
from divided import data, oxides
from hypothesis import given, settings
from hypothesis import strategies as st

from fesearch import groups
from fesearch.errors import InputError
from fesearch.groups import Crossing

FORMULAS = ["FeO", "Fe2O3", "O2Fe2", "NaCl", "LiFePO4", "Fe3O4"]
PHASES = ["a", "", "r0001", "a", "", "b"]


def of(grouping: str) -> list[int]:
    return groups.by(grouping, data(FORMULAS, columns={"phase": PHASES})).of.tolist()


def test_what_belongs_together() -> None:
    assert of("formula") == [0, 1, 0, 2, 3, 4]
    assert of("system") == [0, 0, 0, 1, 2, 0]
    assert of("none") == [0, 1, 2, 3, 4, 5]
    assert of("column:phase") == [0, 1, 2, 0, 3, 4]  # row r0001 and the cell r0001 are two


def test_the_order_is_that_of_the_hashes() -> None:
    found = groups.by("formula", data(oxides(50)))
    by_hash = sorted(found.labels, key=lambda text: hashlib.sha256(f"7|{text}".encode()).digest())
    assert [found.labels[group] for group in found.order("7")] == by_hash
    assert found.order("7").tolist() != found.order("8").tolist()


@settings(deadline=None)
@given(
    copies=st.lists(st.integers(1, 3), min_size=1, max_size=20),
    wanted=st.lists(st.integers(0, 40), min_size=2, max_size=2),
    step=st.integers(1, 3),
)
def test_the_first_groups_have_the_rows_wanted(
    copies: list[int], wanted: list[int], step: int
) -> None:
    rows = data([text for text, n in zip(oxides(20), copies, strict=False) for _ in range(n)])
    found = groups.by("formula", rows)
    among = np.arange(len(rows)) % step == 0
    few, many = (found.first(among, count, "x") for count in sorted(wanted))
    assert not (few & ~many).any()
    assert not (many & ~among).any()
    assert min(max(wanted), among.sum()) <= many.sum() < max(wanted) + 3
    assert not set(found.of[many]) & set(found.of[among & ~many])


def test_labels_cross_parts() -> None:
    found = groups.by("formula", data(FORMULAS))
    train, val, test = (np.array(rows) for rows in ([0, 1], [2, 3], [5]))
    assert found.crossing(train, val, test) == Crossing(4, 1, val_rows=1, test_rows=0)


@pytest.mark.parametrize("grouping", ["formulas", "column:", "column", 3, None])
def test_no_such_grouping(grouping: object) -> None:
    with pytest.raises(InputError) as refused:
        groups.checked(grouping)
    assert refused.value.message == f"There is no split grouping '{grouping}'."
    assert refused.value.hint.endswith("--split random:group=formula|system|none|column:NAME")


def test_too_few_groups() -> None:
    rows = data(FORMULAS)
    with pytest.raises(InputError) as refused:
        groups.by("system", rows).refuse_few(rows, 4)
    assert str(refused.value) == (
        "The data set 'toy' has 3 chemical systems, too few to divide at random.\n"
        "Give at least 4, or a column of roles: --split column:NAME"
    )
