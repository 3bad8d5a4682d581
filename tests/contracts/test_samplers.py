"""What every sampler owes: the same suggestions whenever asked, legal, each once, and learning."""

import pytest

from fesearch.errors import InputError
from fesearch.record import Fault, TrialResult, TrialState
from fesearch.search.sampler import SAMPLERS, sampler_named
from fesearch.space import Choice, Float, Int, Space, When

DISCRETE = Space({"a": Int(1, 3), "b": Choice(("x", "y", None)), "c": Int(0, 2)})
MIXED = Space(
    {
        "optimizer": Choice(("sgd", "momentum")),
        "momentum": When("optimizer", ("momentum",), Float(0.5, 0.99)),
        "rate": Float(1e-6, 1e-1, log=True),
        "depth": Int(3, 48),
        "width": Int(8, 1024, log=True),
    }
)
NUMBERS = Space({"x": Float(0.0, 1.0), "y": Float(-5.0, 5.0), "z": Int(0, 100)})
NAMES = SAMPLERS.names()
CONTINUOUS = [name for name in NAMES if name != "grid"]
LEARNING = [name for name in NAMES if SAMPLERS.get(name).learns]


def ending(number, config, loss):
    """How a made-up trial ends: COMPLETE, PRUNED or diverged."""
    if loss is None:
        return TrialResult(number, "toy", config, 0, TrialState.FAIL, None, 1, fault=Fault.DIVERGED)
    state = TrialState.PRUNED if number % 3 == 2 else TrialState.COMPLETE
    resource = 1 if state is TrialState.PRUNED else 9
    value = loss + 1.0 if state is TrialState.PRUNED else loss
    return TrialResult(number, "toy", config, 0, state, value, resource, resource)


def tell(sampler, number, config, loss):
    """Reports and end of a trial, the first report worse than the end."""
    result = ending(number, config, loss)
    if loss is None:
        sampler.report(number, 1, None)
    else:
        sampler.report(number, 1, loss + 1.0)
        if result.resource == 9:
            sampler.report(number, 9, loss)
    sampler.finish(result)


def play(sampler, trials, loss, known=()):
    """Ask and tell; ``known`` trials are told first, as after a resume."""
    for number, config in enumerate(known):
        sampler.begin(number, "toy", config)
    for number, config in enumerate(known):
        tell(sampler, number, config, loss(config))
    configs = list(known)
    for number in range(len(known), trials):
        config = sampler.suggest(number)
        if config is None:
            break
        sampler.begin(number, "toy", config)
        tell(sampler, number, config, loss(config))
        configs.append(config)
    return configs


def summed(config):
    """A loss; None for a corner of the space, where configs diverge."""
    numbers = [value for value in config.values() if isinstance(value, int | float)]
    return None if numbers[-1] > 900 else sum(numbers)


def bowl(config):
    return (config["x"] - 0.8) ** 2 + (config["y"] / 10) ** 2 + (config["z"] / 100 - 0.5) ** 2


@pytest.mark.parametrize("name", NAMES)
def test_a_finite_space_is_given_out_whole_each_config_once(name):
    space = DISCRETE.replace("c", {"low": 0, "high": 1}).replace("a", {"low": 1, "high": 2})
    configs = play(sampler_named(name, space, 7, "minimize"), 100, summed)
    assert len(configs) == space.size() == 12
    assert len({str(config) for config in configs}) == 12


@pytest.mark.parametrize(
    ("name", "space"),
    [*((name, DISCRETE) for name in NAMES), *((name, MIXED) for name in CONTINUOUS)],
)
def test_a_resumed_search_suggests_what_it_would_have(name, space):
    trials, cuts = (13, (11,)) if SAMPLERS.get(name).costly else (17, (1, 9, 14))
    whole = play(sampler_named(name, space, 3, "minimize"), trials, summed)
    assert len(whole) == trials
    for cut in cuts:
        fresh = sampler_named(name, space, 3, "minimize")
        assert play(fresh, trials, summed, known=whole[:cut]) == whole


@pytest.mark.parametrize("name", NAMES)
def test_of_trials_that_run_the_order_in_which_they_ended_is_forgotten(name):
    configs = play(sampler_named("random", DISCRETE, 1, "minimize"), 14, summed)
    suggested = []
    for order in (range(12), reversed(range(12))):
        sampler = sampler_named(name, DISCRETE, 3, "minimize")
        for number, config in enumerate(configs):  # two of them are still running
            sampler.begin(number, "toy", config)
        for number in order:
            tell(sampler, number, configs[number], summed(configs[number]))
        suggested.append(sampler.suggest(14))
    assert suggested[0] == suggested[1]
    assert suggested[0] not in configs


@pytest.mark.parametrize("name", CONTINUOUS)
def test_suggestions_are_in_a_conditional_space_and_differ_by_seed(name):
    trials = 13 if SAMPLERS.get(name).costly else 20
    configs = play(sampler_named(name, MIXED, 0, "minimize"), trials, summed)
    for config in configs:
        MIXED.check(config)
    assert {config["optimizer"] for config in configs} == {"sgd", "momentum"}
    assert configs != play(sampler_named(name, MIXED, 1, "minimize"), trials, summed)


