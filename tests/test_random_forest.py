"""The random forest: its published grid, its trees as arrays, and forged ones."""

import numpy as np
import pytest
from linear import linear
from sklearn.ensemble import RandomForestRegressor

from fesearch.classical.forest import ForestLearner, ForestPredictor
from fesearch.classical.trees import Trees
from fesearch.errors import InputError
from fesearch.families import random_forest
from fesearch.families.random_forest import BEST, FAMILY, PUBLISHED
from fesearch.family import FAMILIES
from fesearch.seeds import derive
from fesearch.split import Development


def learner_of(data: Development, threads: int = 1) -> ForestLearner:
    found = FAMILY.build(BEST, data, seed=1, threads=threads, device="cpu")
    assert isinstance(found, ForestLearner)
    return found


def test_the_published_grid_has_48_points() -> None:
    grid = list(PUBLISHED.grid())
    assert len(grid) == PUBLISHED.size() == 48
    assert len({tuple(config.items()) for config in grid}) == 48


@pytest.mark.parametrize("trees", [5, 125, 0])
def test_trees_come_in_tens(trees: int) -> None:
    with pytest.raises(InputError, match=f"'n_estimators' is {trees}"):
        random_forest.check({**BEST, "n_estimators": trees})


def test_predictions_are_those_of_scikit_learn() -> None:
    data = linear(rows=500)
    learner = learner_of(data)
    mine = [learner.advance() for _ in range(3)][-1]
    growth = {name: value for name, value in BEST.items() if name != "n_estimators"}
    theirs = np.mean(
        [
            RandomForestRegressor(n_estimators=10, random_state=derive(1, "chunk", chunk), **growth)
            .fit(data.train_x, data.train_y)
            .predict(data.val_x)
            for chunk in range(3)
        ],
        axis=0,
    )
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-12)
    predict = ForestPredictor(learner.model(), width=data.width)
    np.testing.assert_array_equal(predict(data.val_x), mine)


@pytest.mark.parametrize("name", ["decision_tree", "bagging", "random_forest"])
def test_splits_by_the_absolute_error_are_less_moved_by_outliers(name: str) -> None:
    data, family = linear(rows=500), FAMILIES.get(name)
    data.train_y[::20] += 500.0
    first = {**family.first(family.full), "min_samples_leaf": 20, "max_features": 1.0}
    assert first["criterion"] == "squared_error"
    squared, absolute = (
        family.build({**first, "criterion": criterion}, data, seed=1, threads=1, device="cpu")
        for criterion in ("squared_error", "absolute_error")
    )
    errors = [np.mean(np.abs(one.advance() - data.val_y)) for one in (squared, absolute)]
    assert errors[1] < 0.2 * errors[0]


@pytest.mark.parametrize("name", ["decision_tree", "bagging", "random_forest"])
def test_a_config_without_a_criterion_has_that_of_the_published_space(name: str) -> None:
    data, family = linear(), FAMILIES.get(name)
    assert "criterion" not in family.published.parameters
    configs = family.best, {**family.best, "criterion": "squared_error"}
    one, other = (
        family.build(config, data, seed=1, threads=1, device="cpu").advance() for config in configs
    )
    np.testing.assert_array_equal(one, other)
    with pytest.raises(InputError, match="'criterion' is 'poisson'"):
        family.check({**family.best, "criterion": "poisson"})


def test_a_value_on_a_threshold_goes_left() -> None:
    x = np.repeat(np.arange(4, dtype=np.float32), 20)[:, None]
    forest = RandomForestRegressor(n_estimators=5, random_state=0).fit(x, x[:, 0] ** 2)
    trees = Trees.of(forest.estimators_)
    thresholds = trees.number[trees.feature == 0].astype(np.float32)[:, None]
    total = np.zeros(len(thresholds))
    trees.add(thresholds, total)
    np.testing.assert_allclose(total / 5, forest.predict(thresholds), atol=1e-12)


def test_many_rows_are_walked_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    data = linear()
    learner = learner_of(data)
    expected = learner.advance()
    monkeypatch.setattr("fesearch.classical.trees.ROWS", 7)
    predict = ForestPredictor(learner.model(), width=data.width)
    np.testing.assert_array_equal(predict(data.val_x), expected)


def test_the_number_of_threads_does_not_matter() -> None:
    data = linear()
    np.testing.assert_array_equal(learner_of(data).advance(), learner_of(data, 2).advance())


