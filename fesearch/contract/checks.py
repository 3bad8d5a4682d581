"""The checks: each takes a family and raises ``ContractError`` with a sentence if it fails.

``CHECKS`` lists them in the order in which a new family is best made to pass them. They train
small models on small data on the CPU: seconds for a family, a minute for a slow one.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from fesearch.contract.asking import (
    ContractError,
    fitted,
    learner_of,
    refusal,
    require,
    require_equal,
    require_predictions,
    small,
    smaller,
)
from fesearch.contract.checkpoints import (
    a_checkpoint_before_training_goes_on,
    a_checkpoint_goes_on_as_if_never_interrupted,
    a_checkpoint_of_another_width_is_refused,
    a_checkpoint_within_a_step_goes_on,
)
from fesearch.contract.configs import (
    a_config_is_trained_as_long_as_it_says,
    a_missing_parameter_is_refused_or_means_the_best,
    an_impossible_value_is_refused_by_name,
    an_unknown_parameter_is_refused_by_name,
    best_is_a_published_config,
    configs_of_a_space_pass_the_check,
    its_capacity_is_a_number,
    its_starts_are_configs_of_the_full_space,
    says_where_it_is_from,
    the_first_trial_is_its_best_config,
)
from fesearch.contract.data import data_for
from fesearch.contract.elsewhere import sums, trained_elsewhere
from fesearch.contract.odd import odd_data_are_no_obstacle
from fesearch.errors import InputError
from fesearch.family import FAMILIES, PRESETS, Family
from fesearch.model import FittedModel
from fesearch.record import TrialSpec
from fesearch.space import corners
from fesearch.split import Development
from fesearch.trial import run

#: None if the family passes, or why it is not asked.
Check: TypeAlias = Callable[[Family], str | None]

MOST_STEPS = 200  # until a family has to have learned something
DRAWN = 3  # configs of a space to be trained


def corners_of_a_space_are_trained(family: Family) -> None:
    """The first and the last value of every parameter make models that train."""
    data = data_for(family, rows=64)
    for preset in PRESETS:
        for config in corners(family.space(preset)):
            learner = learner_of(family, config, data)
            require_predictions(learner.advance(), data, f"of {config}")
            require(learner.parameters > 0, f"{config} has no parameters after a step.")


def drawn_configs_are_trained(family: Family) -> None:
    """Some configs between the corners build, and train for a step."""
    data = data_for(family, rows=64)
    for preset in PRESETS:
        space = family.space(preset)
        for seed in range(DRAWN):
            config = smaller(family, space.sample(seed))
            shape = learner_of(family, config, data).advance().shape
            require(shape == data.val_y.shape, f"Predictions of {config} have the shape {shape}.")


def training_changes_every_weight(family: Family) -> str | None:
    """A gradient reaches every array that a network learns."""
    learner = learner_of(family, small(family), data_for(family))
    learner.advance()
    before = {name: np.array(array) for name, array in learner.model().items()}
    if not any(name.startswith("net.") for name in before):
        return "it is no network of torch's"
    for _ in range(3):
        learner.advance()
    for name, array in learner.model().items():
        if name.startswith("net."):
            require(not np.array_equal(before[name], array), f"Training leaves '{name}' as it was.")
    return None


def predictions_are_finite_and_differ_by_row(family: Family) -> None:
    """Each step gives a prediction for each validation row, not one for all."""
    data = data_for(family)
    learner = learner_of(family, small(family), data)
    for _ in range(2):
        predictions = learner.advance()
        require_predictions(predictions, data, "of a step")
        floats = predictions.dtype in (np.float32, np.float64)
        require(floats, f"Predictions are {predictions.dtype}, not float32 or float64.")
        require(np.ptp(predictions) > 0, "All rows get one prediction.")


def missing_features_are_no_obstacle(family: Family) -> None:
    """Not-a-number and infinite features, and a column of nothing else, still give numbers."""
    data = data_for(family)
    for x in (data.train_x, data.val_x):
        x[::3, 0] = np.nan
        x[::4, 1] = np.inf
        x[:, 2] = np.nan
    predictions = fitted(family, data).predict(data.val_x)
    require(np.isfinite(predictions).all(), "Rows with missing features get no finite prediction.")


def features_may_lie_in_columns(family: Family) -> None:
    """Features of a table, whose columns lie one behind the other, are the same features."""
    data = data_for(family)
    columns = replace(
        data, train_x=np.asfortranarray(data.train_x), val_x=np.asfortranarray(data.val_x)
    )
    learner_of(family, small(family), columns).advance()
    model = fitted(family, data)
    one, other = model.predict(data.val_x), model.predict(columns.val_x)
    require(np.allclose(one, other), "Features that lie in columns get other predictions.")


def beats_the_mean_on_a_linear_target(family: Family) -> None:
    """It learns a linear target at least a tenth better than its mean."""
    data = data_for(family, rows=1000)
    of_mean = np.mean(np.abs(data.val_y - np.mean(data.train_y)))
    best = _error_below(family, data, 0.9 * of_mean)
    require(
        best < 0.9 * of_mean,
        f"After {MOST_STEPS} steps on a linear target its MAE is {best:.3g}; that of the mean is "
        f"{of_mean:.3g}.",
    )


def beats_linear_regression_on_a_curved_target(family: Family) -> str | None:
    """It learns what no linear model can."""
    if family.linear:
        return "its predictions are linear in the features"
    data = data_for(family, rows=500, curved=True)
    straight = learner_of(FAMILIES.get("linear_regression"), {}, data).advance()
    of_line = np.mean(np.abs(straight - data.val_y))
    best = _error_below(family, data, 0.95 * of_line)
    require(
        best < 0.95 * of_line,
        f"After {MOST_STEPS} steps on a curved target its MAE is {best:.3g}; that of a line is "
        f"{of_line:.3g}.",
    )
    return None


def data_are_left_as_they_were(family: Family) -> None:
    """Trials share their data, so training writes nothing into them."""
    data, same = data_for(family), data_for(family)
    names = ("train_x", "train_y", "val_x", "val_y")
    for name in names:
        getattr(data, name).flags.writeable = False
    learner_of(family, small(family), data).advance()
    for name in names:
        require_equal(getattr(data, name), getattr(same, name), f"Training changes {name}.")


def same_seed_same_numbers(family: Family) -> None:
    """A seed gives the same numbers again; another one others, where the family says so."""
    data = data_for(family)
    one, same, other = (
        learner_of(family, small(family), data, seed=seed).advance() for seed in (1, 1, 2)
    )
    require_equal(one, same, "The same seed gives other numbers.")
    word = "others" if family.seeded else "the same"
    require(
        np.array_equal(one, other) is not family.seeded,
        f"Another seed must give {word} (seeded={family.seeded}), and does not.",
    )


def same_numbers_in_another_process(
    family: Family, elsewhere: "Mapping[str, list[float] | str] | None" = None
) -> None:
    """A seed gives the same numbers on another worker.

    Args:
        elsewhere: what ``trained_elsewhere`` gave of it, with others; one process serves many.
    """
    config = small(family)
    there = (elsewhere or trained_elsewhere([(family, config)]))[family.name]
    here = sums(family, config)
    require(here == there, f"In another process the sums of predictions are {there}, not {here}.")


def a_model_stays_when_training_goes_on(family: Family) -> None:
    """The model of the best step is kept while training goes on."""
    data = data_for(family)
    learner = learner_of(family, small(family), data)
    then = learner.advance()
    model = FittedModel(family.name, small(family), data.width, learner.model())
    goes_on = family.resource.maximum > family.resource.step
    require(
        np.array_equal(learner.advance(), then) is not goes_on,
        "A second step changes no prediction." if goes_on else "A single fit has a second step.",
    )
    require_equal(model.predict(data.val_x), then, "The model changes as training goes on.")


def a_saved_model_predicts_the_same(family: Family) -> None:
    """A model comes back from its files as it was, of any number of rows, left as they are."""
    data = data_for(family)
    model = fitted(family, data)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        again = FittedModel.load(Path(folder))
    same = (again.family, again.config, again.width) == (family.name, small(family), data.width)
    require(same, "A saved model has another config.")
    data.val_x.flags.writeable = False
    one, other = model.predict(data.val_x), again.predict(data.val_x)
    require_equal(one, other, "A saved model predicts other numbers.")
    require_equal(data.val_x, data_for(family).val_x, "A prediction changes its features.")
    for rows in (1, 0):
        shape = again.predict(data.val_x[:rows]).shape
        require(shape == (rows,), f"Predictions of {rows} rows have the shape {shape}.")


def a_program_predicts_the_same(family: Family) -> str | None:
    """A model whose family says that it can be a program of torch's gives its numbers there."""
    if not family.program:
        return "its models are not written as programs"
    from fesearch.nets.program import Portable, program_of

    data = data_for(family)
    predictor = fitted(family, data).predictor()
    require(isinstance(predictor, Portable), "Its predictors have no 'whole'.")
    try:
        program_of(predictor, "torch", data.val_x, scale=float(np.std(data.train_y)))
    except InputError as error:
        raise ContractError(error.message) from error
    return None


