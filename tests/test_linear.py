"""Linear models: scikit-learn's coefficients, dependent features, descent that never settles."""

import logging

import numpy as np
import pytest
from linear import linear
from sklearn.linear_model import ElasticNet, LinearRegression, Ridge

from fesearch.classical import linear as models
from fesearch.classical.linear import LinearPredictor, elastic_net, learner_of, least_squares, ridge
from fesearch.classical.onefit import standardised
from fesearch.errors import InputError
from fesearch.families import linear_regression, sgd
from fesearch.record import TrialSpec
from fesearch.split import Development
from fesearch.trial import run


def predicted(data: Development, solve: models.Solve) -> np.ndarray:
    return learner_of(data, solve, threads=1).advance()


@pytest.mark.parametrize(
    ("solve", "theirs"),
    [
        (least_squares, LinearRegression()),
        (lambda x, y: ridge(x, y, alpha=30.0), Ridge(alpha=30.0)),
        (
            lambda x, y: elastic_net(x, y, alpha=0.1, l1_ratio=0.3),
            ElasticNet(alpha=0.1, l1_ratio=0.3, tol=1e-10),
        ),
    ],
)
def test_predictions_are_those_of_scikit_learn(solve: models.Solve, theirs: Ridge) -> None:
    data = linear()
    scaling, x, y = standardised(data.train_x, data.train_y)
    theirs.fit(x, y)
    expected = scaling.prediction(theirs.predict(scaling.features(data.val_x).astype(float)))
    np.testing.assert_allclose(predicted(data, solve), expected, atol=1e-4)


def test_dependent_features_get_small_coefficients() -> None:
    data = linear()
    train, val = (
        np.hstack([x, x[:, :2], (x[:, 3] - x[:, 4])[:, None]]) for x in (data.train_x, data.val_x)
    )
    dependent = Development(train, data.train_y, val, data.val_y)
    learner = learner_of(dependent, least_squares, threads=1)
    np.testing.assert_allclose(learner.advance(), data.val_y, atol=1e-4)
    coef = learner.model()["coef"]
    assert np.abs(coef).max() < 1
    assert coef[0] == pytest.approx(coef[8], abs=1e-6)


def test_descent_that_does_not_settle_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(models, "MOST_SWEEPS", 1)
    with caplog.at_level(logging.WARNING, "fesearch"):
        predicted(linear(), lambda x, y: elastic_net(x, y, alpha=1e-3, l1_ratio=1.0))
    assert caplog.messages == [
        "coordinate descent with alpha 0.001 had not converged after 1 sweeps"
    ]


def test_many_rows_are_predicted_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    data = linear()
    learner = learner_of(data, least_squares, threads=1)
    whole = learner.advance()
    monkeypatch.setattr(models, "ROWS", 7)
    predict = LinearPredictor(learner.model(), width=data.width, threads=1)
    np.testing.assert_allclose(predict(data.val_x), whole, atol=1e-12)


def test_a_coefficient_that_is_not_finite_is_refused() -> None:
    data = linear()
    learner = learner_of(data, least_squares, threads=1)
    learner.advance()
    forged = {**learner.model(), "intercept": np.array(np.nan)}
    with pytest.raises(
        InputError, match="'intercept' of the model has a number that is not finite"
    ):
        LinearPredictor(forged, width=data.width, threads=1)


def test_linear_regression_is_one_config_and_one_step() -> None:
    family = linear_regression.FAMILY
    assert family.published.size() == 1
    assert family.steps({}) == family.steps({}, maximum=500) == (1,)


def test_a_descent_that_diverges_says_so() -> None:
    config = {**sgd.BEST, "eta0": 100.0, "schedule": "constant"}
    reports = list(run([TrialSpec(0, "sgd", config, 1, (1, 2, 3))], linear()))
    assert [report.resource for report in reports] == [1]
    assert "above 1000 times that of the training mean" in str(reports[0].diverged)


@pytest.mark.parametrize("count", ["epochs", "updates"])
def test_a_checkpoint_of_a_descent_counts(count: str) -> None:
    learner = sgd.build(sgd.BEST, linear(), seed=1, threads=1, device="cpu")
    learner.advance()
    checkpoint = dict(learner.checkpoint())
    fresh = sgd.build(sgd.BEST, linear(), seed=1, threads=1, device="cpu")
    with pytest.raises(InputError, match="counts less than one epoch"):
        fresh.restore({**checkpoint, count: np.zeros_like(checkpoint[count])})
    del checkpoint[count]
    with pytest.raises(InputError, match=f"lacks the array '{count}'"):
        fresh.restore(checkpoint)
