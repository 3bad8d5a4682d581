"""A sheet as PNG and SVG, and a panel of it as SVG for a page."""

import io
import math
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from fesearch.figures.sheet import Panel, Sheet
from fesearch.figures.style import blank, plain, styled

# All in inches.
WIDTH, WIDE_HEIGHT, HEIGHT = 13.0, 7.0, 4.2
HEAD, FOOT = 0.85, 0.4
_LEFT = 0.02  # where heading and source begin, a share of the width
COLUMNS = 3  # at most, of panels that are not wide
DOTS_PER_INCH = 150
_TITLE, _TEXT = 85, 170  # characters that fit across the sheet, in the heading and below it
_LONGEST = 10_000  # characters of an alternative text
_LINE = 12  # points


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
    with styled():
        size = (WIDTH - 1, WIDE_HEIGHT - 1) if panel.wide else (WIDTH / COLUMNS, HEIGHT - 0.4)
        figure = blank(*size)
        panel.draw(figure.subplots())
        return _saved(figure, format="svg", metadata=nothing, transparent=True).decode()


def columns(panels: Sequence[Panel]) -> int:
    """How many panels that are not wide stand side by side: four are two and two."""
    narrow = sum(not panel.wide for panel in panels)
    rows = math.ceil(narrow / COLUMNS)
    return math.ceil(narrow / rows) if rows else 1


def _described(sheet: Sheet) -> dict[str, str | None]:
    """What a file says of itself: title and alternative text."""
    text = " ".join([sheet.lead, *(panel.alt for panel in sheet.panels)])
    return {"Title": plain(sheet.title, _TITLE), "Description": plain(text, _LONGEST)}


def _saved(figure: Figure, **how: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, **how)
    return buffer.getvalue()


def _drawn(sheet: Sheet) -> Figure:
    """The sheet as one figure: heading, rows of panels, source."""
    rows = list(_rows(sheet.panels))
    heights = [HEAD, *(WIDE_HEIGHT if row[0].wide else HEIGHT for row in rows), FOOT]
    figure = blank(WIDTH, sum(heights))
    parts: np.ndarray = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)
    head, *places, foot = parts[:, 0]
    head.text(_LEFT, 0.72, plain(sheet.title, _TITLE), fontsize=16, weight="bold", va="center")
    head.text(_LEFT, 0.3, plain(sheet.lead, _TEXT), fontsize=10, va="center")
    foot.text(_LEFT, 0.5, plain(sheet.source, _TEXT), fontsize=8, va="center")
    for row, place in zip(rows, places, strict=True):
        _draw_row(row, place, 1 if row[0].wide else columns(sheet.panels))
    return figure


def _rows(panels: Sequence[Panel]) -> Iterator[list[Panel]]:
    """The panels in rows: first the wide ones, each in its own, then the others side by side."""
    yield from ([panel] for panel in panels if panel.wide)
    others = [panel for panel in panels if not panel.wide]
    side_by_side = columns(panels)
    for first in range(0, len(others), side_by_side):
        yield others[first : first + side_by_side]


def _draw_row(row: Sequence[Panel], place: SubFigure, width: int) -> None:
    """Panels side by side; of so many places those that the row does not fill stay empty."""
    every = place.subplots(1, width, squeeze=False)[0]
    notes = [textwrap.wrap(panel.note, _TEXT // width) for panel in row]
    lines = max(map(len, notes))
    for panel, note, axes in zip(row, notes, every, strict=False):
        panel.draw(axes)
        _entitle(axes, panel.title, note, lines)
    for axes in every[len(row) :]:
        axes.remove()


def _entitle(axes: Axes, title: str, note: Sequence[str], lines: int) -> None:
    """Title and note above the axes and flush with them, the note in room for so many lines."""
    axes.set_title(title, loc="left", weight="bold", pad=10 + _LINE * lines)
    axes.annotate(
        "\n".join(note), (0, 1), (0, 4 + _LINE * lines), xycoords="axes fraction",
        textcoords="offset points", fontsize=8, va="top",
    )  # fmt: skip
