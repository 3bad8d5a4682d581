"""Steps with a band around each: how values fall with time, and how far they spread."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from fesearch.figures.sheet import Panel
from fesearch.figures.style import PALETTE, compact, plain

_DASHES = ("-", "--", ":", "-.")
_LONGEST = 40  # characters of a label
_COLOURS = PALETTE[1:]


@dataclass(frozen=True)
class Band:
    """A line that holds its value until the next, and what lies around it.

    Attributes:
        x, y, low, high: (n,) numbers; where one is not finite nothing is drawn.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def bands(every: Sequence[Band], *, title: str, x: str, y: str, note: str = "") -> Panel:
    """Lines told apart by colour and dash, over time in its logarithm.

    Args:
        x, y: what the axes are, with units.
    """

    def draw(axes: Axes) -> None:
        for place, band in enumerate(every):
            colour = _COLOURS[place % len(_COLOURS)]
            axes.fill_between(band.x, band.low, band.high, step="post", color=colour, alpha=0.15)
            axes.step(
                band.x, band.y, where="post", color=colour, linewidth=1.6,
                linestyle=_DASHES[place // len(_COLOURS) % len(_DASHES)],
                label=plain(band.label, _LONGEST),
            )  # fmt: skip
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, place: compact(value)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set(xlabel=x, ylabel=y)
        axes.legend(frameon=False, fontsize=8, loc="upper right")

    ends = [f"{plain(b.label, _LONGEST)} {compact(float(np.asarray(b.y)[-1]))}" for b in every]
    return Panel(title, note, f"{title}. {note} At the end: {', '.join(ends)}.", draw, wide=True)
