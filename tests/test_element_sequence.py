"""The composition as a sequence."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fesearch import formula
from fesearch.errors import InputError
from fesearch.features import Combination
from fesearch.featuresets._dictionary import DICTIONARY
from fesearch.featuresets.element_sequence import FEATURE_SET, names, rows

compositions = st.dictionaries(
    st.sampled_from(DICTIONARY), st.integers(1, 9), min_size=1, max_size=8
)
NINE = "AlBCFGaHILiO"


@given(st.lists(compositions, max_size=5), st.randoms())
def test_elements_stand_by_falling_fraction_then_rising_number(
    found: list[dict[str, int]], shuffled: random.Random
) -> None:
    texts = []
    for amounts in found:
        pairs = [f"{symbol}{amount}" for symbol, amount in amounts.items()]
        shuffled.shuffle(pairs)
        texts.append(formula.reduced("".join(pairs)))
    matrix = rows(texts, 8)
    assert matrix.shape == (len(found), 16)
    for row, amounts in zip(matrix, found, strict=True):
        total = sum(amounts.values())
        pairs = [(DICTIONARY.index(one) + 1, amount / total) for one, amount in amounts.items()]
        pairs.sort(key=lambda pair: (-round(pair[1], 9), pair[0]))
        padded = [*pairs, *[(0, 0.0)] * (8 - len(pairs))]
        np.testing.assert_allclose(row.reshape(8, 2), padded, rtol=1e-14)


def test_an_example() -> None:
    assert rows(["FeLiO4P"], 5).round(3).tolist() == [
        [8, 0.571, 3, 0.143, 15, 0.143, 26, 0.143, 0, 0]
    ]
    assert names(2) == ("number 1", "fraction 1", "number 2", "fraction 2")


def test_eight_elements_fit_and_nine_are_refused_with_what_to_type() -> None:
    assert rows([NINE.removeprefix("Al")], 8)[0, -2:].tolist() == [53, 1 / 8]
    with pytest.raises(InputError) as refused:
        FEATURE_SET.rows(["Fe2O3", NINE, "NaCl"])
    assert str(refused.value) == (
        f"'{NINE}' has 9 elements, more than the 8 of a sequence.\n"
        "Make room for them: --features element_sequence:longest=9"
    )
    [longer] = Combination.parse("element_sequence:longest=9").terms
    assert len(longer.names()) == 18
    assert rows([NINE], 9)[0, -2:].tolist() == [53, 1 / 9]


def test_an_option_is_part_of_name_and_digest_where_it_changes_something() -> None:
    longer = Combination.parse("element_sequence:longest=12")
    assert longer.name == "element_sequence:longest=12"
    assert len(longer.names) == 24
    assert longer.digest != FEATURE_SET.digest()
    for text in ("element_sequence:longest=8", "element_sequence: longest = 08"):
        same = Combination.parse(text)
        assert (same.name, same.digest) == ("element_sequence", FEATURE_SET.digest())
    [again] = longer.terms
    assert again.with_options({"longest": "8"}).name == "element_sequence"


@pytest.mark.parametrize("value", ["0", "101", "-1", "many", "", "8.0", "²"])
def test_a_length_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(InputError) as refused:
        FEATURE_SET.with_options({"longest": value})
    assert str(refused.value) == (
        f"The option longest of element_sequence is {value!r}.\n"
        "Give a whole number of elements up to 100, such as longest=12."
    )


def test_an_unknown_option_has_a_hint() -> None:
    with pytest.raises(InputError) as refused:
        FEATURE_SET.with_options({"longst": "9"})
    assert str(refused.value) == (
        "There is no option of element_sequence 'longst'.\n"
        "Did you mean 'longest'? Type: fesearch features list"
    )
