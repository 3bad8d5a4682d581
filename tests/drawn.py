"""Small panels of every kind, for the tests of figures."""

from dataclasses import replace
from functools import cache

import numpy as np

from fesearch.figures import Sheet, bars, histogram, periodic_table
from fesearch.figures.files import KINDS

COUNTS = {"O": 12_345, "Fe": 678, "U": 91, "Xe": 2}


def small() -> Sheet:
    """A sheet with a panel of each kind."""
    return Sheet(
        title="Oxides",
        lead="3 rows",
        source="a bench",
        panels=[
            periodic_table(COUNTS, title="Elements", label="rows"),
            histogram(np.array([-1.0, 0.5, 2.0]), title="e_form", unit="eV/atom"),
            bars({"AB₂": 2, "AB": 1}, title="Formulas", axis="rows"),
        ],
    )


@cache
def drawn(kind: str) -> bytes:
    """The content of a file of that kind."""
    return KINDS[kind](small())


def quick() -> Sheet:
    """A sheet that is drawn at once: without the table."""
    return replace(small(), panels=small().panels[1:])