def arrays_of_another_model_are_refused(family: Family) -> None:
    """Arrays may come from anywhere, and are checked before they are used."""
    model = fitted(family, data_for(family))
    for what, forged in _forgeries(model.arrays):
        false = FittedModel(family.name, small(family), model.width, forged)
        refusal(false.predictor, f"A model with {what}")
    narrow = FittedModel(family.name, small(family), 2, model.arrays)
    refusal(narrow.predictor, "A model of another width")


def a_trial_reports_every_step(family: Family) -> None:
    """A trial says what it says at the steps it was asked for, and which is its last."""
    steps = family.steps(small(family))[:2]  # one that is fitted whole has a single one
    reports = list(run([TrialSpec(0, family.name, small(family), 1, steps)], data_for(family)))
    seen = [report.resource for report in reports]
    require(seen == list(steps), f"A trial of steps {list(steps)} reports at {seen}.")
    lasts = [report.last for report in reports]
    require(lasts == [*[False] * (len(steps) - 1), True], f"Its reports say last: {lasts}.")


def a_trial_stops_within_a_step(family: Family) -> None:
    """A trial that is told to stop reports nothing more."""
    steps = tuple(family.resource.step * number for number in (1, 2, 3))
    trial = run([TrialSpec(0, family.name, small(family), 1, steps)], data_for(family))
    seen = []
    for report in trial:
        seen.append(report.resource)
        trial.stop(0)
    require(seen == [family.resource.step], f"A trial stopped at its first report makes {seen}.")


