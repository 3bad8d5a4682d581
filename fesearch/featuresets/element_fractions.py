"""The composition itself: one column for each element, with its fraction of the atoms.

Li₂O is 2/3 in the column Li, 1/3 in O, and 0 elsewhere. The columns are the 100 elements from H to
Fm by atomic number; Huang & Ling, J. Appl. Phys. 128, 124901 (2020), have the 86 of their data
(see ``_dictionary.py``).
"""

from fesearch.featureset import FormulaFeatureSet
from fesearch.featuresets._dictionary import DICTIONARY, SOURCE, fractions


def names() -> tuple[str, ...]:
    """The 100 column names, the symbols by atomic number."""
    return DICTIONARY


FEATURE_SET = FormulaFeatureSet(
    name="element_fractions",
    title="Fraction of each of 100 elements, H to Fm",
    source=SOURCE,
    version="1",
    names=names,
    rows=fractions,
)
