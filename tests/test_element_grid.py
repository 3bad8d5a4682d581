"""The composition as a picture."""

import numpy as np

from fesearch.featuresets import element_fractions, element_grid

FORMULAS = ["Fe2O3", "H", "FmU", "CaTiO3"]


def test_each_element_has_its_cell_row_by_row() -> None:
    pictures = element_grid.FEATURE_SET.rows(FORMULAS).reshape(-1, 10, 10)
    assert pictures[0, 2, 5] == 2 / 5  # Fe, 26
    assert pictures[0, 0, 7] == 3 / 5  # O, 8
    assert pictures[1, 0, 0] == 1  # H, 1
    assert pictures[2, 9, 9] == 1 / 2  # Fm, 100
    assert np.count_nonzero(pictures, axis=(1, 2)).tolist() == [2, 1, 2, 3]


def test_the_numbers_are_those_of_element_fractions() -> None:
    np.testing.assert_array_equal(
        element_grid.FEATURE_SET.rows(FORMULAS), element_fractions.FEATURE_SET.rows(FORMULAS)
    )


def test_names_say_the_cell() -> None:
    names = element_grid.names()
    assert (names[0], names[25], names[99]) == (
        "row 0 column 0 H",
        "row 2 column 5 Fe",
        "row 9 column 9 Fm",
    )
