"""Metrics: against numbers worked out by hand, and against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as reference

from fesearch.errors import InputError
from fesearch.metrics import METRICS, metric_named

TRUTH = np.array([0.0, 1.0, 2.0, 3.0])
PREDICTION = np.array([0.5, 1.0, 2.0, 1.0])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mae", (0.5 + 2.0) / 4),
        ("rmse", ((0.25 + 4.0) / 4) ** 0.5),
        ("p90", 0.5 + 0.7 * 1.5),  # errors 0, 0, 0.5, 2; 0.9 · 3 lies 0.7 past the third
        ("r2", 1 - 4.25 / 5.0),
    ],
)
def test_by_hand(name: str, value: float) -> None:
    assert metric_named(name)(TRUTH, PREDICTION) == pytest.approx(value)


def test_against_scikit_learn() -> None:
    draw = np.random.default_rng(0)
    truth, prediction = draw.normal(size=(2, 1000))
    for name, function in [
        ("mae", reference.mean_absolute_error),
        ("rmse", reference.root_mean_squared_error),
        ("r2", reference.r2_score),
    ]:
        assert METRICS[name](truth, prediction) == pytest.approx(function(truth, prediction))


def test_float32_predictions_are_summed_in_double() -> None:
    truth = np.zeros(1_000_000)
    prediction = np.full(1_000_000, 0.1, dtype=np.float32)
    assert METRICS["mae"](truth, prediction) == pytest.approx(float(np.float32(0.1)), rel=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_prediction_that_is_not_finite_spoils_the_score(bad: float) -> None:
    spoiled = np.array([0.5, 1.0, bad, 1.0])
    with np.errstate(invalid="ignore"):
        assert not any(np.isfinite(metric(TRUTH, spoiled)) for metric in METRICS.values())


def test_r2_of_a_constant_truth_is_no_number() -> None:
    assert np.isnan(METRICS["r2"](np.ones(4), PREDICTION))


def test_units_and_directions() -> None:
    assert METRICS["mae"].in_unit("eV/atom") == "eV/atom"
    assert METRICS["r2"].in_unit("eV/atom") == ""
    assert {name for name, m in METRICS.items() if m.direction == "maximize"} == {"r2"}


def test_an_unknown_metric_gets_the_nearest() -> None:
    with pytest.raises(InputError) as caught:
        metric_named("maee")
    assert caught.value.message == "There is no metric 'maee'."
    assert caught.value.hint == "Did you mean 'mae'? Type: --metric mae|rmse|p90|r2"
