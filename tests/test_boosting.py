"""Boosted trees: step by step as in one training, kept in their own formats, and damaged ones."""

import importlib
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from boosted import NAMES, learner_of, predictor_of, small
from linear import linear

from fesearch.classical import boosting
from fesearch.classical.boosting import DIGEST, known
from fesearch.errors import InputError
from fesearch.families import catboost, lightgbm
from fesearch.family import FAMILIES
from fesearch.space import Config, Value
from fesearch.split import Development

LOSSES = ("squared_error", "absolute_error")

NO_DRAWS: Mapping[str, Mapping[str, Value]] = {
    "xgboost": {"subsample": 1.0, "colsample_bynode": 1.0},
    "lightgbm": {"bagging_fraction": 1.0, "feature_fraction": 1.0},
    "catboost": {"subsample": 1.0, "rsm": 1.0, "random_strength": 0.0},
}
"""What takes all draws out of a config."""


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def module_of(name: str) -> ModuleType:
    return importlib.import_module(f"fesearch.families.{name}")


def mae(data: Development, predictions: np.ndarray) -> float:
    return float(np.mean(np.abs(data.val_y - predictions)))


def curved(rows: int = 1200, outliers: bool = False) -> Development:
    """Friedman's first function of five of twenty features, with noise (Ann. Stat. 1991)."""
    draw = np.random.default_rng(0)
    x = draw.uniform(size=(rows, 20)).astype(np.float32)
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2
    y = (y + 10 * x[:, 3] + 5 * x[:, 4] + draw.normal(size=rows)).astype(np.float64)
    val = rows // 4
    if outliers:
        y[val::50] += 200.0
    return Development(train_x=x[val:], train_y=y[val:], val_x=x[:val], val_y=y[:val])


def in_one_go(name: str, config: Config, data: Development, rounds: int) -> np.ndarray:
    """Validation predictions of a booster of all rounds, (n_val,)."""
    package = module_of(name).Package(1)
    start = boosting.CENTRES[str(config["loss"])](data.train_y)
    grow = package.grower(config, data.train_x, data.train_y - start)
    booster, _ = grow(np.zeros(len(data.train_y)), rounds=rounds, before=0, seed=1)
    return np.asarray(start + package.predict(booster, package.rows(data.val_x)))


