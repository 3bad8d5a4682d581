"""What every family must do, asked of each one that is registered."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from linear import linear

from fesearch.errors import InputError
from fesearch.family import FAMILIES, PRESETS, Family, Learner
from fesearch.model import FittedModel
from fesearch.record import TrialSpec
from fesearch.space import Config, When, corners
from fesearch.split import Development
from fesearch.trial import run


@pytest.fixture(params=FAMILIES.names())
def family(request: pytest.FixtureRequest) -> Family:
    return FAMILIES.get(request.param)


def learner_of(family: Family, config: Config, data: Development, seed: int = 1) -> Learner:
    return family.build(config, data, seed=seed, threads=1, device="cpu")


def fitted(family: Family, data: Development, advances: int = 2) -> FittedModel:
    learner = learner_of(family, family.best, data)
    for _ in range(advances):
        learner.advance()
    return FittedModel(family.name, family.best, data.width, learner.model())


def test_is_named_as_its_module_and_cites_a_source(family: Family) -> None:
    assert family.title
    assert family.source
    for preset in PRESETS:
        for name, entry in family.space(preset).parameters.items():
            assert entry.source, f"{preset} {name} has no source"


def test_reported_best_is_a_published_config(family: Family) -> None:
    family.published.check(family.best)
    family.check(family.best)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_config_of_a_space_passes_the_check(family: Family, preset: str) -> None:
    space = family.space(preset)
    sampled = [space.sample(seed) for seed in range(200)]
    for config in [*corners(space), *sampled]:
        family.check(config)
        family.check(json.loads(json.dumps(config)))


@pytest.mark.parametrize("preset", PRESETS)
def test_a_config_is_trained_as_long_as_it_says(family: Family, preset: str) -> None:
    space = family.space(preset)
    for config in [*corners(space), *(space.sample(seed) for seed in range(20))]:
        assert family.steps(config)[-1] == (family.length(config) or family.resource.maximum)


def test_an_unknown_parameter_is_refused_by_name(family: Family) -> None:
    with pytest.raises(InputError, match="'no_such_parameter'"):
        family.check({**family.best, "no_such_parameter": 1})


def test_a_missing_parameter_is_refused_by_name(family: Family) -> None:
    for name in family.best:
        if not isinstance(family.published.parameters[name], When):
            rest = {key: value for key, value in family.best.items() if key != name}
            with pytest.raises(InputError, match=f"'{name}' is missing"):
                family.check(rest)


def test_an_impossible_value_is_refused_by_name(family: Family) -> None:
    for name in family.best:
        with pytest.raises(InputError, match=f"'{name}' is 'impossible'"):
            family.check({**family.best, name: "impossible"})


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("corner", [0, 1])
def test_corners_of_a_space_are_built_and_trained(family: Family, preset: str, corner: int) -> None:
    config = list(corners(family.space(preset)))[corner]
    data = linear(rows=64)
    learner = learner_of(family, config, data)
    predictions = learner.advance()
    assert predictions.shape == data.val_y.shape
    assert np.isfinite(predictions).all()
    assert learner.parameters > 0


def test_predictions_are_finite_and_differ_by_row(family: Family) -> None:
    data = linear()
    learner = learner_of(family, family.best, data)
    for _ in range(2):
        predictions = learner.advance()
        assert predictions.shape == data.val_y.shape
        assert predictions.dtype in (np.float32, np.float64)
        assert np.isfinite(predictions).all()
        assert np.ptp(predictions) > 0


def test_missing_features_are_no_obstacle(family: Family) -> None:
    data = linear()
    for x in (data.train_x, data.val_x):
        x[::3, 0] = np.nan
        x[::4, 1] = np.inf
        x[:, 2] = np.nan
    predictor = fitted(family, data).predictor()
    assert np.isfinite(predictor(data.val_x)).all()


def test_beats_the_mean_on_a_linear_target(family: Family) -> None:
    data = linear(rows=1000)
    learner = learner_of(family, family.best, data)
    predictions = [learner.advance() for _ in range(3)][-1]
    of_mean = np.mean(np.abs(data.val_y - np.mean(data.train_y)))
    assert np.mean(np.abs(predictions - data.val_y)) < 0.9 * of_mean


def test_data_are_left_as_they_were(family: Family) -> None:
    data, same = linear(), linear()
    for array in vars(data).values():
        array.flags.writeable = False
    learner_of(family, family.best, data).advance()
    for name, array in vars(data).items():
        np.testing.assert_array_equal(array, vars(same)[name])


def test_same_seed_gives_the_same_numbers_and_another_one_others(family: Family) -> None:
    data = linear()
    one, same, other = (
        learner_of(family, family.best, data, seed=seed).advance() for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


ELSEWHERE = """
import sys
from linear import linear
from fesearch.family import FAMILIES
family = FAMILIES.get(sys.argv[1])
learner = family.build(family.best, linear(), seed=1, threads=1, device="cpu")
print([float(learner.advance().sum()) for _ in range(2)])
"""


def test_same_seed_gives_the_same_numbers_in_another_process(family: Family) -> None:
    learner = learner_of(family, family.best, linear())
    here = [float(learner.advance().sum()) for _ in range(2)]
    there = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, family.name],
        env={"PYTHONPATH": str(Path(__file__).parent.parent), "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(there.stdout) == here


def test_a_model_stays_as_it_was_when_training_goes_on(family: Family) -> None:
    data = linear()
    learner = learner_of(family, family.best, data)
    then = learner.advance()
    model = FittedModel(family.name, family.best, data.width, learner.model())
    assert not np.array_equal(learner.advance(), then)
    np.testing.assert_array_equal(model.predict(data.val_x), then)


def test_a_checkpoint_goes_on_as_if_never_interrupted(family: Family) -> None:
    data = linear()
    straight = learner_of(family, family.best, data)
    straight.advance()
    checkpoint = {name: array.copy() for name, array in straight.checkpoint().items()}
    taken_up = learner_of(family, family.best, data, seed=1)
    taken_up.restore(checkpoint)
    for _ in range(2):
        np.testing.assert_array_equal(straight.advance(), taken_up.advance())
    assert straight.parameters == taken_up.parameters


def test_a_checkpoint_before_training_goes_on_too(family: Family) -> None:
    data = linear()
    fresh = learner_of(family, family.best, data)
    taken_up = learner_of(family, family.best, data)
    taken_up.restore(fresh.checkpoint())
    np.testing.assert_array_equal(fresh.advance(), taken_up.advance())


def test_a_checkpoint_of_another_width_is_refused(family: Family) -> None:
    learner = learner_of(family, family.best, linear(width=6))
    learner.advance()
    with pytest.raises(InputError):
        learner_of(family, family.best, linear(width=3)).restore(learner.checkpoint())


def test_a_saved_model_predicts_the_same(family: Family, tmp_path: Path) -> None:
    data = linear()
    model = fitted(family, data)
    model.save(tmp_path)
    again = FittedModel.load(tmp_path)
    assert (again.family, again.config, again.width) == (family.name, family.best, data.width)
    np.testing.assert_array_equal(again.predict(data.val_x), model.predict(data.val_x))
    assert again.predict(data.val_x[:1]).shape == (1,)
    assert again.predict(data.val_x[:0]).shape == (0,)


def test_arrays_of_another_model_are_refused(family: Family) -> None:
    model = fitted(family, linear())
    name, array = next(iter(model.arrays.items()))
    for forged in (
        {},
        {**model.arrays, "extra": np.zeros(3)},
        {key: value for key, value in model.arrays.items() if key != name},
        {**model.arrays, name: array.astype(np.float16)},
        {**model.arrays, name: np.concatenate([array, array])},
    ):
        with pytest.raises(InputError):
            FittedModel(family.name, family.best, model.width, forged).predictor()
    with pytest.raises(InputError):
        FittedModel(family.name, family.best, 2, model.arrays).predictor()


def test_a_trial_reports_every_step(family: Family) -> None:
    steps = family.steps(family.best)[:2]
    reports = list(run([TrialSpec(0, family.name, family.best, 1, steps)], linear()))
    assert [report.resource for report in reports] == list(steps)
    assert [report.last for report in reports] == [False, True]
