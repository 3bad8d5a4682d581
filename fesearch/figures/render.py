"""A sheet as PNG and SVG, and a panel of it as SVG for a page."""

import io
from typing import Any

from matplotlib.figure import Figure

from fesearch.figures.layout import (
    COLUMNS,
    HEIGHT,
    LETTERS,
    WIDE_HEIGHT,
    WIDTH,
    Box,
    columns,
    draw_row,
    fit,
    rows,
)
from fesearch.figures.sheet import Panel, Sheet
from fesearch.figures.style import plain, styled

DOTS_PER_INCH = 150
HEAD, FOOT = 0.85, 0.4  # inches
_TITLE = 85  # letters of the title that fit across the sheet
_LONGEST = 10_000  # letters of an alternative text
_UNTITLED = 0.5  # inches that a panel is lower where its title stands elsewhere
_LEFT = 0.2  # inches beside heading and source


def png(sheet: Sheet) -> bytes:
    """The sheet as a PNG picture, 1,950 dots wide."""
    words = {**_described(sheet), "Software": None}
    with styled():
        return _saved(_drawn(sheet), format="png", dpi=DOTS_PER_INCH, metadata=words)


def svg(sheet: Sheet) -> bytes:
    """The sheet as an SVG picture in which text is text."""
    words = {**_described(sheet), "Date": None, "Creator": None}
    with styled():
        return _saved(_drawn(sheet), format="svg", metadata=words)


def panel_svg(panel: Panel) -> str:
    """One panel as an SVG document without title, note, background and metadata."""
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    width, height = (WIDTH, WIDE_HEIGHT) if panel.wide else (WIDTH / COLUMNS, HEIGHT)
    with styled():
        figure = Figure((width, height - _UNTITLED))
        axes = figure.add_axes((0, 0, 1, 1))
        panel.draw(axes)
        fit([axes], [Box(0, 0, width, height - _UNTITLED)])
        return _saved(figure, format="svg", metadata=nothing, transparent=True).decode()


def _drawn(sheet: Sheet) -> Figure:
    """The sheet as one figure: heading, rows of panels, source."""
    every = list(rows(sheet.panels))
    heights = [WIDE_HEIGHT if row[0].wide else HEIGHT for row in every]
    top = FOOT + sum(heights)
    figure = Figure((WIDTH, top + HEAD))
    left, inch = _LEFT / WIDTH, 1 / (top + HEAD)
    title, text = plain(sheet.title, _TITLE), plain(sheet.lead, LETTERS)
    figure.text(left, (top + 0.6) * inch, title, fontsize=16, weight="bold", va="center")
    figure.text(left, (top + 0.25) * inch, text, fontsize=10, va="center")
    figure.text(left, FOOT / 2 * inch, plain(sheet.source, LETTERS), fontsize=8, va="center")
    for row, height in zip(every, heights, strict=True):
        top -= height
        draw_row(figure, row, 1 if row[0].wide else columns(sheet.panels), top)
    return figure


def _described(sheet: Sheet) -> dict[str, str | None]:
    """What a file says of itself: title and alternative text."""
    text = " ".join([sheet.lead, *(panel.alt for panel in sheet.panels)])
    return {"Title": plain(sheet.title, _TITLE), "Description": plain(text, _LONGEST)}


def _saved(figure: Figure, **how: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, **how)
    return buffer.getvalue()