def step_by_step(name: str, config: Config, data: Development, rounds: int) -> np.ndarray:
    learner = learner_of(name, config, data)
    return [learner.advance() for _ in range(rounds // FAMILIES.get(name).resource.step)][-1]


@pytest.mark.parametrize("loss", LOSSES)
def test_without_draws_steps_give_the_trees_of_one_training(name: str, loss: str) -> None:
    data, config = curved(), small(name, loss=loss, **NO_DRAWS[name])
    mine = step_by_step(name, config, data, 100)
    whole = in_one_go(name, config, data, 100)
    # rounding of margins can turn a split over where two are equally good
    assert np.quantile(np.abs(mine - whole), 0.9) < 0.01 * np.std(data.val_y)
    assert mae(data, mine) == pytest.approx(mae(data, whole), rel=0.01)


@pytest.mark.parametrize("loss", LOSSES)
def test_with_draws_steps_are_as_good_as_one_training(name: str, loss: str) -> None:
    data, config = curved(), small(name, loss=loss)
    mine = mae(data, step_by_step(name, config, data, 200))
    assert mine < 1.05 * mae(data, in_one_go(name, config, data, 200))
    assert mine < 0.35 * mae(data, np.full(len(data.val_y), np.mean(data.train_y)))


def test_absolute_errors_are_less_moved_by_outliers(name: str) -> None:
    data = curved(outliers=True)
    squared, absolute = (
        mae(data, step_by_step(name, small(name, loss=loss), data, 100)) for loss in LOSSES
    )
    assert absolute < 0.6 * squared


def test_growth_starts_from_the_constant_of_least_loss(name: str) -> None:
    data = curved(outliers=True)
    starts = [learner_of(name, small(name, loss=loss), data).model()["start"] for loss in LOSSES]
    assert starts == [[np.mean(data.train_y)], [np.median(data.train_y)]]


def test_a_target_far_from_zero_loses_no_digits(name: str) -> None:
    near, config = linear(), small(name)
    far = Development(near.train_x, near.train_y + 2.0**24, near.val_x, near.val_y + 2.0**24)
    expected = learner_of(name, config, near).advance()
    np.testing.assert_allclose(
        learner_of(name, config, far).advance() - 2.0**24, expected, rtol=0, atol=1e-3
    )


def test_two_threads_grow_the_same_trees_again(name: str) -> None:
    data = curved()
    one, same = (learner_of(name, small(name), data, threads=2).advance() for _ in range(2))
    np.testing.assert_array_equal(one, same)


def test_infinite_features_count_as_missing(name: str) -> None:
    data = linear()
    data.train_x[::5, 0] = np.nan
    learner = learner_of(name, small(name), data)
    learner.advance()
    predict = predictor_of(name, learner.model())
    missing, infinite = data.val_x.copy(), data.val_x.copy()
    missing[:, 0] = np.nan
    infinite[::2, 0], infinite[1::2, 0] = np.inf, -np.inf
    np.testing.assert_array_equal(predict(missing), predict(infinite))
    np.testing.assert_array_equal(known(infinite), missing)


def test_where_no_leaf_can_be_split_the_mean_is_predicted() -> None:
    data = linear()
    learner = learner_of("lightgbm", small("lightgbm", min_data_in_leaf=10_000), data)
    predictions = [learner.advance() for _ in range(2)][-1]
    np.testing.assert_allclose(predictions, np.mean(data.train_y))
    predict = predictor_of("lightgbm", learner.model())
    np.testing.assert_array_equal(predict(data.val_x), predictions)


@pytest.mark.parametrize("name", ["lightgbm", "catboost"])  # XGBoost's single leaves draw rows
def test_where_no_feature_varies_the_start_is_predicted(name: str) -> None:
    near, config = linear(), small(name)
    data = Development(np.ones_like(near.train_x), near.train_y, near.val_x, near.val_y)
    learner = learner_of(name, config, data)
    predictions = [learner.advance() for _ in range(2)][-1]
    np.testing.assert_allclose(predictions, np.mean(data.train_y), rtol=1e-6)
    np.testing.assert_array_equal(predictor_of(name, learner.model())(data.val_x), predictions)


def test_catboost_goes_on_where_nothing_is_left_to_learn() -> None:
    x = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.float64)
    data = Development(train_x=x[4:], train_y=y[4:], val_x=x[:4], val_y=y[:4])
    config = small("catboost", learning_rate=0.3, min_data_in_leaf=1, l2_leaf_reg=0.1, rsm=1.0)
    learner = learner_of("catboost", config, data)
    for _ in range(6):
        learner.advance()
    learned = np.mean(data.train_y) + learner.checkpoint()["margins"]
    np.testing.assert_allclose(learned, data.train_y, atol=1e-12)


def test_another_fault_of_catboost_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    from catboost import CatBoost, CatBoostError

    learner = learner_of("catboost", small("catboost"), linear())
    asked: list[str] = []

    def fails(self: Any, pool: Any) -> None:
        asked.append("once")
        raise CatBoostError("Out of luck")

    monkeypatch.setattr(CatBoost, "fit", fails)
    with pytest.raises(CatBoostError, match="Out of luck"):
        learner.advance()
    assert asked == ["once"]


def leaves_dumped(name: str, booster: Any) -> int:
    """Leaves of a booster as its package writes it for people."""
    if name == "xgboost":
        return sum(tree.count("leaf=") for tree in booster.get_dump())
    if name == "lightgbm":
        return sum(tree["num_leaves"] for tree in booster.dump_model()["tree_info"])
    return len(booster.get_leaf_values())


def test_parameters_are_the_start_and_the_leaves(name: str) -> None:
    data, package = linear(), module_of(name).Package(1)
    learner = learner_of(name, small(name), data)
    assert learner.parameters == 1
    for _ in range(2):
        learner.advance()
    model = learner.model()
    boosters = [package.read(model[chunk][DIGEST:].tobytes()) for chunk in ("chunk0", "chunk1")]
    assert learner.parameters == 1 + sum(leaves_dumped(name, booster) for booster in boosters)


@pytest.mark.parametrize("name", ["xgboost", "catboost"])
def test_trees_grown_leaf_by_leaf_are_as_large_as_allowed(name: str) -> None:
    policy = {"xgboost": "lossguide", "catboost": "Lossguide"}[name]
    levels = {"xgboost": "max_depth", "catboost": "depth"}[name]
    config = {key: value for key, value in small(name).items() if key != levels}
    config |= {"grow_policy": policy, "max_leaves": 100}
    FAMILIES.get(name).check(config)
    learner = learner_of(name, config, curved())
    learner.advance()
    rounds = FAMILIES.get(name).resource.step
    assert 80 * rounds < learner.parameters <= 1 + 100 * rounds


QUIET = """
import sys
from linear import linear
from fesearch.family import FAMILIES
family = FAMILIES.get(sys.argv[1])
data = linear()
learner = family.build(family.best, data, seed=1, threads=1, device="cpu")
learner.advance()
family.load(family.best, learner.model(), width=8, threads=1, device="cpu")(data.val_x)
"""


def test_nothing_is_printed_and_no_file_is_left(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", QUIET, name],
        env={"PYTHONPATH": str(Path(__file__).parent), "TMPDIR": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr, list(tmp_path.iterdir())) == ("", "", [])


def test_a_missing_package_is_asked_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError) as caught:
        learner_of(name, small(name), linear())
    assert str(caught.value) == (
        f"This needs the package '{name}', which is not installed.\n"
        "Type: pip install 'fesearch[boosters]'"
    )


def test_a_checkpoint_without_its_sums_is_refused(name: str) -> None:
    learner = learner_of(name, small(name), linear())
    checkpoint = learner.checkpoint()
    for sums in ("margins", "sum"):
        rest = {key: array for key, array in checkpoint.items() if key != sums}
        with pytest.raises(InputError, match=f"The checkpoint lacks the array '{sums}'"):
            learner.restore(rest)


def test_the_random_strength_fades_with_the_rounds() -> None:
    assert catboost.fading(0.0, 1) == 0.5
    assert catboost.fading(0.0, 10**6) == pytest.approx(1.0, abs=1e-5)
    assert catboost.fading(np.log(1000), 1000) == pytest.approx(0.5)
    assert catboost.fading(1e6, 1000) == pytest.approx(0.0)


def test_seeds_reach_every_draw_of_lightgbm() -> None:
    for parameter in ("bagging_fraction", "feature_fraction", "extra_trees"):
        draws = {"bagging_fraction": 1.0, "feature_fraction": 1.0, "extra_trees": False}
        config = small("lightgbm", **{**draws, parameter: parameter == "extra_trees" or 0.5})
        one, other = (
            learner_of("lightgbm", config, linear(), seed=seed).advance() for seed in (1, 2)
        )
        assert not np.array_equal(one, other), parameter


def test_seeds_of_lightgbm_are_signed() -> None:
    assert set(lightgbm._seeds((1 << 32) - 1).values()) == {(1 << 31) - 1}
