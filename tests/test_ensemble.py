"""Greedy selection with replacement: never worse than the best, and weights that mean something."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fesearch.ensemble import mean_and_spread, select
from fesearch.errors import InputError
from fesearch.metrics import METRICS

MAE = METRICS["mae"]
TRUTH = np.zeros(4)


def test_models_that_err_in_opposite_ways_are_joined() -> None:
    """+1 and -3: three times the first and once the second have a mean of zero."""
    found = select([np.full(4, 1.0), np.full(4, -3.0), np.full(4, 9.0)], TRUTH, MAE, 8)
    assert found.picks == (3, 1, 0)
    assert found.score == 0.0


def test_one_pick_is_the_best_model() -> None:
    found = select([np.full(4, 2.0), np.full(4, -1.0)], TRUTH, MAE, 1)
    assert (found.picks, found.score) == ((0, 1), 1.0)


def test_what_does_not_help_is_left_out() -> None:
    found = select([np.full(4, 1.0), np.full(4, 5.0)], TRUTH, MAE, 8)
    assert (found.picks, found.score) == ((1, 0), 1.0)


@pytest.mark.parametrize("seed", range(20))
def test_a_model_joined_with_itself_is_no_better(seed: int) -> None:
    """Its mean with itself differs from it by rounding."""
    truth, error = np.zeros(36), np.random.default_rng(seed).normal(size=36)
    assert select([error, error + 9], truth, MAE, 8).picks == (1, 0)


def test_a_metric_that_is_better_when_larger() -> None:
    truth = np.array([0.0, 1.0, 2.0])
    found = select([truth * 0.5, truth, -truth], truth, METRICS["r2"], 4)
    assert (found.picks, found.score) == ((0, 1, 0), 1.0)


@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_the_mean_is_never_worse_than_the_best(seed: int, size: int) -> None:
    draw = np.random.default_rng(seed)
    truth = draw.normal(size=30)
    models = [truth + draw.normal(size=30) for _ in range(5)]
    found = select(models, truth, MAE, size)
    mean, _ = mean_and_spread(
        [one for one, pick in zip(models, found.picks, strict=True) if pick],
        [pick for pick in found.picks if pick],
    )
    assert 1 <= sum(found.picks) <= size
    assert found.score == pytest.approx(MAE(truth, mean))
    assert found.score <= min(MAE(truth, one) for one in models)


def test_the_spread_is_the_weighted_standard_deviation() -> None:
    models = [np.array([0.0, 1.0]), np.array([4.0, 1.0])]
    mean, spread = mean_and_spread(models, [3, 1])
    assert spread is not None
    assert mean.tolist() == [1.0, 1.0]
    np.testing.assert_allclose(spread, [np.sqrt(3.0), 0.0])
    alone, none = mean_and_spread(models[:1], [5])
    assert alone is models[0]
    assert none is None


@pytest.mark.parametrize(("models", "size"), [(0, 8), (2, 0)])
def test_nothing_cannot_be_selected(models: int, size: int) -> None:
    with pytest.raises(InputError) as caught:
        select([TRUTH] * models, TRUTH, MAE, size)
    assert str(caught.value) == (
        f"An ensemble of {size} cannot be selected from {models} models.\n"
        "Give --ensemble 1 or more, and a study with usable trials."
    )
