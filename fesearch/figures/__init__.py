"""Drawings from plain values, in PNG, SVG and HTML; nothing here knows of data or studies.

A `Sheet` is made of `Panel`s, which `periodic_table`, `histogram`, `bars` and `bands` make;
`write` keeps it in a file. Importing this package imports matplotlib: do it inside the function
that draws.
"""

from fesearch.figures.bands import Band, bands
from fesearch.figures.bars import bars, histogram
from fesearch.figures.files import checked, write
from fesearch.figures.periodic_table import periodic_table
from fesearch.figures.sheet import Panel, Sheet

__all__ = [
    "Band",
    "Panel",
    "Sheet",
    "bands",
    "bars",
    "checked",
    "histogram",
    "periodic_table",
    "write",
]
