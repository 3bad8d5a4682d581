"""Things with names, each at two numbers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fesearch.figures.lines import logarithmic
from fesearch.figures.sheet import Panel
from fesearch.figures.style import INK, MAIN, plain

_ROOM = 0.055, 0.035  # of the axes, that a name takes across and up


@dataclass(frozen=True)
class Point:
    """A name at a place, in the colour of its group."""

    name: str
    x: float
    y: float
    group: str = ""


def points(
    every: Sequence[Point],
    *,
    title: str,
    x: str,
    y: str,
    note: str = "",
    palette: Mapping[str, str] | None = None,
    log_x: bool = False,
    level: float | None = None,
    diagonal: bool = False,
) -> Panel:
    """Each thing as a dot, with its name where there is room: those far from the middle first.

    Args:
        x, y: what the axes are, with units.
        palette: group -> colour, in the order of the legend; all are of one colour without.
        level: a dashed line at this height.
        diagonal: a dashed line where both numbers are the same.
    """
    palette = palette or {}

    def draw(axes: Axes) -> None:
        groups = [group for group in palette if any(one.group == group for one in every)] or [""]
        for group in groups:
            colour = palette.get(group, MAIN)
            own = [one for one in every if one.group == group]
            xs, ys = [one.x for one in own], [one.y for one in own]
            axes.plot(xs, ys, "o", color=colour, markersize=3, label=group)
        if log_x:
            logarithmic(axes, "x")
        else:
            axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(6))
        if level is not None:
            axes.axhline(level, color=INK, linewidth=0.8, linestyle="--")
        if diagonal and every:
            both = [number for one in every for number in (one.x, one.y)]
            ends = [min(both), max(both)]
            axes.plot(ends, ends, color=INK, linewidth=0.8, linestyle="--")
        axes.set(xlabel=x, ylabel=y)
        axes.margins(0.06)
        for one in _named(axes, every):
            axes.annotate(
                plain(one.name, 12), (one.x, one.y), (2.5, 1.5), textcoords="offset points",
                fontsize=7,
            )  # fmt: skip
        if groups != [""]:
            axes.legend(
                loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2, frameon=False, fontsize=8,
                handlelength=1, columnspacing=1, borderaxespad=0,
            )  # fmt: skip

    most = sorted(every, key=lambda one: -one.y)[:5]
    named = ", ".join(f"{plain(one.name, 12)} {one.y:.3g}" for one in most)
    alt = f"{len(every)} points of {y} over {x}. Highest: {named or 'none'}."
    return Panel(title, note, f"{title}. {note} {alt}", draw)


def _named(axes: Axes, every: Sequence[Point]) -> Iterator[Point]:
    """The points whose names do not lie on each other, the most unusual heights first."""
    middle = median(one.y for one in every) if every else 0.0
    axes.autoscale_view()  # else it is done when the figure is drawn: names need the limits now
    into = axes.transScale + axes.transLimits
    taken: list[tuple[float, float]] = []
    for one in sorted(every, key=lambda one: -abs(one.y - middle)):
        x, y = (float(share) for share in into.transform((one.x, one.y)))
        if all(abs(x - a) > _ROOM[0] or abs(y - b) > _ROOM[1] for a, b in taken):
            taken.append((x, y))
            yield one
