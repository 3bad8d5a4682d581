"""Drawings from plain values, in PNG, SVG and HTML; nothing here knows of data or studies.

A `Sheet` is made of `Panel`s, which `periodic_table`, `histogram`, `bars`, `bands`, `lines`,
`points`, `density` and `binned` make; `write` keeps it in a file. Importing this package imports
matplotlib: do it inside the function that draws.
"""

from fesearch.figures.bands import Band, bands
from fesearch.figures.bars import bars, histogram
from fesearch.figures.binned import Steps, binned
from fesearch.figures.density import density
from fesearch.figures.files import KINDS, checked, write
from fesearch.figures.lines import Line, lines
from fesearch.figures.page import inline_svg
from fesearch.figures.periodic_table import periodic_table
from fesearch.figures.points import Point, points
from fesearch.figures.sheet import Panel, Sheet
from fesearch.figures.style import PALETTE

__all__ = [
    "KINDS",
    "PALETTE",
    "Band",
    "Line",
    "Panel",
    "Point",
    "Sheet",
    "Steps",
    "bands",
    "bars",
    "binned",
    "checked",
    "density",
    "histogram",
    "inline_svg",
    "lines",
    "periodic_table",
    "points",
    "write",
]
