"""What every family must do, asked of each one that is registered."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from linear import data_for

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


SMALLER: Config = {"width": 1 / 16, "depth": 4}


def small(family: Family) -> Config:
    """The family's best config, shallower and narrower where it is a network: quick to train."""
    return {name: SMALLER.get(name, value) for name, value in family.best.items()}


def fitted(family: Family, data: Development, advances: int = 2) -> FittedModel:
    learner = learner_of(family, small(family), data)
    for _ in range(advances):
        learner.advance()
    return FittedModel(family.name, small(family), data.width, learner.model())


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
        again = json.loads(json.dumps(config))
        assert again == config
        family.check(again)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_config_is_trained_as_long_as_it_says(family: Family, preset: str) -> None:
    space = family.space(preset)
    for config in [*corners(space), *(space.sample(seed) for seed in range(20))]:
        assert family.steps(config)[-1] == (family.length(config) or family.resource.maximum)


def test_an_unknown_parameter_is_refused_by_name(family: Family) -> None:
    with pytest.raises(InputError, match="'no_such_parameter'"):
        family.check({**family.best, "no_such_parameter": 1})


def unchanged(family: Family, config: Config) -> bool:
    """Whether a config trains to the numbers of the best one."""
    data = data_for(family, rows=64)
    one, other = (learner_of(family, c, data).advance() for c in (config, family.best))
    return np.array_equal(one, other)


def test_a_missing_parameter_is_refused_by_name_or_means_what_the_best_has(family: Family) -> None:
    for name in family.best:
        if not isinstance(family.published.parameters[name], When):
            rest = {key: value for key, value in family.best.items() if key != name}
            try:
                family.check(rest)
            except InputError as error:
                refused = error.message
            else:
                assert unchanged(family, rest), f"without '{name}' it is another model"
                continue
            assert f"'{name}' is missing" in refused


def test_an_impossible_value_is_refused_by_name(family: Family) -> None:
    for name in family.best:
        with pytest.raises(InputError, match=f"'{name}' is 'impossible'"):
            family.check({**family.best, name: "impossible"})


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("corner", [0, 1])
def test_corners_of_a_space_are_built_and_trained(family: Family, preset: str, corner: int) -> None:
    config = list(corners(family.space(preset)))[corner]
    data = data_for(family, rows=64)
    learner = learner_of(family, config, data)
    predictions = learner.advance()
    assert predictions.shape == data.val_y.shape
    assert np.isfinite(predictions).all()
    assert learner.parameters > 0


def test_predictions_are_finite_and_differ_by_row(family: Family) -> None:
    data = data_for(family)
    learner = learner_of(family, small(family), data)
    for _ in range(2):
        predictions = learner.advance()
        assert predictions.shape == data.val_y.shape
        assert predictions.dtype in (np.float32, np.float64)
        assert np.isfinite(predictions).all()
        assert np.ptp(predictions) > 0


def test_missing_features_are_no_obstacle(family: Family) -> None:
    data = data_for(family)
    for x in (data.train_x, data.val_x):
        x[::3, 0] = np.nan
        x[::4, 1] = np.inf
        x[:, 2] = np.nan
    predictor = fitted(family, data).predictor()
    assert np.isfinite(predictor(data.val_x)).all()


def test_beats_the_mean_on_a_linear_target(family: Family) -> None:
    data = data_for(family, rows=1000)
    learner = learner_of(family, small(family), data)
    of_mean = np.mean(np.abs(data.val_y - np.mean(data.train_y)))
    errors = (np.mean(np.abs(learner.advance() - data.val_y)) for _ in range(200))
    assert any(error < 0.9 * of_mean for error in errors)


def test_beats_linear_regression_on_a_curved_target(family: Family) -> None:
    if family.linear:
        pytest.skip("its predictions are linear in the features")
    data = data_for(family, rows=500, curved=True)
    straight = learner_of(FAMILIES.get("linear_regression"), {}, data).advance()
    of_line = np.mean(np.abs(straight - data.val_y))
    learner = learner_of(family, small(family), data)
    errors = (np.mean(np.abs(learner.advance() - data.val_y)) for _ in range(200))
    assert any(error < 0.95 * of_line for error in errors)


def test_data_are_left_as_they_were(family: Family) -> None:
    data, same = data_for(family), data_for(family)
    for array in vars(data).values():
        array.flags.writeable = False
    learner_of(family, small(family), data).advance()
    for name, array in vars(data).items():
        np.testing.assert_array_equal(array, vars(same)[name])


