"""Intervals, tests and ties: against SciPy, against published numbers, and by their properties."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fesearch.metrics import METRICS
from fesearch.seeds import generator
from fesearch.statistics import (
    bootstrap_interval,
    bootstrap_intervals,
    corrected_resampled_test,
    holm,
    in_blocks,
    paired_test,
    repeated_interval,
    student_p,
    tie_letters,
)

DRAW = np.random.default_rng(0)
ERRORS = np.abs(DRAW.normal(0.0, 1.0, 400))
OTHERS = np.abs(ERRORS + DRAW.normal(0.03, 0.3, 400))
EACH = np.arange(400)


@given(
    t=st.floats(-60, 60).filter(lambda t: t == 0 or abs(t) > 1e-3), freedom=st.integers(1, 20_000)
)
def test_the_p_of_students_t_is_that_of_scipy(t: float, freedom: int) -> None:
    expected = 2.0 * stats.t.sf(abs(t), freedom)
    assert student_p(t, freedom) == pytest.approx(expected, rel=1e-8, abs=1e-300)


@pytest.mark.parametrize(
    ("t", "freedom", "p"),
    [(12.706, 1, 0.05), (2.776, 4, 0.05), (2.228, 10, 0.05), (3.169, 10, 0.01)],
)
def test_the_table_of_students_t(t: float, freedom: int, p: float) -> None:
    """Critical values as every textbook prints them, to three decimals."""
    assert student_p(t, freedom) == pytest.approx(p, rel=1e-3)


def test_rows_of_their_own_make_the_paired_t_test() -> None:
    found = paired_test(ERRORS, OTHERS, EACH)
    expected = stats.ttest_rel(ERRORS, OTHERS)
    assert found.difference == pytest.approx(np.mean(ERRORS - OTHERS))
    assert found.difference / found.error == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue)


def test_rows_that_are_copies_of_each_other_are_one_witness() -> None:
    once = paired_test(ERRORS, OTHERS, EACH)
    thrice = paired_test(*(np.repeat(part, 3) for part in (ERRORS, OTHERS, EACH)))
    assert thrice.p == pytest.approx(once.p)
    assert thrice.error == pytest.approx(once.error)
    naive = paired_test(np.repeat(ERRORS, 3), np.repeat(OTHERS, 3), np.arange(1200))
    assert naive.p < once.p


def test_one_witness_proves_nothing() -> None:
    found = paired_test(ERRORS, OTHERS, np.zeros(400))
    assert math.isnan(found.p)
    assert paired_test(ERRORS, ERRORS, EACH).p == 1.0
    assert paired_test(ERRORS + 1.0, ERRORS, np.arange(400)).p < 1e-100


def test_the_interval_is_that_of_scipys_bootstrap() -> None:
    low, high = bootstrap_interval(ERRORS, EACH, resamples=9999)
    expected = stats.bootstrap(
        (ERRORS,), np.mean, method="percentile", n_resamples=9999, rng=np.random.default_rng(1)
    ).confidence_interval
    assert (low, high) == pytest.approx((expected.low, expected.high), rel=5e-3)


def test_an_interval_is_repeated_by_its_seed_and_widens_with_groups() -> None:
    one = bootstrap_interval(ERRORS, EACH, 3)
    assert one == bootstrap_interval(ERRORS, EACH, 3)
    assert one != bootstrap_interval(ERRORS, EACH, 4)
    ordered = np.sort(ERRORS)
    low, high = bootstrap_interval(ordered, EACH // 10)
    assert high - low > 2.0 * (one[1] - one[0])


@settings(max_examples=20, deadline=None)
@given(shift=st.floats(-5, 5), scale=st.floats(0.1, 10))
def test_an_interval_moves_with_its_values(shift: float, scale: float) -> None:
    low, high = bootstrap_interval(ERRORS, EACH, resamples=100)
    moved = bootstrap_interval(ERRORS * scale + shift, EACH, resamples=100)
    assert moved == pytest.approx((low * scale + shift, high * scale + shift), abs=1e-9)


def test_intervals_of_scores_are_those_of_rows_drawn_one_by_one() -> None:
    truth = DRAW.normal(0.0, 1.0, 90)
    predicted, groups = truth + DRAW.normal(0.1, 0.3, 90), np.sort(DRAW.integers(0, 40, 90))
    found = bootstrap_intervals(truth, predicted, groups, 3, resamples=200)
    _, group = np.unique(groups, return_inverse=True)
    count = int(group.max()) + 1
    draws = generator(3, "bootstrap").integers(0, count, (200, count))
    rows = [np.concatenate([np.flatnonzero(group == one) for one in drawn]) for drawn in draws]
    assert found.keys() == METRICS.keys()
    for name, metric in METRICS.items():
        each = [metric(truth[some], predicted[some]) for some in rows]
        assert found[name] == pytest.approx(tuple(np.quantile(each, [0.025, 0.975])), rel=1e-9)
    errors = np.abs(predicted - truth)
    assert found["mae"] == pytest.approx(bootstrap_interval(errors, groups, 3, resamples=200))


def test_a_draw_of_equal_values_has_no_r2() -> None:
    truth, predicted = np.array([1.0, 1.0, 5.0]), np.array([1.5, 0.5, 5.0])
    found = bootstrap_intervals(truth, predicted, np.arange(3))
    assert found["r2"][0] > 0.5  # and not that of three times one row, which is minus infinity
    same = bootstrap_intervals(np.full(3, 0.1), predicted, np.arange(3))
    assert same.keys() == {"mae", "rmse", "p90"}


def test_overlapping_divisions_are_corrected_as_published() -> None:
    """Nadeau and Bengio's equation by hand: 10 differences, a ninth of the rows to test."""
    differences = [0.02, 0.01, 0.03, 0.00, 0.015, 0.025, 0.01, 0.02, 0.005, 0.02]
    mean, variance = np.mean(differences), np.var(differences, ddof=1)
    t = mean / math.sqrt((1 / 10 + 1 / 9) * variance)
    found = corrected_resampled_test(differences, 1 / 9)
    assert found.p == pytest.approx(2.0 * stats.t.sf(t, 9))
    assert found.p > stats.ttest_1samp(differences, 0.0).pvalue
    assert corrected_resampled_test(differences, 0.0).p == pytest.approx(
        stats.ttest_1samp(differences, 0.0).pvalue
    )
    assert math.isnan(corrected_resampled_test([0.1], 0.1).p)


