"""The composition as the fraction of each element."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fesearch import formula
from fesearch.errors import InputError
from fesearch.featuresets import _dictionary, element_fractions

#: In the data of Huang & Ling, by what is in the OQMD.
NOT_IN_OQMD = {"He", "Ne", "Ar", "Po", "At", "Rn", "Fr", "Ra"}

compositions = st.dictionaries(
    st.sampled_from(_dictionary.DICTIONARY), st.integers(1, 10**6), min_size=1, max_size=12
)


def test_lithium_oxide_is_as_in_the_paper() -> None:
    [row] = element_fractions.FEATURE_SET.rows(["Li2O"])
    names = element_fractions.names()
    assert {name: row[place] for place, name in enumerate(names) if row[place]} == {
        "Li": 2 / 3,
        "O": 1 / 3,
    }


@given(st.lists(compositions, max_size=5))
def test_every_fraction_is_in_the_column_of_its_element(found: list[dict[str, int]]) -> None:
    texts = ["".join(f"{symbol}{amount}" for symbol, amount in one.items()) for one in found]
    matrix = element_fractions.FEATURE_SET.rows([formula.reduced(text) for text in texts])
    assert matrix.shape == (len(found), 100)
    for row, amounts in zip(matrix, found, strict=True):
        total = sum(amounts.values())
        expected = [amounts.get(symbol, 0) / total for symbol in element_fractions.names()]
        np.testing.assert_allclose(row, expected, rtol=1e-14)


def test_the_dictionary_is_h_to_fm_and_has_all_elements_of_the_paper() -> None:
    names = element_fractions.names()
    assert (len(names), names[0], names[25], names[-1]) == (100, "H", "Fe", "Fm")
    assert len([name for name in names[: names.index("Pu") + 1] if name not in NOT_IN_OQMD]) == 86


def test_an_element_beyond_the_dictionary_is_named_with_its_formula() -> None:
    with pytest.raises(InputError) as refused:
        element_fractions.FEATURE_SET.rows(["Fe2O3", "LrO2"])
    assert str(refused.value) == (
        "The dictionary of elements ends with Fm, and 'LrO2' contains Lr.\n"
        "Leave the formula out of the data."
    )