def test_a_missing_feature_counts_as_the_training_median() -> None:
    data = linear()
    learner = learner_of(data)
    learner.advance()
    predict = ForestPredictor(learner.model(), width=data.width)
    missing, median = data.val_x.copy(), data.val_x.copy()
    missing[:, 0], median[:, 0] = np.nan, np.median(data.train_x[:, 0])
    np.testing.assert_array_equal(predict(missing), predict(median))


def test_a_model_shares_its_arrays_and_parameters_count_its_nodes() -> None:
    learner = learner_of(linear())
    learner.advance()
    one, two = learner.model(), learner.model()
    assert all(np.shares_memory(one[name], two[name]) for name in one)
    assert learner.parameters == len(one["chunk0.right"])


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    """Two trees: a split with two leaves, and a leaf alone."""
    return {
        "medians": np.zeros(2, np.float32),
        "chunk0.offsets": np.array([0, 3, 4], np.int64),
        "chunk0.right": np.array([2, 0, 0, 0], np.int32),
        "chunk0.feature": np.array([1, -1, -1, -1], np.int32),
        "chunk0.number": np.array([0.5, 1.0, 2.0, 4.0]),
    }


def test_a_forest_made_by_hand(arrays: dict[str, np.ndarray]) -> None:
    predict = ForestPredictor(arrays, width=2)
    x = np.array([[9, 0.5], [9, 0.6], [9, np.nan]], np.float32)
    assert predict(x).tolist() == [2.5, 3.0, 2.5]


@pytest.mark.parametrize(
    ("name", "forged", "message"),
    [
        ("right", np.array([0, 0, 0, 0], "i4"), "a child before itself"),
        ("right", np.array([1, 0, 0, 0], "i4"), "a child before itself"),
        ("right", np.array([3, 0, 0, 0], "i4"), "outside its tree"),
        ("right", np.array([-1, 0, 0, 0], "i4"), "a child before itself"),
        ("right", np.array([2, 0, 2, 0], "i4"), "A leaf of the forest has a child"),
        ("right", np.array([2, 0, 0, 0], "i8"), r"'right' of the forest is int64"),
        ("right", np.array([[2, 0], [0, 0]], "i4"), r"'right' of the forest is int32 \(2, 2\)"),
        ("right", np.array([2, 0, 0], "i4"), "is int32"),
        ("feature", np.array([1, -1, 0, -1], "i4"), "a child before itself"),
        ("feature", np.array([2, -1, -1, -1], "i4"), "a feature outside 0 … 1"),
        ("feature", np.array([-2, -1, -1, -1], "i4"), "a feature outside 0 … 1"),
        ("number", np.array([np.nan, 1, 2, 4]), "not finite"),
        ("number", np.array([0.5, 1, np.inf, 4]), "not finite"),
        ("offsets", np.array([0, 4], "i8")[:1], "do not divide"),
        ("offsets", np.array([0, 3, 5], "i8"), "do not divide"),
        ("offsets", np.array([1, 3, 4], "i8"), "do not divide"),
        ("offsets", np.array([0, 3, 3, 4], "i8"), "do not divide"),
        ("offsets", np.array([0, -3, 4], "i8"), "do not divide"),
        ("offsets", np.array([0, 2**63 - 1, -(2**63), -1, 4], "i8"), "do not divide"),
        ("offsets", np.array([], "i8"), "do not divide"),
    ],
)
def test_a_forged_tree_is_refused(
    arrays: dict[str, np.ndarray], name: str, forged: np.ndarray, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        ForestPredictor({**arrays, f"chunk0.{name}": forged}, width=2)


def test_forged_medians_and_missing_chunks_are_refused(arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(InputError, match="median of the forest is not finite"):
        ForestPredictor({**arrays, "medians": np.array([0, np.nan], np.float32)}, width=2)
    with pytest.raises(InputError, match="has no tree"):
        ForestPredictor({"medians": arrays["medians"]}, width=2)
    later = {name.replace("chunk0", "chunk1"): array for name, array in arrays.items()}
    with pytest.raises(InputError, match=r"'chunk1\.feature' that does not belong"):
        ForestPredictor(later, width=2)


def test_a_checkpoint_without_its_sum_is_refused() -> None:
    data = linear()
    learner = learner_of(data)
    learner.advance()
    checkpoint = dict(learner.checkpoint())
    del checkpoint["sum"]
    with pytest.raises(InputError, match="'sum' of the checkpoint"):
        learner_of(data).restore(checkpoint)
