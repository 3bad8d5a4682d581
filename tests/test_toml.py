"""What is written is read as the same."""

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fesearch import toml
from fesearch.errors import InputError

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
PLAIN = TEXT | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=5
)


@settings(max_examples=50)
@given(st.dictionaries(TEXT, VALUES))
def test_tomllib_reads_it_as_it_was(table: dict[str, object]) -> None:
    assert tomllib.loads(toml.dumps(table)) == table


def test_it_reads_like_a_study_file() -> None:
    table = {"name": "η", "trials": 9, "rate": 1e-05, "gpu": False, "none": None, "odd key": []}
    table |= {"space": {"depth": {"low": 3, "high": 9, "step": None}, "norm": ["a", True]}}
    assert toml.dumps(table) == (
        'name = "η"\ntrials = 9\nrate = 1e-05\ngpu = false\n"odd key" = []\n'
        'space = { depth = { low = 3, high = 9 }, norm = ["a", true] }\n'
    )


@pytest.mark.parametrize("value", [[None], b"bytes"], ids=str)
def test_what_toml_has_no_word_for_is_refused(value: object) -> None:
    with pytest.raises(InputError, match="TOML has no word for"):
        toml.dumps({"key": value})
