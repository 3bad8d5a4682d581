"""Intervals of means over divisions: what is drawn, and how much of it."""

import numpy as np
import pytest

from fesearch.predictions import Predictions
from fesearch.ranking import pooled
from fesearch.statistics import bootstrap_interval


def said(rows: list[int], errors: np.ndarray, groups: list[int] | None = None) -> Predictions:
    """Predictions of these places in a data set that are so far off."""
    count = len(rows)
    return Predictions(
        np.array(rows), np.zeros(count), np.asarray(errors), np.array(groups or range(count))
    )


def test_of_one_member_it_is_that_of_its_rows() -> None:
    errors = np.random.default_rng(0).exponential(size=60)
    expected = bootstrap_interval(errors, np.arange(60))
    assert pooled.interval([[said(list(range(60)), errors)]]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("sizes", [(20, 200), (50, 50)])
def test_what_is_the_same_everywhere_is_not_uncertain(sizes: tuple[int, int]) -> None:
    first, second = (list(range(size)) for size in sizes)
    second = [row + 1000 for row in second]
    one, other = said(first, np.ones(len(first))), said(second, np.ones(len(second)))
    assert pooled.interval([[one, one, one], [other]]) == (1.0, 1.0)


def test_that_members_differ_is_no_uncertainty_of_their_mean() -> None:
    """A small one counts as much as a large one, too."""
    members = [
        [said(list(range(20)), np.full(20, 1.0))],
        [said(list(range(20, 220)), np.full(200, 3.0))],
    ]
    assert pooled.interval(members) == pytest.approx((2.0, 2.0), rel=1e-12)


def test_a_formula_is_drawn_with_all_its_rows() -> None:
    """Tested by two members and with two seeds, it is one witness and not four."""
    errors = np.random.default_rng(1).exponential(size=40)
    once = said(list(range(40)), errors)
    backwards = said(list(range(40))[::-1], errors[::-1])
    expected = bootstrap_interval(errors, np.arange(40))
    found = pooled.interval([[once, once], [backwards, once]])
    assert found == pytest.approx(expected, rel=1e-12)
    chained = [said([0, 1], np.zeros(2)), said([1, 2], np.zeros(2), [5, 5]), said([0], np.zeros(1))]
    labels = pooled._formulas([*chained, said([2, 3], np.zeros(2), [7, 7])])
    assert labels.tolist() == [0, 1, 1, 1, 0, 1, 1]


def test_many_formulas_are_drawn_in_blocks() -> None:
    errors = np.random.default_rng(2).exponential(size=5 * pooled.BLOCKS)
    low, high = pooled.interval([[said(list(range(len(errors))), errors)]])
    assert high - low == pytest.approx(2 * 1.96 * errors.std() / len(errors) ** 0.5, rel=0.1)
