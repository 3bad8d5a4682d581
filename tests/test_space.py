"""Search spaces: whatever is drawn is in the space, and what is not in it is refused by name."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fesearch.errors import InputError
from fesearch.space import Choice, Domain, Float, Int, Space, When, corners

points = st.floats(0, 1, exclude_max=True)
ends = st.floats(-1e12, 1e12).map(lambda x: x + 0.0)
positive = st.floats(1e-12, 1e12)
values = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=3))


@st.composite
def floats(draw: st.DrawFn) -> Float:
    log = draw(st.booleans())
    low, high = sorted(draw(st.tuples(*[positive if log else ends] * 2)))
    return Float(low, high, log)


@st.composite
def ints(draw: st.DrawFn) -> Int:
    log = draw(st.booleans())
    low = draw(st.integers(1 if log else -500, 500))
    return Int(low, low + draw(st.integers(0, 500)), 1 if log else draw(st.integers(1, 9)), log)


choices = st.lists(values, min_size=1, max_size=5, unique_by=repr).map(
    lambda options: Choice(tuple(options))
)
domains = st.one_of(floats(), ints(), choices)


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """Spaces of up to five parameters, some of which depend on an earlier choice."""
    parameters: dict[str, Domain | When] = {}
    for name in "abcde"[: draw(st.integers(1, 5))]:
        domain = draw(domains)
        deciding = [n for n, entry in parameters.items() if isinstance(entry, Choice)]
        if deciding and draw(st.booleans()):
            parameter = draw(st.sampled_from(deciding))
            options = parameters[parameter].options  # type: ignore[union-attr]
            parameters[name] = When(parameter, (draw(st.sampled_from(options)),), domain)
        else:
            parameters[name] = domain
    return Space(parameters)


@given(domains, points)
def test_every_point_of_a_domain_is_in_it(domain: Domain, u: float) -> None:
    assert domain.at(u) in domain


@given(st.one_of(ints(), choices))
def test_a_finite_domain_is_its_values(domain: Int | Choice) -> None:
    assert all(value in domain for value in domain.values())
    assert domain.at(0.0) == domain.values()[0]
    assert domain.at(math.nextafter(1.0, 0.0)) == domain.values()[-1]


@given(spaces(), st.integers(0, 2**32 - 1))
def test_every_config_drawn_is_legal_and_drawn_again(space: Space, seed: int) -> None:
    config = space.sample(seed)
    space.check(config)
    assert space.sample(seed) == config


@given(spaces())
def test_corners_are_legal(space: Space) -> None:
    for config in corners(space):
        space.check(config)


@given(spaces(), st.dictionaries(st.sampled_from("abcde"), values))
def test_the_nearest_config_is_legal_and_keeps_what_it_may(space: Space, config: dict) -> None:
    found = space.nearest(config)
    space.check(found)
    for name, value in config.items():
        domain = space.active(name, found) if name in space.parameters else None
        if domain is not None and value in domain:
            assert found[name] == value


SMALL = Space(
    {
        "optimizer": Choice(("adam", "sgd")),
        "momentum": When("optimizer", ("sgd",), Choice((0.5, 0.9, 0.99))),
        "depth": Int(3, 9, step=3),
    }
)


def test_a_grid_has_each_config_once() -> None:
    configs = [tuple(config.items()) for config in SMALL.grid()]
    assert len(configs) == len(set(configs)) == SMALL.size() == (1 + 3) * 3
    for config in SMALL.grid():
        SMALL.check(config)


@pytest.mark.parametrize(
    ("optimizer", "averaging", "size"),
    [("adam", "off", 3), ("sgd", "off", None), ("sgd", "on", None), ("adam", "on", 3)],
)
def test_a_parameter_that_no_config_has_is_no_obstacle_to_a_grid(
    optimizer: str, averaging: str, size: int | None
) -> None:
    space = Space(
        {
            "optimizer": Choice((optimizer,)),
            "averaging": When("optimizer", ("sgd",), Choice((averaging,))),
            "decay": When("averaging", ("on",), Float(0.0, 1.0)),
            "momentum": When("optimizer", ("sgd",), Float(0.5, 0.99)),
            "depth": Int(3, 9, step=3),
        }
    )
    assert space.size() == size
    if size is None:
        with pytest.raises(InputError, match="is continuous"):
            list(space.grid())
    else:
        assert [config["depth"] for config in space.grid()] == [3, 6, 9]


@given(spaces())
def test_a_grid_has_as_many_configs_as_the_space(space: Space) -> None:
    size = space.size()
    if size is not None and size <= 1000:
        configs = list(space.grid())
        assert len(configs) == size
        for config in configs:
            space.check(config)


def test_a_continuous_space_has_no_grid() -> None:
    space = Space({"rate": Float(0.001, 0.1, log=True)})
    assert space.size() is None
    with pytest.raises(InputError) as caught:
        list(space.grid())
    assert caught.value.message == (
        "The parameter 'rate' is continuous (0.001 … 0.1 (log)), so there is no grid of it."
    )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"optimizer": "adam"}, "'depth' is missing."),
        ({"optimizer": "adam", "depth": 4}, "'depth' is 4, outside its space."),
        ({"optimizer": "adam", "depth": True}, "'depth' is True, outside its space."),
        (
            {"optimizer": "adam", "momentum": 0.9, "depth": 3},
            "'momentum' is given but unused: 0.5, 0.9, 0.99, when optimizer is sgd.",
        ),
        (
            {"optimizer": "adam", "dept": 3},
            "There is no parameter 'dept' in this space.",
        ),
    ],
)
def test_a_config_outside_is_refused_by_name(config: dict, message: str) -> None:
    with pytest.raises(InputError) as caught:
        SMALL.check(config)
    assert caught.value.message == message


def test_a_mistyped_parameter_gets_the_nearest() -> None:
    with pytest.raises(InputError, match="Did you mean 'depth'"):
        SMALL.replace("dept", 3)


@pytest.mark.parametrize(
    ("given_", "domain"),
    [
        (6, Choice((6,))),
        ([6, 9], Choice((6, 9))),
        ({"low": 3, "high": 48}, Int(3, 48)),
        ({"low": 3, "high": 48, "step": 5}, Int(3, 48, step=5)),
        ({"low": 1, "high": 48, "log": True}, Int(1, 48, log=True)),
        ({"low": 0.1, "high": 1}, Float(0.1, 1.0)),
    ],
)
def test_a_study_file_replaces_a_domain(given_: object, domain: Domain) -> None:
    assert SMALL.replace("depth", given_).parameters["depth"] == domain


def test_a_conditional_parameter_stays_conditional() -> None:
    entry = SMALL.replace("momentum", 0.9).parameters["momentum"]
    assert entry == When("optimizer", ("sgd",), Choice((0.9,)))


HUGE = 10**400


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"low": 3}, "A range is \"{'low': 3}\"."),
        ({"low": 3, "high": "x"}, "A range is \"{'low': 3, 'high': 'x'}\"."),
        ({"low": True, "high": 3}, "A range is \"{'low': True, 'high': 3}\"."),
        ({"low": 0, "hihg": 3}, "A range is \"{'low': 0, 'hihg': 3}\"."),
        ({"low": 1, "high": 9, "log": "no"}, "A range is "),
        ({"low": 1, "high": 9, "log": 1}, "A range is "),
        ({"low": 9, "high": 3}, "A range runs from 9 to 3."),
        ({"low": 0, "high": 9, "log": True}, "A range runs from 0 to 9 in logarithm."),
        ({"low": 0.0, "high": 1e999}, "A range runs from 0.0 to inf."),
        ({"low": 0.5, "high": 3, "step": 2}, "A range has a step but its ends are not whole "),
        ({"low": 1, "high": 9, "step": "a"}, "A range has step 'a'."),
        ({"low": 1, "high": 9, "step": [1]}, "A range has step '[1]'."),
        ({"low": 1, "high": 9, "step": 1.5}, "A range has step '1.5'."),
        ({"low": 1, "high": 9, "step": True}, "A range has step 'True'."),
        ({"low": 1, "high": 9, "step": 0}, "An integer range has step '0'."),
        ({"low": 1, "high": 9, "step": HUGE}, "An integer range has step '1000"),
        ({"low": 1, "high": 9, "step": 2, "log": True}, "An integer range has step '2'."),
        ({"low": 1, "high": HUGE}, "A range runs from '1' to '1000"),
        ({"low": 0.5, "high": HUGE}, "A range runs from '0.5' to '1000"),
        (HUGE, "A choice is '1000"),
        ([], "A list of choices is empty."),
        ([[1]], "A choice is [1], a list."),
    ],
    ids=lambda part: str(part)[:30],
)
def test_what_is_no_domain_is_refused_naming_the_parameter(given_: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        SMALL.replace("depth", given_)
    assert caught.value.message.startswith(f"'depth': {message}")
    assert len(caught.value.message) < 200


def test_a_wide_range_takes_no_memory() -> None:
    space = Space({"depth": Int(0, 2**53), "leaf": Int(2, 2**53, step=3), "rate": Choice((1, 2))})
    assert space.size() == (2**53 + 1) * ((2**53 - 2) // 3 + 1) * 2
    assert space.nearest({"depth": -7, "leaf": 10.4}) == {"depth": 0, "leaf": 11, "rate": 2}
    with pytest.raises(InputError) as caught:
        space.grid()
    assert caught.value.message == f"The grid of this space has {space.size()} configs."
    assert caught.value.hint == "Narrow it to 1000000 or fewer, or use --sampler tpe."


@given(ints(), st.one_of(st.integers(-2000, 2000), st.floats(-2000, 2000)))
def test_a_number_becomes_the_nearest_of_a_range(domain: Int, value: float) -> None:
    found = Space({"depth": domain}).nearest({"depth": value})["depth"]
    assert abs(found - value) == min(abs(one - value) for one in domain.values())


def test_true_is_not_one() -> None:
    assert True not in Choice((1, 2))
    assert 1 not in Choice((True, False))
    assert True not in Int(0, 3)


def test_a_deciding_parameter_stands_first() -> None:
    with pytest.raises(InputError) as caught:
        Space({"momentum": When("optimizer", ("sgd",), Float(0.5, 0.9))})
    assert caught.value.message == (
        "The parameter 'momentum' depends on 'optimizer', not declared before."
    )


def test_a_log_range_is_drawn_evenly_in_its_logarithm() -> None:
    rate = Float(1e-6, 1e-1, log=True)
    assert rate.at(0.5) == pytest.approx(10**-3.5)
    trees = Int(1, 1000, log=True)
    assert [trees.at(u) for u in (0.0, 0.5, 0.9999)] == [1, 31, 1000]


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (Float(1e-6, 0.1, log=True), "1e-06 … 0.1 (log)"),
        (Int(3, 48), "3 … 48"),
        (Int(50, 500, step=50), "50 … 500 step 50"),
        (Choice((None, "relu", True, 0.25)), "none, relu, True, 0.25"),
    ],
)
def test_a_domain_as_people_read_it(entry: Domain, text: str) -> None:
    assert str(entry) == text


def test_none_is_a_word_where_the_parameter_can_be_none() -> None:
    space = Space({"output": Choice((None, "relu")), "name": Choice(("none", "a"))})
    replaced = space.replace("output", ["none", "relu"]).replace("name", "none")
    assert replaced.parameters == {"output": Choice((None, "relu")), "name": Choice(("none",))}


def test_a_choice_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match=r"The choice 3 is given twice\."):
        Space({"depth": Int(3, 48)}).replace("depth", [3, 8, 3])
    assert Choice((True, 1)).options == (True, 1)


@given(spaces(), st.dictionaries(st.sampled_from("abcde"), values), st.integers(0, 2**32 - 1))
def test_what_is_near_differs_in_numbers_alone(space: Space, config: dict, seed: int) -> None:
    if (found := space.near(config)) is not None:
        assert found == space.nearest(config)
        for name, value in config.items():
            assert found[name] == value or isinstance(value, int | float)
    inside = space.sample(seed)
    assert space.near(inside) == inside


def test_a_space_without_a_choice_has_nothing_near() -> None:
    assert SMALL.near({"optimizer": "sgd", "depth": 8}) == {
        "optimizer": "sgd",
        "momentum": 0.9,
        "depth": 9,
    }
    assert SMALL.near({"optimizer": "adamw", "depth": 6}) is None
    assert SMALL.near({"optimizer": "adam", "momentum": 0.9}) is None  # which adam has not
    assert SMALL.near({"optimizer": "adam", "norm": None}) is None
