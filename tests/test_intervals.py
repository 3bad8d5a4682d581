"""Split conformal intervals: the promised share is covered, whatever the errors look like."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fesearch.errors import InputError
from fesearch.intervals import Calibration

ARRAY = "The array 'scores' of the calibration"
TEN = np.arange(1.0, 11.0)


@pytest.mark.parametrize(("level", "half"), [(0.5, 6.0), (0.9, 10.0), (0.1, 2.0), (0.05, 1.0)])
def test_the_score_is_the_one_of_the_paper(level: float, half: float) -> None:
    """Of ten errors 1 … 10 the ⌈11 level⌉-th."""
    calibration = Calibration.of(np.zeros(10), TEN[::-1])
    assert calibration.half_width(level) == half
    assert calibration.floor is None


def test_nine_rows_are_exactly_enough_for_nine_tenths() -> None:
    """10 × 0.9 is 9; in floating point 1.1 × 0.9 and its kind are a little more than they are."""
    assert Calibration(TEN[:9]).half_width(0.9) == 9.0
    with pytest.raises(InputError) as caught:
        Calibration(TEN[:8]).half_width(0.9)
    assert str(caught.value) == (
        "An interval that covers 0.9 takes 9 validation rows; this model was calibrated on 8.\n"
        "Give --interval 0.888 or less."
    )


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, 90.0, float("nan")])
def test_a_level_is_between_0_and_1(level: float) -> None:
    with pytest.raises(InputError) as caught:
        Calibration(TEN).half_width(level)
    assert str(caught.value) == (
        f"An interval cannot cover a share of {level:g}.\n"
        "Give a number between 0 and 1, such as --interval 0.9"
    )


@given(seed=st.integers(0, 2**32 - 1), level=st.sampled_from([0.5, 0.8, 0.9]))
def test_new_rows_are_covered_on_average(seed: int, level: float) -> None:
    """Over draws of 99 rows to calibrate on and 200 new ones, of skewed and heavy-tailed errors."""
    draw = np.random.default_rng(seed)
    covered = []
    for _ in range(60):
        errors = draw.standard_t(2, 299) ** 3
        found = Calibration.of(np.zeros(99), errors[:99])
        covered.append(found.coverage(level, np.zeros(200), errors[99:]).covered)
    assert np.mean(covered) == pytest.approx(level, abs=0.04)


def test_a_spread_makes_intervals_wide_where_errors_are_large() -> None:
    draw = np.random.default_rng(0)
    scale = draw.uniform(0.1, 3.0, 4000)
    errors = draw.normal(0, scale)
    found = Calibration.of(np.zeros(2000), errors[:2000], scale[:2000])
    assert found.floor == pytest.approx(np.median(scale[:2000]))
    half = found.half_width(0.9, scale[2000:])
    np.testing.assert_allclose(
        half, half[0] * (scale[2000:] + found.floor) / (scale[2000] + found.floor)
    )
    said = found.coverage(0.9, np.zeros(2000), errors[2000:], scale[2000:])
    assert (said.level, said.rows) == (0.9, 2000)
    assert said.covered == pytest.approx(0.9, abs=0.02)
    assert said.width == pytest.approx(2 * half.mean())


def test_members_that_all_agree_have_no_spread_to_divide_by() -> None:
    found = Calibration.of(np.zeros(10), TEN, np.zeros(10))
    assert (found.floor, found.half_width(0.5)) == (None, 6.0)


@pytest.mark.parametrize(
    ("scores", "floor", "message"),
    [
        (TEN[::-1].copy(), None, "The scores of the calibration are not ascending errors."),
        (TEN - 2, None, "The scores of the calibration are not ascending errors."),
        (TEN, 0.0, "The floor of the calibration is 0."),
        (TEN[:9], None, f"{ARRAY} is float64 (9,), not float64 (10,)."),
        (TEN * np.nan, None, f"{ARRAY} has a number that is not finite."),
    ],
)  # fmt: skip
def test_forged_scores_are_refused(scores: np.ndarray, floor: float | None, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Calibration.from_arrays({"scores": scores}, rows=10, floor=floor)
    assert caught.value.message == message


def test_a_calibration_is_kept_as_it_is() -> None:
    found = Calibration.of(np.zeros(10), TEN, TEN)
    again = Calibration.from_arrays(found.arrays(), rows=10, floor=found.floor)
    np.testing.assert_array_equal(again.half_width(0.8, TEN), found.half_width(0.8, TEN))