CHECKS: tuple[Check, ...] = (
    says_where_it_is_from,
    best_is_a_published_config,
    its_starts_are_configs_of_the_full_space,
    its_capacity_is_a_number,
    configs_of_a_space_pass_the_check,
    a_config_is_trained_as_long_as_it_says,
    an_unknown_parameter_is_refused_by_name,
    a_missing_parameter_is_refused_or_means_the_best,
    an_impossible_value_is_refused_by_name,
    corners_of_a_space_are_trained,
    drawn_configs_are_trained,
    the_first_trial_is_its_best_config,
    training_changes_every_weight,
    predictions_are_finite_and_differ_by_row,
    missing_features_are_no_obstacle,
    features_may_lie_in_columns,
    odd_data_are_no_obstacle,
    beats_the_mean_on_a_linear_target,
    beats_linear_regression_on_a_curved_target,
    data_are_left_as_they_were,
    same_seed_same_numbers,
    same_numbers_in_another_process,
    a_model_stays_when_training_goes_on,
    a_checkpoint_goes_on_as_if_never_interrupted,
    a_checkpoint_before_training_goes_on,
    a_checkpoint_within_a_step_goes_on,
    a_checkpoint_of_another_width_is_refused,
    a_saved_model_predicts_the_same,
    a_program_predicts_the_same,
    arrays_of_another_model_are_refused,
    a_trial_reports_every_step,
    a_trial_stops_within_a_step,
)


def _error_below(family: Family, data: Development, wanted: float) -> float:
    """The validation MAE at the first step where it is below the wanted one, or the least."""
    learner = learner_of(family, small(family), data)
    least = np.inf
    for _ in range(MOST_STEPS):
        least = min(least, float(np.mean(np.abs(learner.advance() - data.val_y))))
        if least < wanted:
            break
    return least


def _forgeries(arrays: Mapping[str, np.ndarray]) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """What is wrong, and arrays in which it is."""
    name, array = next(iter(arrays.items()))
    yield "no array", {}
    yield "an array too many", {**arrays, "extra": np.zeros(3)}
    yield f"no '{name}'", {key: value for key, value in arrays.items() if key != name}
    yield f"'{name}' in float16", {**arrays, name: array.astype(np.float16)}
    yield f"'{name}' twice as long", {**arrays, name: np.concatenate([np.atleast_1d(array)] * 2)}
