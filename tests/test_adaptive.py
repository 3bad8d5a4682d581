"""AdaBoost.R2: scikit-learn's trees and weights on the same draws, its end, and forged weights."""

from typing import Any

import numpy as np
import pytest
from linear import linear
from sklearn.ensemble import AdaBoostRegressor, BaggingRegressor
from sklearn.tree import DecisionTreeRegressor

from fesearch.classical.adaptive import AdaptiveLearner, AdaptivePredictor, weighted_median
from fesearch.classical.trees import Trees
from fesearch.errors import InputError
from fesearch.seeds import derive
from fesearch.split import Development


def learner_of(data: Development, loss: str = "linear", **growth: Any) -> AdaptiveLearner:
    return AdaptiveLearner(growth or {"max_depth": 3}, loss, 0.7, data, step=10, seed=1)


class SameDraws(AdaBoostRegressor):  # type: ignore[misc]
    """scikit-learn's, each of its rounds with the seed that ours has."""

    def _boost(self, iboost: int, x: Any, y: Any, weights: Any, random_state: Any) -> Any:
        draw = np.random.RandomState(derive(1, "round", iboost))
        return super()._boost(iboost, x, y, weights, draw)


@pytest.mark.parametrize("loss", ["linear", "square", "exponential"])
def test_predictions_are_those_of_scikit_learn(loss: str) -> None:
    data = linear(rows=400)
    learner = learner_of(data, loss)
    mine = [learner.advance() for _ in range(2)][-1]
    theirs = SameDraws(DecisionTreeRegressor(max_depth=3), n_estimators=20, learning_rate=0.7)
    theirs.set_params(loss=loss).fit(data.train_x, data.train_y)
    np.testing.assert_allclose(learner.model()["weights"], theirs.estimator_weights_, rtol=1e-9)
    np.testing.assert_allclose(mine, theirs.predict(data.val_x), atol=1e-12)
    predict = AdaptivePredictor(learner.model(), width=data.width)
    np.testing.assert_array_equal(predict(data.val_x), mine)


def test_a_perfect_tree_ends_it() -> None:
    x = np.repeat(np.arange(4, dtype=np.float32), 20)[:, None]
    data = Development(x, x[:, 0].astype(float), x, x[:, 0].astype(float))
    learner = learner_of(data)
    np.testing.assert_array_equal(learner.advance(), data.val_y)
    assert learner.model()["weights"].tolist() == [1.0]
    parameters = learner.parameters
    np.testing.assert_array_equal(learner.advance(), data.val_y)
    assert learner.parameters == parameters
    taken_up = learner_of(data)
    taken_up.restore(learner.checkpoint())
    np.testing.assert_array_equal(taken_up.advance(), data.val_y)


def test_a_tree_worse_than_half_is_left_out_unless_it_is_the_first() -> None:
    draw = np.random.default_rng(0)
    x = np.zeros((200, 1), np.float32)
    two_ends = draw.choice([-1.0, 1.0], 200)
    learner = learner_of(Development(x, two_ends, x, two_ends))
    learner.advance()
    assert len(learner.model()["weights"]) == 1


def test_the_weighted_median_has_half_the_weight_below_it() -> None:
    values = np.array([[3.0, 1.0, 2.0], [9.0, 8.0, 7.0]])
    assert weighted_median(values, np.array([1.0, 1.0, 1.0])).tolist() == [2.0, 8.0]
    assert weighted_median(values, np.array([5.0, 1.0, 1.0])).tolist() == [3.0, 9.0]


@pytest.mark.parametrize("forged", [-1.0, np.nan, np.inf])
def test_forged_weights_are_refused(forged: float) -> None:
    learner = learner_of(linear())
    learner.advance()
    arrays = dict(learner.model())
    arrays["weights"] = np.full(10, forged)
    with pytest.raises(InputError, match="weight of the ensemble is negative or not finite"):
        AdaptivePredictor(arrays, width=8)
    arrays["weights"] = np.ones(9)
    with pytest.raises(InputError, match="'weights' of the ensemble is"):
        AdaptivePredictor(arrays, width=8)
    with pytest.raises(InputError, match="has no tree"):
        AdaptivePredictor({"medians": arrays["medians"], "weights": np.zeros(0)}, width=8)


def test_trees_of_drawn_features_read_the_features_they_were_given() -> None:
    data = linear()
    bagged = BaggingRegressor(n_estimators=7, max_features=0.5, random_state=0)
    bagged.fit(data.train_x, data.train_y)
    total = np.zeros(len(data.val_x))
    Trees.of(bagged.estimators_, bagged.estimators_features_).add(data.val_x, total)
    np.testing.assert_allclose(total / 7, bagged.predict(data.val_x), atol=1e-12)
