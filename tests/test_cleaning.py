"""Steps of cleaning: what each takes, in which order, and that the order of rows is no matter."""

import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fesearch import cleaning, formula
from fesearch.dataset import Step
from fesearch.errors import InputError
from fesearch.rows import Rows
from fesearch.structure import Structures

FORMULAS = ["Fe2O3", "Al", "Fe4O6", "LiO", "Fe2O3", "XeF2"]
VALUES = [-1.5, 0.0, -1.75, -2.0, -1.75, 9.0]
IDS = ["f", "e", "d", "c", "b", "a"]


def rows_of(
    formulas: Sequence[str] = FORMULAS,
    values: Sequence[float] = VALUES,
    ids: Sequence[str] | None = IDS,
    **more: Any,
) -> Rows:
    return Rows(
        ids=ids,
        formulas=formulas,
        reduced=[formula.reduced(text) for text in formulas],
        targets={"e": np.array(values), **more.get("targets", {})},
        numbers=more.get("numbers", {}),
        columns=more.get("columns", {"place": [str(place) for place in range(len(formulas))]}),
        structures=more.get("structures"),
    )


def clean(rows: Rows, *texts: str) -> tuple[Rows, list[Step]]:
    cleaners = cleaning.parse(texts, targets=rows.targets, ids=rows.ids is not None)
    return cleaning.clean(rows, cleaners)


def kept(*texts: str, rows: Rows | None = None) -> list[int]:
    """Places of the rows that stay."""
    found, _ = clean(rows or rows_of(), *texts)
    return sorted(int(place) for place in found.columns["place"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unique:lowest", [1, 3, 4, 5]),  # of the two at -1.75 the id b comes before d
        ("unique:first", [0, 1, 3, 5]),
        ("unique:mean", [1, 3, 4, 5]),
        ("entries:lowest", [0, 1, 2, 3, 4, 5]),
        ("compounds", [0, 2, 3, 4, 5]),
        ("elements:Fe,O", [0, 2, 4]),
        ("elements: Fe , O , Li", [0, 2, 3, 4]),
        ("without:Xe", [0, 1, 2, 3, 4]),
        ("without:Xe,Fe", [1, 3]),
        ("range:-1.75:0", [0, 1, 2, 4]),
        ("range:e:-1.75:0", [0, 1, 2, 4]),
        ("sigma:2", [0, 1, 2, 3, 4]),
        ("sigma:3", [0, 1, 2, 3, 4, 5]),
    ],
)
def test_what_stays(text: str, expected: list[int]) -> None:
    assert kept(text) == expected


def test_another_target_may_have_a_range_even_with_colons_in_its_name() -> None:
    rows = rows_of(targets={"gap:hse": np.arange(6.0)})
    assert kept("range:gap:hse:1:2", rows=rows) == [1, 2]


def test_steps_are_taken_in_their_order_and_counted() -> None:
    _, steps = clean(rows_of(), "without:Xe", "unique:lowest", "compounds")
    assert steps == [
        Step("without:Xe", 6, 5),
        Step("unique:lowest", 5, 3),
        Step("compounds", 3, 2),
    ]
    assert kept("sigma:2", "sigma:1") != kept("sigma:1", "sigma:2")


def test_means_of_targets_and_numbers() -> None:
    rows = rows_of(
        targets={"gap": np.array([1.0, 5, 2, 5, 6, 5])},
        numbers={"v": np.array([1.0, 7, math.nan, math.nan, 4, 7])},
    )
    found, _ = clean(rows, "unique:mean")
    place = found.reduced.index("Fe2O3")
    assert found.targets["e"][place] == pytest.approx((-1.5 - 1.75 - 1.75) / 3)
    assert found.targets["gap"][place] == 3.0
    assert found.numbers["v"][place] == 2.5
    assert math.isnan(found.numbers["v"][found.reduced.index("LiO")])
    assert (found.ids or [])[place] == "b"


def test_averaged_rows_of_different_structures_have_none() -> None:
    structures = Structures.of(["one", "", "two", "three", "one", "four"])
    found, _ = clean(rows_of(structures=structures), "unique:mean")
    assert found.structures is not None
    texts = dict(zip(found.reduced, found.structures.texts(range(4)), strict=True))
    assert texts == {"Fe2O3": "", "Al": "", "LiO": "three", "F2Xe": "four"}
    same = Structures.of(["one"] * 6)
    found, _ = clean(rows_of(structures=same), "unique:mean")
    assert found.structures is not None
    assert list(found.structures.texts(range(4))) == ["one"] * 4


