"""A number for each element, as colours on the periodic table."""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from heapq import nlargest
from statistics import median

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LogNorm, Normalize, to_hex, to_rgb
from matplotlib.patches import Rectangle

from fesearch.errors import InputError
from fesearch.figures.sheet import Panel
from fesearch.figures.style import FAINT, INK, compact, tick
from fesearch.formula import ELEMENTS

COLUMNS, ROWS = 18, 9
_NOBLE = (0, 2, 10, 18, 36, 54, 86, 118)  # atomic number at the end of each period
_BELOW = {"57–71": range(57, 72), "89–103": range(89, 104)}  # La to Lu, Ac to Lr
_COLOURS = colormaps["viridis"]
_GAP = 0.35  # rows between the table and the two below it
_SIDE = 0.94  # of a cell
_SKEW = 5  # from this ratio of the largest to the median value on, colours are logarithmic
_NAMED = 5  # elements in the alternative text


def place(number: int) -> tuple[int, int]:
    """Column (1 to 18) and row (1 to 7; 8 and 9 below the table) of an atomic number."""
    period = bisect_left(_NOBLE, number)
    from_left, from_right = number - _NOBLE[period - 1], _NOBLE[period] - number
    if any(number in below for below in _BELOW.values()):
        return from_left, period + 2
    return (from_left if from_left <= 2 and from_right else COLUMNS - from_right), period


def periodic_table(
    values: Mapping[str, float],
    *,
    title: str,
    label: str,
    note: str = "",
    text: Callable[[float], str] = compact,
    log: bool | None = None,
) -> Panel:
    """The 118 elements, each with its value as a colour and as a number.

    Args:
        values: symbol -> finite number; an element left out is drawn empty.
        label: what the colours mean, with the unit.
        text: how a value is written in its cell.
        log: whether colours are logarithmic, for positive values; by default where they are all
            positive and the largest is five times the median. Colours that are not begin at 0, or
            at the smallest value below it.

    Raises:
        InputError: there is no element of a symbol given.
    """
    wrong = sorted(set(values) - set(ELEMENTS))
    if wrong:
        raise InputError(f"There is no element '{wrong[0]}'.", "Use symbols such as Fe and O.")
    low, high = min(values.values(), default=0.0), max(values.values(), default=1.0)
    if log is None:
        log = low > 0 and high >= _SKEW * median(values.values())
    scale = LogNorm(low, high) if log else Normalize(min(low, 0.0), high)
    colours = ScalarMappable(scale, _COLOURS)

    def draw(axes: Axes) -> None:
        axes.set(xlim=(0.5, COLUMNS + 0.5), ylim=(ROWS + 0.5 + _GAP, 0.5), aspect="equal")
        axes.axis("off")
        for number, symbol in enumerate(ELEMENTS, start=1):
            value = values.get(symbol)
            colour = FAINT if value is None else to_hex(_COLOURS(scale(value)))
            written = "" if value is None else text(value)
            _cell(axes, number, symbol, colour, written)
        for numbers, below in _BELOW.items():
            row = place(below[-1] + 1)[1]
            axes.text(3, row, numbers, ha="center", va="center", fontsize=7.5)
        for drawn in (*axes.texts, *axes.patches):
            drawn.set_in_layout(False)  # all lie inside; to measure them takes as long as to draw
        if values:
            _key(axes, colours, f"{label} (log scale)" if log else label)

    most = nlargest(_NAMED, values.items(), key=lambda item: item[1])
    listed = ", ".join(f"{symbol} {text(value)}" for symbol, value in most)
    alt = f"Periodic table of {len(values)} elements by {label}. Highest: {listed or 'none'}."
    return Panel(title, note, f"{title}. {note} {alt}", draw, wide=True)


def _cell(axes: Axes, number: int, symbol: str, colour: str, written: str) -> None:
    """One element: its number, its symbol and what is written below."""
    column, row = place(number)
    y = row + (_GAP if row > ROWS - len(_BELOW) else 0.0)
    corner = (column - _SIDE / 2, y - _SIDE / 2)
    axes.add_patch(Rectangle(corner, _SIDE, _SIDE, facecolor=colour, linewidth=0))
    ink = _readable_on(colour) if written else INK
    axes.text(column - 0.4, y - 0.4, str(number), color=ink, fontsize=6, ha="left", va="top")
    name = axes.text(column, y - 0.03, symbol, color=ink, fontsize=12, ha="center", va="center")
    name.set_fontweight("bold" if written else "normal")
    axes.text(column, y + 0.31, written, color=ink, fontsize=8.5, ha="center", va="center")


def _key(axes: Axes, colours: ScalarMappable, label: str) -> None:
    """The bar of colours, in the gap between beryllium and boron."""
    inside = axes.inset_axes((3.0, 1.95, 9.0, 0.28), transform=axes.transData)
    bar = Colorbar(inside, colours, orientation="horizontal")
    bar.outline.set_visible(False)
    bar.ax.xaxis.set_major_formatter(tick)
    bar.ax.minorticks_off()
    bar.ax.set_title(label, fontsize=10, loc="left")


def _readable_on(colour: str) -> str:
    """Black or white, whichever has the greater contrast by WCAG 2.2 (relative luminance)."""
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in to_rgb(colour)
    ]
    luminance = sum(w * part for w, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return "black" if luminance > 0.179 else "white"
