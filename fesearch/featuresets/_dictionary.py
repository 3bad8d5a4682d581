"""The dictionary of elements that compositions are written in: the 100 from H to Fm.

Huang & Ling, J. Appl. Phys. 128, 124901 (2020), doi:10.1063/5.0012411, write a compound as the
fraction of each element of a dictionary, without listing it: 86 elements in their data, which are
those of the OQMD (H to Pu without He, Ne, Ar, Po, At, Rn, Fr and Ra). Here it is the same for all
data, so that a model can be used beyond those it was trained on: the columns of elements that data
lack are 0. A hundred are what their pictures (10 × 10) and sequences (100 wide) have room for.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fesearch import formula
from fesearch.errors import InputError, quoted

DICTIONARY = formula.ELEMENTS[:100]
SOURCE = "Huang & Ling, J. Appl. Phys. 128, 124901 (2020), doi:10.1063/5.0012411"

_NUMBER = {symbol: number for number, symbol in enumerate(DICTIONARY, start=1)}


class Contents(NamedTuple):
    """What is in m formulas, an entry for each element of each formula, one after the other.

    Attributes:
        row: which formula the element is of, ascending, (k,) int64.
        number: atomic number, 1 to 100, (k,) int64.
        fraction: of the atoms of the formula, (k,) float64.
        lengths: number of elements of each formula, (m,) int64.
    """

    row: np.ndarray
    number: np.ndarray
    fraction: np.ndarray
    lengths: np.ndarray


def contents(formulas: Sequence[str]) -> Contents:
    """What is in reduced formulas.

    Raises:
        InputError: one has an element that is not in the dictionary.
    """
    symbols, amounts, counts = formula.contents(formulas)
    try:
        number = np.array([_NUMBER[symbol] for symbol in symbols], dtype=np.int64)
    except KeyError as missing:
        raise _unknown(missing.args[0], formulas) from None
    lengths = np.array(counts, dtype=np.int64)
    row = np.repeat(np.arange(len(formulas)), lengths)
    amount = np.array(amounts, dtype=np.float64)
    fraction = amount / np.bincount(row, amount, minlength=len(formulas))[row]
    return Contents(row, number, fraction, lengths)


def fractions(formulas: Sequence[str]) -> np.ndarray:
    """The fraction of each element of the dictionary in m reduced formulas, (m, 100) float64.

    Raises:
        InputError: one has an element that is not in the dictionary.
    """
    found = contents(formulas)
    matrix = np.zeros((len(formulas), len(DICTIONARY)))
    matrix[found.row, found.number - 1] = found.fraction
    return matrix


def _unknown(symbol: str, formulas: Sequence[str]) -> InputError:
    """The error for an element beyond the dictionary, with the first formula that has it."""
    text = next(text for text in formulas if symbol in formula.symbols(text))
    return InputError(
        f"The dictionary of elements ends with {DICTIONARY[-1]}, and {quoted(text)} "
        f"contains {symbol}.",
        "Leave the formula out of the data.",
    )