@pytest.mark.parametrize("name", LEARNING)
@pytest.mark.parametrize(("direction", "sign"), [("minimize", 1), ("maximize", -1)])
def test_those_that_learn_go_where_values_are_better(name, direction, sign):
    sampler = sampler_named(name, NUMBERS, 0, direction)
    trials = 18 if SAMPLERS.get(name).costly else 50
    configs = play(sampler, trials, lambda config: sign * bowl(config))
    late = [bowl(config) for config in configs[-trials // 3 :]]
    assert sum(late) / len(late) < 0.25  # uniform draws average 0.34


@pytest.mark.parametrize("name", LEARNING)
def test_those_that_learn_turn_away_from_configs_that_diverge(name):
    sampler = sampler_named(name, NUMBERS, 0, "minimize")
    trials = 18 if SAMPLERS.get(name).costly else 45
    configs = play(sampler, trials, lambda config: None if config["x"] > 0.5 else 1.0 - config["x"])
    diverged = [config["x"] > 0.5 for config in configs]
    late = diverged[-trials // 3 :]
    assert sum(diverged[:10]) >= 3
    assert sum(late) <= len(late) / 2  # nearly all of them, where what failed is forgotten


@pytest.mark.parametrize("name", CONTINUOUS)
def test_a_first_wave_is_legal_and_without_repeats(name):
    sampler = sampler_named(name, MIXED, 5, "minimize")
    wave = []
    for number in range(40):  # none of them reports
        wave.append(sampler.suggest(number))
        sampler.begin(number, "toy", wave[-1])
    assert len({str(config) for config in wave}) == 40


@pytest.mark.parametrize("name", [name for name in CONTINUOUS if name != "random"])
def test_a_first_wave_fills_the_space_evenly(name):
    sampler = sampler_named(name, NUMBERS, 5, "minimize")
    sampler.begin(0, "toy", {"x": 0.5, "y": 0.0, "z": 50})  # the published best
    wave = []
    for number in range(1, 16):
        wave.append(sampler.suggest(number))
        sampler.begin(number, "toy", wave[-1])
    for place in ("x", "y"):  # Sobol points: one in each sixteenth of the range
        low, high = NUMBERS.parameters[place].low, NUMBERS.parameters[place].high
        sixteenths = {int((config[place] - low) / (high - low) * 16) for config in wave}
        assert len(sixteenths) == 15


@pytest.mark.parametrize("name", LEARNING)
def test_trials_of_an_earlier_study_count_as_this_ones(name):
    def draw(number):
        return {"x": number / 20, "y": number / 2 - 5.0, "z": 5 * number}

    priors = [ending(number, draw(number), bowl(draw(number))) for number in range(20)]
    told = sampler_named(name, NUMBERS, 0, "minimize", priors)
    plain = sampler_named(name, NUMBERS, 0, "minimize")
    assert told.suggest(0) != plain.suggest(0)


def test_every_sampler_of_the_study_file_is_there_and_the_other_way_round():
    from typing import get_args

    from fesearch.study import Study

    assert {"auto", *NAMES} == set(get_args(Study.model_fields["sampler"].annotation))


def test_a_grid_of_a_continuous_space_is_refused_with_the_parameter():
    with pytest.raises(InputError, match=r"'momentum' is continuous") as caught:
        sampler_named("grid", MIXED, 0, "minimize")
    assert caught.value.hint == (
        "List its values, as in --set space.momentum=[...], or use --sampler tpe."
    )


def test_cma_es_of_fewer_than_two_ranges_is_refused():
    space = Space({"x": Float(0.0, 1.0), "kind": Choice(("a", "b")), "n": Int(3, 3)})
    with pytest.raises(InputError) as caught:
        sampler_named("cmaes", space, 0, "minimize")
    assert caught.value.message == (
        "CMA-ES wants two or more parameters that are ranges, but here are 1."
    )
    assert "use --sampler tpe" in caught.value.hint


def test_cma_es_that_has_shrunk_to_a_point_begins_anew():
    def shrunk(trials):
        sampler = sampler_named("cmaes", NUMBERS, 0, "minimize")
        at_a_point = [{"x": 0.5 + 1e-9 * one, "y": 0.0, "z": 50} for one in range(trials)]
        play(sampler, trials, lambda config: 1.0, at_a_point)
        return [sampler.suggest(trials + more)["x"] for more in range(20)]

    before, found = shrunk(160), shrunk(170)  # 24 generations of 7 say that nothing changes
    assert max(before) - min(before) < 0.05
    assert max(found) - min(found) > 0.5
    assert found == shrunk(170)


def test_cma_es_without_its_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cmaes", None)
    with pytest.raises(InputError) as caught:
        sampler_named("cmaes", NUMBERS, 0, "minimize")
    assert caught.value.message == "This needs the package 'cmaes', which is not installed."
    assert caught.value.hint == "Type: pip install 'fesearch[cmaes]'"
