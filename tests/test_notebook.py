"""What a notebook is given to show: every text in it escaped, and cut where it is long."""

from hypothesis import given, settings
from hypothesis import strategies as st

from fesearch import notebook


@settings(max_examples=30)
@given(st.text(max_size=40))
def test_no_text_becomes_markup(text: str) -> None:
    for shown in (
        notebook.facts(text, {text: text}),
        notebook.table(text, [{text: text}]),
        notebook.table(text, []),
    ):
        bare = shown
        for tag in ("div", "strong", "table", "thead", "tbody", "tr", "th", "td"):
            bare = bare.replace(f"</{tag}>", "").replace(f"<{tag}>", "")
            bare = bare.replace(f'<{tag} style="text-align:left">', "")
        assert "<" not in bare
        assert ">" not in bare


def test_shows_values_as_tables_do() -> None:
    assert notebook.text(0.123456) == "0.1235"
    assert notebook.text(None) == "–"
    assert notebook.text({"depth": 3, "norm": None}) == "depth=3, norm=–"
    assert len(notebook.text("x" * 1000)) == 200
