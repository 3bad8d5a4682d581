"""How every drawing looks, and how numbers and words stand in it."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib.style

# The page puts colours of its own in the place of these two, so that they suit dark and light:
# nothing else may be drawn in them.
INK = "#1b1f24"
FAINT = "#e3e6ea"

MAIN = "#4477aa"

#: Seven colours that people of every colour vision tell apart, on white and on black: the scheme
#: "bright" of P. Tol, Colour Schemes, SRON/EPS/TN/09-002 (2021), fig. 1; grey comes first.
PALETTE = ("#bbbbbb", "#4477aa", "#66ccee", "#228833", "#ccbb44", "#ee6677", "#aa3377")

#: The same for lines, so that neighbours in the order differ most.
LINES = tuple(PALETTE[place] for place in (1, 5, 3, 4, 6, 2))

_STYLE: dict[str, Any] = {
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,  # a target may be called "cost ($)"
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "fesearch",  # names inside the file are the same each time it is drawn
}


@contextmanager
def styled() -> Iterator[None]:
    """Make and save figures in here: whatever the user's own settings, they look the same."""
    with matplotlib.style.context(_STYLE, after_reset=True), warnings.catch_warnings():
        # The font lacks Chinese, say: boxes in PNG, and in SVG the viewer has other fonts.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield


def compact(value: float) -> str:
    """A number in at most six characters or so: 73, 12,345, 341k, 1.2M, 0.0873."""
    if value != round(value) and abs(value) < 999.5:
        text = f"{value:.3g}"
    elif abs(value) < 99_999.5:
        text = f"{value:,.0f}"
    elif abs(value) < 999_500:
        text = f"{value / 1e3:.0f}k"
    else:
        text = f"{value / 1e6:.3g}M"
    return text.replace("-", "−")


def tick(value: float, place: float) -> str:
    """A count on an axis, 5,000 or 25k, as matplotlib asks for it; ``place`` is its position."""
    return f"{value / 1e3:g}k" if 10_000 <= value < 1e6 else compact(value)


def plain(text: str, longest: int) -> str:
    """Text of the user's as it can stand in a drawing: one line, printable, not too long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
