"""The 145 composition features of Ward et al., npj Comput. Mater. 2, 16028 (2016).

Six norms of the stoichiometry, six statistics of each of 22 properties of the elements, mean
valence electrons in s, p, d and f, and three measures of ionic character. The names and numbers
are matminer's (Stoichiometry, ElementProperty "magpie", ValenceOrbital "avg", IonProperty), which
computes a formula at a time; here all formulas of as many elements are one array. As published:

- an ionic compound counts as possible if each element can have one charge (``fast=True``);
- nothing is imputed (``impute_nan=False``): a column is NaN where a table lacks an element (noble
  gases have no electronegativity), rather than the mean over the periodic table.

Only 141 columns are distinct, because the four mean valences are among the means of the element
properties too. All 145 are kept, so that widths and names are those of the papers.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np

from fesearch import formula
from fesearch.errors import InputError, quoted
from fesearch.featureset import FormulaFeatureSet
from fesearch.featuresets._element_tables import (
    PROPERTIES,
    ElementTables,
    element_tables,
    files,
)

NORMS = (0, 2, 3, 5, 7, 10)
STATISTICS = ("minimum", "maximum", "range", "mean", "avg_dev", "mode")
ORBITALS = ("s", "p", "d", "f")
MOST_SUMS = 1_000_000  # of the charges in half a formula: a second of work, 100 MB

_VALENCES = [PROPERTIES.index(f"N{orbital}Valence") for orbital in ORBITALS]
_NAMES = (
    *(f"{p}-norm" for p in NORMS),
    *(f"MagpieData {statistic} {name}" for name in PROPERTIES for statistic in STATISTICS),
    *(f"avg {orbital} valence electrons" for orbital in ORBITALS),
    *("compound possible", "max ionic char", "avg ionic char"),
)


def names() -> tuple[str, ...]:
    """The 145 column names, matminer's own."""
    return _NAMES


def rows(formulas: Sequence[str]) -> np.ndarray:
    """Features of m reduced formulas, (m, 145) float64.

    Raises:
        InputError: the tables lack an element, or the charges add up in too many ways to look
            at; the formula is named.
        FesearchError: the tables are missing.
    """
    tables = element_tables()
    symbols, counts, lengths = formula.contents(formulas)
    try:
        places = np.array([tables.place[symbol] for symbol in symbols])
    except KeyError as missing:
        raise _lacking(missing.args[0], formulas) from None
    amounts = np.array(counts, dtype=np.float64)
    first = np.cumsum(lengths) - lengths
    features = np.empty((len(formulas), len(_NAMES)))
    for length in set(lengths):
        members = np.flatnonzero(np.equal(lengths, length))
        at = first[members] + np.arange(length)[:, None]
        texts = [formulas[row] for row in members.tolist()]
        features[members] = _features(texts, places[at], amounts[at], tables)
    return features


def _lacking(symbol: str, formulas: Sequence[str]) -> InputError:
    """The error for an element without tables, with the first formula that has it."""
    text = next(text for text in formulas if symbol in formula.symbols(text))
    return InputError(
        f"The element tables of magpie lack {symbol}, which {quoted(text)} contains.",
        "Leave the formula out of the data.",
    )


def _features(
    formulas: Sequence[str], elements: np.ndarray, amounts: np.ndarray, tables: ElementTables
) -> np.ndarray:
    """All columns of m formulas of k elements each, (m, 145), from two (k, m) arrays.

    Sums go over the elements one after the other, as matminer adds them.
    """
    statistics = _statistics(tables.properties[:, elements], amounts)
    mean = statistics[:, STATISTICS.index("mean")]
    fractions = amounts / amounts.sum(axis=0)
    columns = (
        _norms(fractions),
        statistics.reshape(-1, len(formulas)),
        mean[_VALENCES],
        _possible(formulas, elements, amounts, tables)[None],
        _ionic_character(tables.electronegativity[elements], fractions),
    )
    return np.concatenate(columns).T


