"""Lengths of time, read and written."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fesearch.duration import duration, spelled
from fesearch.errors import InputError

LENGTHS = [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86400), ("1h30m", 5400), ("0.5s", 0.5)]


@pytest.mark.parametrize(("text", "seconds"), LENGTHS)
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@given(st.text())
def test_any_text_is_a_length_of_time_or_refused(text: str) -> None:
    with suppress(InputError):
        assert duration(text) > 0


@given(st.integers(1, 10**7))
def test_what_is_spelled_is_read_again(seconds: int) -> None:
    assert duration(spelled(seconds)) == seconds


@pytest.mark.parametrize(("text", "seconds"), [("1m30s", 90), ("1d1h", 90000), ("0.5s", 0.5)])
def test_the_longest_units_come_first(text: str, seconds: float) -> None:
    assert spelled(seconds) == text
