"""The checks of what a family says of its configs: sources, spaces, lengths, the best, refusals."""

import json

import numpy as np

from fesearch.contract.asking import learner_of, refusal, require
from fesearch.contract.data import data_for
from fesearch.errors import InputError
from fesearch.family import PRESETS, Family
from fesearch.space import Config, Space, When, corners

SAMPLES = 200  # configs drawn from a space to be checked; to be timed, a tenth


def says_where_it_is_from(family: Family) -> None:
    """It has a title and a source, and so has each line of its spaces."""
    require(family.title, "It has no title.")
    require(family.source, "It has no source.")
    for preset in PRESETS:
        for name, entry in family.space(preset).parameters.items():
            require(entry.source, f"'{name}' of the {preset} space has no source.")


def best_is_a_published_config(family: Family) -> None:
    """The best config its source reports is in the published space."""
    family.published.check(family.best)
    family.check(family.best)


def its_starts_are_configs_of_the_full_space(family: Family) -> None:
    """What is tried after the best config can be trained, and is not another name for it."""
    for start in family.starts:
        family.full.check(start)
        family.check(start)
    firsts = family.firsts(family.full)
    require(
        len(firsts) == 1 + len(family.starts),
        "One of its starts is its best config, or there twice.",
    )


def its_capacity_is_a_number(family: Family) -> None:
    """What it says makes larger models is a number in each of its spaces."""
    if family.capacity is None:
        return
    for preset in PRESETS:
        for config in (family.first(family.space(preset)), *corners(family.space(preset))):
            value = config.get(family.capacity)
            number = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
            require(number, f"'{family.capacity}' is {value!r} in a config of the {preset} space.")


def configs_of_a_space_pass_the_check(family: Family) -> None:
    """Corners and drawn configs are possible, and still are when they come back from JSON."""
    for preset in PRESETS:
        space = family.space(preset)
        for config in [*corners(space), *(space.sample(seed) for seed in range(SAMPLES))]:
            family.check(config)
            again = json.loads(json.dumps(config))
            require(again == config, f"{config} of the {preset} space is {again} after JSON.")
            family.check(again)


def a_config_is_trained_as_long_as_it_says(family: Family) -> None:
    """The last step of a trial is the config's own length, or the family's maximum."""
    for preset in PRESETS:
        space = family.space(preset)
        for config in [*corners(space), *(space.sample(seed) for seed in range(SAMPLES // 10))]:
            last = family.steps(config)[-1]
            length = family.length(config) or family.resource.maximum
            require(last == length, f"{config} ends at {last}, not at {length}.")


def an_unknown_parameter_is_refused_by_name(family: Family) -> None:
    """A config with a parameter too many is no config."""
    config = {**family.best, "no_such_parameter": 1}
    message = refusal(lambda: family.check(config), "An unknown parameter")
    require("'no_such_parameter'" in message, f"An unknown parameter is not named: {message}")


def a_missing_parameter_is_refused_or_means_the_best(family: Family) -> None:
    """A config without a parameter is refused by name, or is the best config."""
    for name in family.best:
        if isinstance(family.published.parameters[name], When):
            continue
        rest = {key: value for key, value in family.best.items() if key != name}
        try:
            family.check(rest)
        except InputError as error:
            named = f"'{name}' is missing" in error.message
            require(named, f"Without '{name}' it says: {error.message}")
        else:
            require(_unchanged(family, rest), f"Without '{name}' it is another model.")


def an_impossible_value_is_refused_by_name(family: Family) -> None:
    """A parameter of a value that makes no sense is no config."""
    for name in family.best:
        config = {**family.best, name: "impossible"}
        message = refusal(lambda config=config: family.check(config), f"'{name}' = 'impossible'")  # type: ignore[misc]
        said = f"'{name}' is 'impossible'" in message
        require(said, f"It is not said that '{name}' is 'impossible', but: {message}")


def the_first_trial_is_its_best_config(family: Family) -> None:
    """Of either space; what a space has beside it is at what the best config means by it."""
    meant = {**family.unstated, **family.best}
    for preset in PRESETS:
        first = family.first(family.space(preset))
        invented = [name for name in first if name not in meant]
        require(
            not invented,
            f"The best config does not say what {', '.join(invented)} of the {preset} space is: "
            "add it to 'unstated'.",
        )
    for name, entry in family.settable.items():
        require(name in family.unstated, f"'{name}' is settable: say in 'unstated' what none is.")
        for config in corners(Space({name: entry})):
            family.check({**family.best, **config})


def _unchanged(family: Family, config: Config) -> bool:
    """Whether a config trains to the numbers of the best one."""
    data = data_for(family, rows=64)
    one, other = (learner_of(family, c, data).advance() for c in (config, family.best))
    return np.array_equal(one, other)
