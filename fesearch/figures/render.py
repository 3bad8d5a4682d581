"""A sheet as PNG and SVG, and a panel of it as SVG for a page."""

import io
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from fesearch.figures.sheet import Panel, Sheet
from fesearch.figures.style import blank, styled

# All in inches.
WIDTH, WIDE_HEIGHT, HEIGHT = 13.0, 7.0, 4.2
HEAD, FOOT = 0.85, 0.4
COLUMNS = 3  # of panels that are not wide
DOTS_PER_INCH = 150
_NOTE_WIDTH = 62  # characters of a line under the title of a panel that is not wide
_LINE = 12  # points


def png(sheet: Sheet) -> bytes:
    """The sheet as a PNG picture, 1,950 dots wide."""
    words = {"Title": sheet.title, "Description": _described(sheet), "Software": None}
    with styled():
        return _saved(_drawn(sheet), format="png", dpi=DOTS_PER_INCH, metadata=words)


def svg(sheet: Sheet) -> bytes:
    """The sheet as an SVG picture in which text is text."""
    words = {"Title": sheet.title, "Description": _described(sheet), "Date": None, "Creator": None}
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


def _described(sheet: Sheet) -> str:
    return " ".join([sheet.lead, *(panel.alt for panel in sheet.panels)])


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
    head.text(0.012, 0.72, sheet.title, fontsize=16, weight="bold", va="center")
    head.text(0.012, 0.22, sheet.lead, fontsize=10, va="center")
    foot.text(0.012, 0.5, sheet.source, fontsize=8, va="center")
    for row, place in zip(rows, places, strict=True):
        _draw_row(row, place)
    return figure


def _rows(panels: Sequence[Panel]) -> Iterator[list[Panel]]:
    """The panels in rows, in order; a wide one has a row of its own."""
    row: list[Panel] = []
    for panel in panels:
        if row and (panel.wide or row[0].wide or len(row) == COLUMNS):
            yield row
            row = []
        row.append(panel)
    if row:
        yield row


def _draw_row(row: Sequence[Panel], place: SubFigure) -> None:
    columns = 1 if row[0].wide else COLUMNS
    every = place.subplots(1, columns, squeeze=False)[0]
    for panel, axes in zip(row, every, strict=False):
        panel.draw(axes)
        _entitle(axes, panel)
    for axes in every[len(row) :]:
        axes.remove()


def _entitle(axes: Axes, panel: Panel) -> None:
    """Title and note, above the axes and flush with them."""
    lines = textwrap.wrap(panel.note, _NOTE_WIDTH * (COLUMNS if panel.wide else 1))
    axes.set_title(panel.title, loc="left", weight="bold", pad=8 + _LINE * len(lines))
    axes.annotate(
        "\n".join(lines), (0, 1), (0, 6), xycoords="axes fraction",
        textcoords="offset points", fontsize=8, va="bottom",
    )  # fmt: skip
