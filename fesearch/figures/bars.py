"""How numbers lie, and how often things occur."""

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from fesearch.figures.sheet import Panel
from fesearch.figures.style import FAINT, INK, MAIN, plain, tick

_FEWEST, _MOST = 10, 60  # bins
_TAIL = 0.1  # percent of the values on each side that do not say where the axis ends …
_MARGIN = 0.25  # … which is this share of the span of the others beyond them
_SAME = 1e-9  # of their size: values nearer to each other cannot be told apart in bins
_SKEW = 100  # from this ratio of the fullest bin to the median bin on, the axis is logarithmic
_NAMED = 5  # bars in the alternative text
_LONGEST_LABEL, _LONGEST_NAME, _LONGEST_UNIT = 24, 32, 16  # characters
_TICKS = 5  # at most, on an axis from left to right
_THICKEST = 6  # bars that fill the axes; fewer leave room below


def histogram(values: np.ndarray, *, title: str, unit: str) -> Panel:
    """The distribution of n finite values in ``unit``, with median and share of positive ones.

    A few values far from all others are left out and counted in the note. The share of positive
    values is told unless all are.

    Args:
        values: (n,), at least one.
    """
    title, unit = plain(title, _LONGEST_NAME), plain(unit, _LONGEST_UNIT)
    low, high = _limits(values)
    bins = int(np.clip(np.sqrt(values.size), _FEWEST, _MOST))
    counts, edges = np.histogram(values, bins, range=(low, high))
    log = counts.max() >= _SKEW * np.median(counts[counts > 0])
    median = float(np.median(values))

    def draw(axes: Axes) -> None:
        axes.stairs(counts, edges, fill=True, color=MAIN)
        axes.axvline(median, color=INK, linewidth=1, linestyle="--")
        axes.annotate(
            "median", (median, 1), (3, 0), xycoords=("data", "axes fraction"),
            textcoords="offset points", fontsize=8, va="top",
        )  # fmt: skip
        if log:
            axes.set_yscale("log")
            axes.set_ylim(bottom=0.7)
            axes.minorticks_off()
        axes.yaxis.set_major_formatter(tick)
        axes.xaxis.set_major_locator(MaxNLocator(_TICKS))
        axes.xaxis.set_major_formatter(lambda value, place: _number(value, 6))
        axes.margins(x=0)
        axes.set(xlabel=f"{title} ({unit})", ylabel="rows (log scale)" if log else "rows")

    facts = [f"Median {_number(median)} {unit}"]
    positive = float(np.mean(values > 0))
    if positive < 1:
        facts.append(f"{_percent(positive)} positive")
    note = ", ".join(facts) + ". " + _left_out(values, low, high, unit)
    alt = f"Histogram from {_number(low)} to {_number(high)} {unit}."
    return Panel(title, note.strip(), f"{title}. {note.strip()} {alt}", draw)


def _limits(values: np.ndarray) -> tuple[float, float]:
    """Where the axis begins and ends: at the extremes, unless they are far from all others."""
    first, last = np.percentile(values, (_TAIL, 100 - _TAIL))
    least, most = float(values.min()), float(values.max())
    margin = _MARGIN * (last - first)
    low, high = max(least, first - margin), min(most, last + margin)
    if margin == 0:  # nearly all are the same
        low, high = least, most
    size = max(abs(low), abs(high)) or 1.0
    if high - low <= _SAME * size:
        return low - size / 2, high + size / 2
    return float(low), float(high)


def _left_out(values: np.ndarray, low: float, high: float, unit: str) -> str:
    """A sentence on the values beyond the axis; none where there are none."""
    below, above = int((values < low).sum()), int((values > high).sum())
    parts = []
    if below:
        parts.append(f"{below:,} below (to {_number(values.min())})")
    if above:
        parts.append(f"{above:,} above (to {_number(values.max())})")
    return f"Beyond the axis: {', '.join(parts)} {unit}." if parts else ""


def bars(
    counts: Mapping[str, float],
    *,
    title: str,
    axis: str,
    note: str = "",
    groups: Mapping[str, str] | None = None,
    palette: Mapping[str, str] | None = None,
    text: Callable[[float], str] = "{:,}".format,
) -> Panel:
    """A horizontal bar for each label, the first on top, with its count at the end.

    Args:
        counts: label -> count or another number, at least one.
        axis: what is counted, or the number is, with its unit.
        text: how a number is written at the end of its bar.
        groups: label -> the group whose colour it has; all are of one colour without.
        palette: group -> colour, in the order of the legend.
    """
    groups, palette = groups or {}, palette or {}
    shown = [plain(label, _LONGEST_LABEL) for label in counts]

    def draw(axes: Axes) -> None:
        places = range(len(counts))
        colours = [palette[groups[label]] if groups else MAIN for label in counts]
        drawn = axes.barh(places, list(counts.values()), color=colours)
        axes.bar_label(drawn, [text(count) for count in counts.values()], padding=3, fontsize=8)
        axes.set_yticks(places, shown)
        axes.set_ylim(max(len(counts), _THICKEST) - 0.4, -0.6)
        ends = min(*counts.values(), 0), max(*counts.values(), 0)
        axes.set_xlim(*ends if ends[0] < ends[1] else (0, 1))  # the counts stand beside the axes
        axes.tick_params(axis="y", length=0)
        whole = all(count == round(count) for count in counts.values())
        ticks = _TICKS if whole else _TICKS - 2  # 0.0005 needs more room than 500
        axes.xaxis.set_major_locator(MaxNLocator(ticks, integer=whole, steps=(1, 2, 5, 10)))
        axes.xaxis.set_major_formatter(tick)
        axes.set_xlabel(axis)
        axes.spines["left"].set_color(FAINT)
        used = set(groups.values())
        if used:
            keys = [Patch(color=palette[group], label=group) for group in palette if group in used]
            axes.legend(
                handles=keys, loc="upper right", bbox_to_anchor=(1, 0), borderaxespad=4.5,
                ncols=3, frameon=False, fontsize=8, handlelength=1, columnspacing=1.5,
            )  # fmt: skip

    first = [f"{label} {text(count)}" for label, count in zip(shown, counts.values(), strict=True)]
    alt = f"Bars of {len(counts)} by {axis}, the first ones: {', '.join(first[:_NAMED])}."
    return Panel(title, note, f"{title}. {note} {alt}", draw)


def _number(value: float, digits: int = 4) -> str:
    return f"{value:.{digits}g}".replace("-", "−")


def _percent(share: float) -> str:
    """A share in percent; never 0 % where it is not nothing."""
    return f"{100 * share:.1f} %" if share == 0 or share >= 0.0005 else "less than 0.1 %"