def _norms(fractions: np.ndarray) -> np.ndarray:
    """p-norms of the fractions (k, m); the 0-norm is the number of elements. (6, m)"""
    elements = np.full(fractions.shape[1], float(len(fractions)))
    return np.array([elements, *((fractions**p).sum(axis=0) ** (1 / p) for p in NORMS[1:])])


def _statistics(values: np.ndarray, amounts: np.ndarray) -> np.ndarray:
    """Six statistics of each property (22, k, m) weighted by amount (k, m). (22, 6, m)

    The mode is the value of the element with the largest amount, the least value if several have
    it; amounts that ``np.isclose`` to the largest are as large. A NaN among the values makes all
    statistics NaN, except the mode where it is that of other elements.
    """
    total = amounts.sum(axis=0)
    least, most = values.min(axis=1), values.max(axis=1)
    mean = (values * amounts).sum(axis=1) / total
    deviation = (np.abs(values - mean[:, None]) * amounts).sum(axis=1) / total
    largest = np.isclose(amounts, amounts.max(axis=0))
    mode = np.where(largest, values, np.inf).min(axis=1)
    return np.stack([least, most, most - least, mean, deviation, mode], axis=1)


def _ionic_character(electronegativity: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    """Of all pairs of elements, the largest and the mean ionic character. (2, m)

    Pauling's 1 − exp(−Δ²/4), from two (k, m) arrays; 0 for a single element.
    """
    largest, mean = np.zeros((2, fractions.shape[1]))
    for a, b in combinations(range(len(fractions)), 2):
        character = 1 - np.exp(-0.25 * (electronegativity[a] - electronegativity[b]) ** 2)
        largest = np.maximum(largest, character)
        mean = mean + fractions[a] * fractions[b] * character
    return np.array([largest, mean])


def _possible(
    formulas: Sequence[str], elements: np.ndarray, amounts: np.ndarray, tables: ElementTables
) -> np.ndarray:
    """Which formulas are neutral with one charge for each element; a single element is. (m,) bool

    Most intermetallics have positive charges alone, so that the range of their sums tells.
    """
    if len(elements) == 1:
        return np.ones(len(formulas), dtype=bool)
    lowest = (tables.lowest_charge[elements] * amounts).sum(axis=0)
    highest = (tables.highest_charge[elements] * amounts).sum(axis=0)
    possible: np.ndarray = (lowest <= 0) & (highest >= 0)
    for row in np.flatnonzero(possible).tolist():
        charges = [tables.charges[element] for element in elements[:, row]]
        possible[row] = _can_be_neutral(formulas[row], charges, amounts[:, row].tolist())
    return possible


def _can_be_neutral(text: str, charges: Sequence[Sequence[int]], amounts: Sequence[float]) -> bool:
    """Whether one charge for each element, times its amount, can add up to 0.

    The sums of one half of the elements are compared with those of the other half, since all
    combinations are too many from some fifteen elements on. Floats are exact here to 2⁵³.
    """
    terms = [
        [charge * amount for charge in choices]
        for choices, amount in zip(charges, amounts, strict=True)
    ]
    half = len(terms) // 2
    try:
        first, second = _sums(terms[:half]), _sums(terms[half:])
    except OverflowError:
        raise InputError(
            f"The charges in {quoted(text)} add up in more than {MOST_SUMS} ways.",
            "Give its amounts with fewer digits, or leave the formula out of the data.",
        ) from None
    return not first.isdisjoint(-charge for charge in second)


def _sums(terms: Iterable[Sequence[float]]) -> set[float]:
    """All sums of one choice from each of the terms."""
    sums = {0.0}
    for choices in terms:
        if len(sums) * len(choices) > MOST_SUMS:
            raise OverflowError
        sums = {known + choice for known in sums for choice in choices}
    return sums


FEATURE_SET = FormulaFeatureSet(
    name="magpie",
    title="145 Magpie features of the composition (tables of matminer)",
    source="Ward et al., npj Comput. Mater. 2, 16028 (2016), doi:10.1038/npjcompumats.2016.28",
    version="2",
    names=names,
    rows=rows,
    tables=files,
)