def test_one_row_an_entry() -> None:
    ids = ["a", "b", "a", "c", "a", "d"]
    assert kept("entries:lowest", rows=rows_of(ids=ids)) == [1, 3, 4, 5]  # Fe2O3 before Fe4O6
    assert kept("entries:first", rows=rows_of(ids=ids)) == [0, 1, 3, 5]
    found, _ = clean(rows_of(ids=ids), "entries:mean")
    assert found.ids == ["a", "b", "c", "d"]
    assert found.targets["e"][0] == pytest.approx(-5 / 3)


def test_an_id_with_two_compositions_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        clean(rows_of(ids=["a", "a", "b", "c", "d", "e"]), "entries:mean")
    assert str(caught.value) == (
        "The id 'a' is that of Al and of Fe2O3.\n"
        "Name the column of ids that tell entries apart: --id COL"
    )


def test_ids_may_be_repeated_before_a_step_that_settles_them() -> None:
    def settles(*texts: str) -> bool:
        return cleaning.settles_ids(cleaning.parse(texts, targets=["e"], ids=True))

    assert settles("compounds", "entries:first")
    assert not settles("unique:first")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("uniq", "There is no cleaning step 'uniq'.", "Did you mean unique? There are: unique, "),
        ("", "There is no cleaning step ''.", "There are: unique, entries, compounds, "),
        *(
            (text, f"The cleaning step '{text}' is not written as it must be.", hint)
            for text, hint in [
                ("unique", "Write it like unique:lowest, unique:first or unique:mean"),
                ("unique:best", "Write it like unique:lowest, unique:first or unique:mean"),
                ("entries:all", "Write it like entries:lowest, entries:first or entries:mean"),
                ("compounds:2", "Write it like compounds"),
                ("elements:", "Write it like elements:Li,O,Fe"),
                ("elements:Li,Xx", "Write it like elements:Li,O,Fe"),
                ("without:D", "Write it like without:Xe,He"),
                ("range:5", "Write it like range:-5:5, or range:TARGET:-5:5"),
                ("range:5:-5", "Write it like range:-5:5, or range:TARGET:-5:5"),
                ("range:nan:5", "Write it like range:-5:5, or range:TARGET:-5:5"),
                ("range:a:b", "Write it like range:-5:5, or range:TARGET:-5:5"),
                ("sigma:0", "Write it like sigma:5"),
                ("sigma:inf", "Write it like sigma:5"),
                ("sigma", "Write it like sigma:5"),
            ]
        ),
        (
            "range:gap:0:1",
            "The cleaning step 'range:gap:0:1' names no target of this data set.",
            "Its targets: e",
        ),
        (
            "entries:first",
            "The cleaning step 'entries:first' needs the ids of the entries.",
            "Name their column: --id COL",
        ),
    ],
)
def test_what_is_no_step_is_refused(text: str, message: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        cleaning.parse([text], targets=["e"], ids=False)
    assert caught.value.message == message
    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize("text", ["elements:Na", "without:Fe,Al,Li,Xe", "range:10:20"])
def test_a_step_that_leaves_nothing_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        clean(rows_of(), "compounds", text)
    assert str(caught.value) == (
        f"The cleaning step '{text}' leaves none of 5 rows.\n"
        "Give one that leaves some, or leave it out."
    )


_tables = st.lists(
    st.tuples(
        st.sampled_from(["Fe2O3", "Fe4O6", "NaCl", "Al", "XeF2"]),
        st.sampled_from([-1.0, 0.1, 0.2, 0.3, 1e9]),
    ),
    min_size=1,
    max_size=12,
)
_steps = st.sampled_from(["unique:lowest", "unique:mean", "entries:lowest", "entries:mean"])


@given(_tables, _steps, st.booleans(), st.integers(0, 99))
@settings(max_examples=200, deadline=None)
def test_the_order_of_rows_is_no_matter(
    table: list[tuple[str, float]], step: str, sigma: bool, seed: int
) -> None:
    named = [(f"{place}", *row) for place, row in enumerate(table)]
    steps = [step, "sigma:1.5"] if sigma else [step]

    def result(rows: list[tuple[str, str, float]]) -> set[tuple[object, ...]]:
        ids, formulas, values = zip(*rows, strict=True)
        found, _ = clean(rows_of(formulas, values, ids, columns={}), *steps)
        return set(zip(found.ids or (), found.formulas, found.targets["e"].tolist(), strict=True))

    turned = random.Random(seed).sample(named, len(named))
    assert result(turned) == result(named)
