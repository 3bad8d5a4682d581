"""The composition as a sequence of elements, for recurrent networks: 8 × (number, fraction).

Each element takes two columns, its atomic number (1 to 100, the width of the vectors of Huang &
Ling, J. Appl. Phys. 128, 124901 (2020)) and its fraction of the atoms; behind the last element both
are 0. Eight is the most elements a compound of their data has. ``element_sequence:longest=12``
makes room for more; a compound longer than that is refused and not cut.

They do not state the order of elements. Ours is by falling fraction, elements of one fraction by
rising atomic number: it follows from the formula alone, where an order by a property would need a
table that lacks some of the elements.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from fesearch import formula
from fesearch.errors import InputError, quoted
from fesearch.featureset import LISTING, FormulaFeatureSet
from fesearch.featuresets._dictionary import DICTIONARY, SOURCE, contents
from fesearch.registry import unknown

NAME = "element_sequence"
LONGEST = 8


def sequence(longest: int) -> FormulaFeatureSet:
    """The feature set with room for so many elements."""
    return FormulaFeatureSet(
        name=NAME if longest == LONGEST else f"{NAME}:longest={longest}",
        title=f"Up to {longest} elements in sequence, each with its fraction",
        source=SOURCE,
        version="1",
        names=lambda: names(longest),
        rows=lambda formulas: rows(formulas, longest),
        configure=_configured,
    )


def names(longest: int) -> tuple[str, ...]:
    """The column names, "number 1", "fraction 1", "number 2" …"""
    return tuple(f"{what} {i}" for i in range(1, longest + 1) for what in ("number", "fraction"))


def rows(formulas: Sequence[str], longest: int) -> np.ndarray:
    """The sequences of m reduced formulas, (m, 2 · longest) float64.

    Raises:
        InputError: a formula has more elements than that, or one that is not in the dictionary.
    """
    found = contents(formulas)
    if found.lengths.size and found.lengths.max() > longest:
        raise _too_long(formulas[int(np.argmax(found.lengths > longest))], longest)
    order = np.lexsort((found.number, -found.fraction, found.row))
    place = np.arange(len(order)) - (np.cumsum(found.lengths) - found.lengths)[found.row]
    pairs = np.zeros((len(formulas), longest, 2))
    pairs[found.row, place, 0] = found.number[order]
    pairs[found.row, place, 1] = found.fraction[order]
    return pairs.reshape(len(formulas), 2 * longest)


def _configured(options: Mapping[str, str]) -> FormulaFeatureSet:
    """The set with the option ``longest``, a whole number up to the size of the dictionary."""
    for option in options.keys() - {"longest"}:
        raise unknown(f"option of {NAME}", option, ["longest"], LISTING)
    given = options["longest"]
    if not (given.isascii() and given.isdigit() and 1 <= int(given) <= len(DICTIONARY)):
        raise InputError(
            f"The option longest of {NAME} is {quoted(given)}.",
            f"Give a whole number of elements up to {len(DICTIONARY)}, such as longest=12.",
        )
    return sequence(int(given))


def _too_long(text: str, longest: int) -> InputError:
    count = len(formula.symbols(text))
    return InputError(
        f"{quoted(text)} has {count} elements, more than the {longest} of a sequence.",
        f"Make room for them: --features {NAME}:longest={count}",
    )


FEATURE_SET = sequence(LONGEST)
