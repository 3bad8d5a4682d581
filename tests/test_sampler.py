"""Samplers: each config once, the same after a resume, and TPE that learns from failures."""

import pytest

from fesearch.errors import InputError
from fesearch.record import Fault, TrialResult, TrialState
from fesearch.search.sampler import sampler_named
from fesearch.space import Choice, Float, Int, Space, When

DISCRETE = Space({"a": Choice((1, 2, 3)), "b": Choice(("x", "y", None)), "c": Int(0, 1)})
MIXED = Space(
    {
        "optimizer": Choice(("sgd", "momentum")),
        "momentum": When("optimizer", ("momentum",), Float(0.5, 0.99)),
        "rate": Float(1e-6, 1e-1, log=True),
        "depth": Int(3, 48),
        "width": Int(8, 1024, log=True),
    }
)
NAMES = ("tpe", "random", "grid")


def result(number, config, value, state=TrialState.COMPLETE, fault=None):
    return TrialResult(
        number, "toy", config, 0, state, value, resource=1, best_resource=1, fault=fault
    )


def play(sampler, trials, known=(), loss=lambda config: 0.5):
    """Ask and tell; ``known`` trials are told first, as after a resume."""
    for number, config in enumerate(known):
        sampler.begin(number, "toy", config)
    for number, config in enumerate(known):
        sampler.report(number, 1, loss(config))
        sampler.finish(result(number, config, loss(config)))
    configs = list(known)
    for number in range(len(known), trials):
        config = sampler.suggest(number)
        if config is None:
            break
        sampler.begin(number, "toy", config)
        sampler.report(number, 1, loss(config))
        sampler.finish(result(number, config, loss(config)))
        configs.append(config)
    return configs


@pytest.mark.parametrize("name", NAMES)
def test_a_finite_space_is_given_out_whole_each_config_once(name):
    configs = play(sampler_named(name, DISCRETE, 7, "minimize"), 100)
    assert len(configs) == DISCRETE.size() == 18
    assert len({str(sorted(config.items())) for config in configs}) == 18


@pytest.mark.parametrize(
    ("name", "space"),
    [
        ("grid", DISCRETE),
        ("random", DISCRETE),
        ("tpe", DISCRETE),
        ("random", MIXED),
        ("tpe", MIXED),
    ],
)
def test_a_resumed_search_suggests_what_it_would_have(name, space):
    def loss(config):
        return sum(value for value in config.values() if isinstance(value, int | float))

    whole = play(sampler_named(name, space, 3, "minimize"), 17, loss=loss)
    for cut in (1, 9, 14):
        fresh = sampler_named(name, space, 3, "minimize")
        assert play(fresh, 17, known=whole[:cut], loss=loss) == whole


@pytest.mark.parametrize("name", ["tpe", "random"])
def test_suggestions_are_in_the_space_and_differ_by_seed(name):
    configs = play(sampler_named(name, MIXED, 0, "minimize"), 25)
    for config in configs:
        MIXED.check(config)
    assert configs != play(sampler_named(name, MIXED, 1, "minimize"), 25)


@pytest.mark.parametrize(("direction", "sign"), [("minimize", 1), ("maximize", -1)])
def test_tpe_goes_where_values_are_better(direction, sign):
    space = Space({"x": Float(0.0, 1.0)})
    sampler = sampler_named("tpe", space, 0, direction)
    configs = play(sampler, 60, loss=lambda config: sign * (config["x"] - 0.8) ** 2)
    late = [abs(config["x"] - 0.8) for config in configs[40:]]
    assert sum(late) / len(late) < 0.15  # uniform draws average 0.34


def test_tpe_turns_away_from_configs_that_diverge():
    space = Space({"x": Float(0.0, 1.0)})
    sampler = sampler_named("tpe", space, 0, "minimize")
    diverged = []
    for number in range(60):
        config = sampler.suggest(number)
        sampler.begin(number, "toy", config)
        diverged.append(config["x"] > 0.5)
        if diverged[-1]:
            sampler.report(number, 1, None)
            sampler.finish(result(number, config, None, TrialState.FAIL, Fault.DIVERGED))
        else:
            sampler.report(number, 1, 1.0)
            sampler.finish(result(number, config, 1.0))
    assert sum(diverged[:10]) >= 3
    assert sum(diverged[30:]) <= 12  # all 30, where TPE ignores what failed


def test_a_grid_of_a_continuous_space_is_refused_with_the_parameter():
    with pytest.raises(InputError, match=r"'momentum' is continuous") as caught:
        sampler_named("grid", MIXED, 0, "minimize")
    assert caught.value.hint == (
        "List its values, as in --set space.momentum=[...], or use --sampler tpe."
    )
