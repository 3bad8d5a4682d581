"""The composition as a picture of 10 × 10 cells, one element a cell, for convolutions.

The layout is row by row: the element of atomic number Z is in row (Z − 1) // 10 and column
(Z − 1) % 10, both from 0, so that ``matrix.reshape(-1, 10, 10)`` are the pictures and the numbers
are those of ``element_fractions``. Huang & Ling, J. Appl. Phys. 128, 124901 (2020), wrap their
dictionary of 86 elements in such a picture too, in an order they do not state; the cells of
elements that the data lack stay 0, as their other 14 do.
"""

from fesearch.featureset import FormulaFeatureSet
from fesearch.featuresets._dictionary import DICTIONARY, SOURCE, fractions

SIDE = 10


def names() -> tuple[str, ...]:
    """The 100 column names, such as "row 0 column 2 Li"."""
    return tuple(
        f"row {cell // SIDE} column {cell % SIDE} {symbol}"
        for cell, symbol in enumerate(DICTIONARY)
    )


FEATURE_SET = FormulaFeatureSet(
    name="element_grid",
    title="Fractions of 100 elements as a picture of 10 × 10",
    source=SOURCE,
    version="1",
    names=names,
    rows=fractions,
)