def test_same_seed_gives_the_same_numbers_and_another_one_others_where_it_says_so(
    family: Family,
) -> None:
    data = data_for(family)
    one, same, other = (
        learner_of(family, small(family), data, seed=seed).advance() for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert np.array_equal(one, other) is not family.seeded


ELSEWHERE = """
import json
import sys
from linear import data_for
from fesearch.family import FAMILIES
found = {}
for name, config in json.loads(sys.argv[1]).items():
    family = FAMILIES.get(name)
    learner = family.build(config, data_for(family), seed=1, threads=1, device="cpu")
    found[name] = [float(learner.advance().sum()) for _ in range(2)]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def elsewhere() -> dict[str, list[float]]:
    """What each family's training gives in one other process."""
    configs = {family.name: dict(small(family)) for family in FAMILIES}
    there = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, json.dumps(configs)],
        env={"PYTHONPATH": str(Path(__file__).parent.parent), "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, list[float]] = json.loads(there.stdout)
    return found


def test_same_seed_gives_the_same_numbers_in_another_process(
    family: Family, elsewhere: dict[str, list[float]]
) -> None:
    learner = learner_of(family, small(family), data_for(family))
    assert [float(learner.advance().sum()) for _ in range(2)] == elsewhere[family.name]


def test_a_model_stays_as_it_was_when_training_goes_on(family: Family) -> None:
    data = data_for(family)
    learner = learner_of(family, small(family), data)
    then = learner.advance()
    model = FittedModel(family.name, small(family), data.width, learner.model())
    goes_on = family.resource.maximum > family.resource.step
    assert np.array_equal(learner.advance(), then) is not goes_on
    np.testing.assert_array_equal(model.predict(data.val_x), then)


def test_a_checkpoint_goes_on_as_if_never_interrupted(family: Family) -> None:
    data = data_for(family)
    straight = learner_of(family, small(family), data)
    straight.advance()
    checkpoint = {name: array.copy() for name, array in straight.checkpoint().items()}
    taken_up = learner_of(family, small(family), data, seed=1)
    taken_up.restore(checkpoint)
    for _ in range(2):
        np.testing.assert_array_equal(straight.advance(), taken_up.advance())
    assert straight.parameters == taken_up.parameters


def test_a_checkpoint_before_training_goes_on_too(family: Family) -> None:
    data = data_for(family)
    fresh = learner_of(family, small(family), data)
    taken_up = learner_of(family, small(family), data)
    taken_up.restore(fresh.checkpoint())
    np.testing.assert_array_equal(fresh.advance(), taken_up.advance())


def wider(family: Family) -> Development:
    """Data with two features a row more."""
    data = data_for(family)
    pad = ((0, 0), (0, 2))
    return Development(np.pad(data.train_x, pad), data.train_y, np.pad(data.val_x, pad), data.val_y)


def test_a_checkpoint_of_another_width_is_refused(family: Family) -> None:
    learner = learner_of(family, small(family), data_for(family))
    learner.advance()
    with pytest.raises(InputError):
        learner_of(family, small(family), wider(family)).restore(learner.checkpoint())


def test_a_saved_model_predicts_the_same(family: Family, tmp_path: Path) -> None:
    data = data_for(family)
    model = fitted(family, data)
    model.save(tmp_path)
    again = FittedModel.load(tmp_path)
    assert (again.family, again.config, again.width) == (family.name, small(family), data.width)
    np.testing.assert_array_equal(again.predict(data.val_x), model.predict(data.val_x))
    assert again.predict(data.val_x[:1]).shape == (1,)
    assert again.predict(data.val_x[:0]).shape == (0,)


def test_arrays_of_another_model_are_refused(family: Family) -> None:
    model = fitted(family, data_for(family))
    name, array = next(iter(model.arrays.items()))
    for forged in (
        {},
        {**model.arrays, "extra": np.zeros(3)},
        {key: value for key, value in model.arrays.items() if key != name},
        {**model.arrays, name: array.astype(np.float16)},
        {**model.arrays, name: np.concatenate([array, array])},
    ):
        with pytest.raises(InputError):
            FittedModel(family.name, small(family), model.width, forged).predictor()
    with pytest.raises(InputError):
        FittedModel(family.name, small(family), 2, model.arrays).predictor()


def test_a_trial_reports_every_step(family: Family) -> None:
    steps = family.steps(small(family))[:2]  # one that is fitted whole has a single one
    reports = list(run([TrialSpec(0, family.name, small(family), 1, steps)], data_for(family)))
    assert [report.resource for report in reports] == list(steps)
    assert [report.last for report in reports] == [*[False] * (len(steps) - 1), True]


def test_a_trial_stops_within_a_step_when_told(family: Family) -> None:
    steps = tuple(family.resource.step * number for number in (1, 2, 3))
    trial = run([TrialSpec(0, family.name, small(family), 1, steps)], data_for(family))
    seen = []
    for report in trial:
        seen.append(report.resource)
        trial.stop(0)
    assert seen == [family.resource.step]
