"""Where the panels of a sheet stand.

matplotlib has layouts of its own, but they end in a solver whose last digits differ from one
process to the next, and with them the files: here every place is computed from what was measured.
"""

import math
import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fesearch.figures.sheet import Panel

WIDTH, WIDE_HEIGHT, HEIGHT = 13.0, 7.0, 4.2  # inches: of the sheet; of panels, by kind
COLUMNS = 3  # of panels that are not wide, at most
LETTERS = 170  # of small print that fit across the sheet
_PAD = 0.12  # inches around a panel
_LINE = 12  # points
_DIGITS = 4  # of a place, as a share of the figure


class Box(NamedTuple):
    """A rectangle in a figure, in inches from its lower left corner."""

    left: float
    bottom: float
    width: float
    height: float


class _Margins(NamedTuple):
    """Inches that the words around axes take."""

    left: float
    below: float
    right: float
    above: float


def columns(panels: Sequence[Panel]) -> int:
    """How many panels that are not wide stand side by side: four are two and two."""
    narrow = sum(not panel.wide for panel in panels)
    rows = math.ceil(narrow / COLUMNS)
    return math.ceil(narrow / rows) if rows else 1


def rows(panels: Sequence[Panel]) -> Iterator[list[Panel]]:
    """The panels in rows: first the wide ones, each in its own, then the others side by side."""
    yield from ([panel] for panel in panels if panel.wide)
    others = [panel for panel in panels if not panel.wide]
    side_by_side = columns(panels)
    for first in range(0, len(others), side_by_side):
        yield others[first : first + side_by_side]


def draw_row(figure: Figure, row: Sequence[Panel], places: int, bottom: float) -> None:
    """Draw panels side by side with their titles; of so many places the last may stay empty.

    Args:
        bottom: of the row, in inches above the bottom of the figure.
    """
    width, height = WIDTH / places, WIDE_HEIGHT if row[0].wide else HEIGHT
    notes = [textwrap.wrap(panel.note, LETTERS // places) for panel in row]
    lines = max(map(len, notes))
    every = []
    for panel, note in zip(row, notes, strict=True):
        axes = figure.add_axes((0, 0, 1, 1))
        panel.draw(axes)
        _entitle(axes, panel.title, note, lines)
        every.append(axes)
    fit(every, [Box(width * i, bottom, width, height) for i in range(len(row))])


def fit(every: Sequence[Axes], boxes: Sequence[Box]) -> None:
    """Put axes that were drawn on, and all words around them, in boxes beside each other.

    Their lower and upper edges are in line.
    """
    for axes, box in zip(every, boxes, strict=True):
        _put(axes, box)
    margins = [_margins(axes) for axes in every]
    below = max(margin.below for margin in margins)
    above = max(margin.above for margin in margins)
    for axes, box, margin in zip(every, boxes, margins, strict=True):
        width = box.width - margin.left - margin.right
        height = box.height - below - above
        _put(axes, Box(box.left + margin.left, box.bottom + below, width, height))


def _entitle(axes: Axes, title: str, note: Sequence[str], lines: int) -> None:
    """Title and note above the axes and flush with them, the note in room for so many lines."""
    axes.set_title(title, loc="left", weight="bold", pad=10 + _LINE * lines)
    axes.annotate(
        "\n".join(note), (0, 1), (0, 4 + _LINE * lines), xycoords="axes fraction",
        textcoords="offset points", fontsize=8, va="top",
    )  # fmt: skip


def _margins(axes: Axes) -> _Margins:
    """What is needed around axes where they are, with a little air."""
    figure = axes.get_figure(root=True)
    words = axes.get_tightbbox()
    assert figure is not None
    assert words is not None
    sides = (
        axes.bbox.x0 - words.x0,
        axes.bbox.y0 - words.y0,
        words.x1 - axes.bbox.x1,
        words.y1 - axes.bbox.y1,
    )
    return _Margins(*(max(side / figure.dpi, 0) + _PAD for side in sides))


def _put(axes: Axes, box: Box) -> None:
    """Place axes, in digits few enough to be the same wherever this is computed."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    across, up = figure.get_size_inches()
    shares = (box.left / across, box.bottom / up, box.width / across, box.height / up)
    left, bottom, width, height = (round(float(share), _DIGITS) for share in shares)
    axes.set_position((left, bottom, width, height))
