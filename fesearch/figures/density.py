"""Predictions against what is true: how many rows lie where."""

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import MaxNLocator

from fesearch.figures.sheet import Panel
from fesearch.figures.style import INK, compact, plain

_CELLS = 90  # of the picture, each way
_TAIL = 0.05  # percent of the numbers on each side that do not say where the axes end
_FEW = 400  # rows up to which each is a dot
_COLOURS = colormaps["viridis"]
_DOT = "#4477aa"


def density(
    x: np.ndarray, y: np.ndarray, *, title: str, note: str, x_axis: str, y_axis: str
) -> Panel:
    """Two numbers of n rows against each other on equal axes, with the line where they agree.

    Few rows are dots; of many their number in each small square is a colour (logarithmic). Rows
    beyond the axes are counted in the note.

    Args:
        x, y: (n,), at least one row.
    """
    both = np.concatenate([x, y])
    low, high = (float(end) for end in np.percentile(both, (_TAIL, 100 - _TAIL)))
    low, high = (low - 0.5, high + 0.5) if low == high else (low, high)
    pad = 0.03 * (high - low)
    low, high = low - pad, high + pad
    outside = int(((np.minimum(x, y) < low) | (np.maximum(x, y) > high)).sum())
    few = x.size <= _FEW
    counts, _, _ = np.histogram2d(y, x, bins=_CELLS, range=((low, high), (low, high)))

    def draw(axes: Axes) -> None:
        axes.plot([low, high], [low, high], color=INK, linewidth=0.8, linestyle="--")
        if few:
            axes.plot(x, y, "o", color=_DOT, markersize=3.5, alpha=0.6, markeredgewidth=0)
        else:
            axes.imshow(
                np.ma.masked_equal(counts, 0), origin="lower", extent=(low, high, low, high),
                cmap=_COLOURS.reversed(), norm=LogNorm(1, max(counts.max(), 2)),
                interpolation="none", zorder=2,
            )  # fmt: skip
        axes.set(xlim=(low, high), ylim=(low, high), xlabel=x_axis, ylabel=y_axis)
        axes.set_aspect("equal", adjustable="box")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5))

    left = f" Beyond the axes: {outside:,} rows." if outside else ""
    colours = "" if few else " Darker: more rows."
    alt = (
        f"{y_axis} against {x_axis} for {x.size:,} rows from {compact(float(x.min()))} to "
        f"{compact(float(x.max()))}."
    )
    title = plain(title, 60)
    return Panel(title, f"{note}{colours}{left}", f"{title}. {note}{left} {alt}", draw)
