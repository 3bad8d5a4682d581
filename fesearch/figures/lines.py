"""Numbers that follow another: curves of training, of learning, distributions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from fesearch.figures.sheet import Panel
from fesearch.figures.style import INK, LINES, compact, plain

_COLOURS = LINES
_DASHES = ("-", "--", ":", "-.")
_MARKS = "os^Dvp"
_LONGEST = 30  # characters of a label
_SIDE_BY_SIDE = 22  # characters of a label
_MANY = 6  # labels
_FAR = 0.65  # of the axis: a label that begins there would end beyond it
_NAMED = 6  # lines in the alternative text
_DECADE = 10.0  # a logarithmic axis this long has its own ticks; a shorter one has 1, 2 and 5


@dataclass(frozen=True)
class Line:
    """One line.

    Attributes:
        x, y: (n,) numbers; those that are not finite are left out.
        mark: a point of it that is shown as a dot with a label, (x, y, text).
    """

    label: str
    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray
    mark: tuple[float, float, str] | None = None


def lines(
    every: Sequence[Line],
    *,
    title: str,
    x: str,
    y: str,
    note: str = "",
    log_x: bool = False,
    log_y: bool = False,
    dots: bool = False,
    limits: tuple[float, float] | None = None,
    steps: bool = False,
) -> Panel:
    """Lines in colours and dashes that can be told apart without colours, too.

    Args:
        x, y: what the axes are, with units.
        dots: a dot at each number.
        limits: of the horizontal axis.
        steps: from one number to the next the first one holds.
    """
    cleaned = [(line, *_finite(line)) for line in every]
    drawn = [(line, xs, ys) for line, xs, ys in cleaned if xs.size]

    def draw(axes: Axes) -> None:
        for place, (line, xs, ys) in enumerate(drawn):
            colour = _COLOURS[place % len(_COLOURS)]
            axes.plot(
                xs, ys, color=colour, linewidth=1.6, label=plain(line.label, _LONGEST),
                linestyle=_DASHES[place // len(_COLOURS) % len(_DASHES)],
                marker=_MARKS[place % len(_MARKS)] if dots else None, markersize=4.5,
                drawstyle="steps-post" if steps else "default",
            )  # fmt: skip
            if line.mark is not None:
                at_x, at_y, text = line.mark
                axes.plot([at_x], [at_y], marker="o", color=colour, markersize=5)
                if len(drawn) == 1:
                    far = limits is not None and at_x > limits[0] + _FAR * (limits[1] - limits[0])
                    axes.annotate(
                        text, (at_x, at_y), (-6, 5) if far else (6, -10),
                        textcoords="offset points", fontsize=8, ha="right" if far else "left",
                    )  # fmt: skip
        if log_x:
            logarithmic(axes, "x")
        else:
            axes.xaxis.set_major_locator(MaxNLocator(5))
        if log_y:
            logarithmic(axes, "y")
        axes.set(xlabel=x, ylabel=y)
        axes.grid(visible=True, alpha=0.25, linewidth=0.5, color=INK)
        axes.set_axisbelow(True)
        if limits:
            axes.set_xlim(*limits)
        if len(drawn) > 1:
            key_below(axes, [plain(line.label, _LONGEST) for line, _, _ in drawn])

    said = [
        f"{plain(line.label, _LONGEST)} from {compact(float(ys[0]))} at {compact(float(xs[0]))} "
        f"to {compact(float(ys[-1]))} at {compact(float(xs[-1]))}"
        for line, xs, ys in drawn[:_NAMED]
    ]
    more = f"; and {len(drawn) - _NAMED} more" if len(drawn) > _NAMED else ""
    alt = f"{len(drawn)} lines of {y} over {x}: {'; '.join(said)}{more}."
    return Panel(title, note, f"{title}. {note} {alt}", draw)


def logarithmic(axes: Axes, which: str) -> None:
    """Make an axis logarithmic, with numbers people read."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axes.set_xscale("log") if which == "x" else axes.set_yscale("log")
    low, high = axis.get_view_interval()
    wide = high / low >= 3 * _DECADE
    axis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, place: compact(float(f"{value:.6g}"))))
    if high / low < 2:  # no round number may lie between: leave it to the eye
        axis.set_major_locator(MaxNLocator(4))


def _finite(line: Line) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(line.x, dtype=float), np.asarray(line.y, dtype=float)
    good = np.isfinite(x) & np.isfinite(y)
    return x[good], y[good]


def key_below(axes: Axes, labels: Sequence[str]) -> None:
    """The key below the axes, where it hides no line.

    Long labels stand below each other, unless they are so many that little was left for the lines.
    """
    many = len(labels) > _MANY
    beside = len(labels) > 2 and (many or max(map(len, labels)) <= _SIDE_BY_SIDE)
    axes.legend(
        loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2 if beside else 1,
        frameon=False, fontsize=7 if many else 8, handlelength=2, columnspacing=1.2,
        borderaxespad=0,
    )  # fmt: skip