def test_holm_as_published() -> None:
    """The example of Holm's procedure with four tests: 0.01 × 4, 0.02 × 3, then monotone."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    raised = holm([0.01, math.nan, 0.02])
    assert raised[0::2] == [0.02, 0.02]
    assert math.isnan(raised[1])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_raises_keeps_the_order_and_stays_below_bonferroni(p: list[float]) -> None:
    raised = holm(p)
    for (one, other), (first, second) in zip(
        combinations(p, 2), combinations(raised, 2), strict=True
    ):
        assert one >= other or first <= second
    for before, after in zip(p, raised, strict=True):
        assert before <= after <= min(1.0, before * len(p)) + 1e-12


@settings(deadline=None)
@given(st.data())
def test_letters_say_exactly_who_differs(data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 7))
    differ = {pair: data.draw(st.booleans()) for pair in combinations(range(count), 2)}
    letters = tie_letters(count, differ)
    for (first, second), real in differ.items():
        assert bool(set(letters[first]) & set(letters[second])) is not real
    assert all(letters)


def test_letters_in_order_and_a_pair_that_was_not_compared() -> None:
    assert tie_letters(3, {(0, 1): False, (0, 2): True, (1, 2): False}) == ["a", "ab", "b"]
    assert tie_letters(3, {(0, 1): True}) == ["a", "b", "ab"]
    apart = dict.fromkeys(combinations(range(28), 2), True)
    assert tie_letters(28, apart)[25:] == ["z", "a1", "b1"]


def test_intervals_of_the_same_rows_are_those_of_any() -> None:
    errors = np.random.default_rng(0).exponential(size=300)
    groups = in_blocks(np.array([f"formula {row // 2}" for row in range(300)]), 1000)
    assert len(set(groups)) == 150
    for one in (errors, errors[::-1]):
        assert repeated_interval(one, groups) == pytest.approx(bootstrap_interval(one, groups))
    assert len(set(in_blocks(np.arange(300), 40))) == 40
