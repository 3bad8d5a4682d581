"""A number in each of some bins, over how many rows are in them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fesearch.figures.lines import key_below
from fesearch.figures.sheet import Panel
from fesearch.figures.style import LINES, compact, plain

_COLOURS = LINES
_MARKS = "os^Dvp"
_HIGHEST = 0.6  # of the axes, that the bars behind the lines reach
_GREY = "#8a9199"  # seen on white and on black


@dataclass(frozen=True)
class Steps:
    """One number in each bin, (k,); NaN where there is none."""

    label: str
    values: np.ndarray


def binned(
    edges: np.ndarray,
    counts: np.ndarray,
    every: Sequence[Steps],
    *,
    title: str,
    x: str,
    y: str,
    note: str = "",
) -> Panel:
    """Lines over bins, with the share of the rows in each as grey bars behind them.

    Args:
        edges: (k + 1,) ascending; counts: (k,).
        x, y: what is divided in bins and what is drawn, with units.
    """
    centres = (edges[1:] + edges[:-1]) / 2

    def draw(axes: Axes) -> None:
        heights = _HIGHEST * np.repeat(counts / max(counts.max(), 1), 2)
        ends = np.repeat(edges, 2)[1:-1]
        axes.fill_between(
            ends, heights, color=_GREY, alpha=0.35, linewidth=0,
            transform=axes.get_xaxis_transform(),
        )  # fmt: skip
        for place, one in enumerate(every):
            axes.plot(
                centres, one.values, marker=_MARKS[place % len(_MARKS)], markersize=4.5,
                color=_COLOURS[place % len(_COLOURS)], label=plain(one.label, 30), linewidth=1.6,
            )  # fmt: skip
        axes.set(xlabel=x, ylabel=y)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        if len(every) > 1:
            key_below(axes, [plain(one.label, 30) for one in every])

    first = [
        f"{compact(float(value))} from {compact(float(a))} to {compact(float(b))}"
        for value, a, b in zip(every[0].values, edges[:-1], edges[1:], strict=True)
        if np.isfinite(value)
    ]
    alt = f"{y} by {x}, {plain(every[0].label, 30)}: {'; '.join(first)}."
    return Panel(title, note, f"{title}. {note} {alt}", draw)
