"""What a notebook shows of things: small tables of HTML, every text in them escaped."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from fesearch.errors import quoted

MISSING = "–"
_WIDEST = 200  # characters of a cell


def text(value: Any) -> str:
    """A value as a table shows it: four digits of a number, a mapping as name=value."""
    if value is None or value == "":
        return MISSING
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={text(entry)}" for name, entry in value.items()) or MISSING
    said = str(value)
    return said if len(said) <= _WIDEST else f"{said[: _WIDEST - 1]}…"


def facts(title: str, said: Mapping[str, Any]) -> str:
    """A line for each fact about one thing, as HTML."""
    rows = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th>'
        f'<td style="text-align:left">{escape(text(value))}</td></tr>'
        for name, value in said.items()
    )
    return f"<div><strong>{escape(title)}</strong><table>{rows}</table></div>"


def table(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with the same keys, as HTML."""
    names = list(rows[0]) if rows else []
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(text(row[name]))}</td>" for name in names) + "</tr>"
        for row in rows
    )
    return (
        f"<div><strong>{escape(title)}</strong>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def remark(said: str) -> str:
    """A sentence below a table, as HTML."""
    return f"<p>{escape(said)}</p>"


def brief(kind: str, name: str, said: str) -> str:
    """One thing in one line, for a terminal."""
    return f"<{kind} {quoted(name, 80)}: {said}>"
