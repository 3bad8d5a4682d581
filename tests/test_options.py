"""Options in one line: written so that they can be read, whatever a column is called."""

from hypothesis import given, settings
from hypothesis import strategies as st

from fesearch import options


@settings(deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z]+", fullmatch=True), st.text()))
def test_texts_come_back(values: dict[str, str]) -> None:
    text = ",".join(f"{name}={options.written(value)}" for name, value in values.items())
    assert options.read(text, "") == values


@settings(deadline=None)
@given(st.lists(st.text(), min_size=1))
def test_names_between_pluses_come_back(names: list[str]) -> None:
    text = "+".join(options.escaped(name, also="+") for name in names)
    assert [options.unescaped(name) for name in text.split("+")] == names
    assert "," not in text


def test_only_what_would_be_misread_is_escaped() -> None:
    assert options.escaped("Ümlaut: a=b+c") == "Ümlaut: a=b+c"
    assert options.escaped(" 5%, a+b", also="+") == "%205%25%2C a%2Bb"
    assert options.unescaped(" 50% ") == "50%"


def test_numbers_are_written_short_and_exactly() -> None:
    assert options.written((81.0, 9, 0.1)) == "81:9:0.1"
    assert options.exact(0.1) * 10 == 1
