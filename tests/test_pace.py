"""What the time of a study lets its trials and models be, whatever an epoch takes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fesearch.family import FAMILIES
from fesearch.search.pace import (
    FEWEST,
    USEFUL,
    Time,
    UnmeasuredError,
    fitted,
    is_open,
    largest,
    lowest,
    narrowed,
    wider,
)
from fesearch.space import Choice, Config, Domain, Float, Int, Space, When, number
from fesearch.study import Study

HALF_AN_HOUR = Time.of(1800.0, 100, 1)
DOMAINS = [
    Float(0.125, 2.0, log=True),
    Float(0.25, 1.0),
    Int(32, 512, log=True),
    Int(8, 128, step=8),
    Choice((16, 32, 64)),
    Choice((1.0,)),
]


def irnet(**keys: Any) -> Study:
    return Study(**{"name": "deep", "family": "irnet", "preset": "full", **keys})


def squared(per_unit: float, fixed: float = 0.0) -> Any:
    """A pace: seconds of an epoch that grow with the square of the width."""

    def pace(config: Config) -> float:
        return fixed + per_unit * number(config, "width") ** 2

    return pace


@given(
    domain=st.sampled_from(DOMAINS),
    share=st.floats(0.0, 1.0),
    fixed=st.floats(0.0, 10.0),
    grows=st.floats(1e-3, 1e3),
    power=st.floats(1.0, 2.0),
    wanted=st.floats(1e-3, 1e3),
)
def test_the_largest_value_is_about_as_fast_as_wanted(
    domain: Domain, share: float, fixed: float, grows: float, power: float, wanted: float
) -> None:
    now = domain.at(min(share, 0.999))
    assert isinstance(now, int | float)
    asked: list[float] = []

    def pace(value: float) -> float:
        asked.append(value)
        return fixed + grows * (value / now) ** power

    low = lowest(domain)
    found = largest(pace, domain, low, now, wanted)
    assert low <= found <= now
    if pace(now) <= 1.25 * wanted:
        assert found == now
        assert low == now or low not in asked[:-1]  # what fits as it is costs one measurement
    else:
        assert found == low or pace(found) <= 2 * wanted
    if pace(low) <= wanted and power == 2.0 and isinstance(domain, Float):
        assert pace(found) >= min(0.7 * wanted, pace(now))  # nor is it needlessly small


@given(domain=st.sampled_from(DOMAINS), share=st.floats(0.0, 1.0))
def test_what_is_narrowed_is_a_domain_within_the_old_one(domain: Domain, share: float) -> None:
    most = domain.at(min(share, 0.999))
    assert isinstance(most, int | float)
    new = Space({"it": domain}).replace("it", narrowed(domain, most)).parameters["it"]
    assert not isinstance(new, When)
    for u in (0.0, 0.3, 0.7, 0.999999):
        value = new.at(u)
        assert value in domain
        assert value <= most + 1e-9
    assert lowest(new) == lowest(domain)


@given(seconds=st.floats(30.0, 1e7), epoch=st.floats(1e-3, 1e6), trials=st.integers(1, 200))
def test_the_end_is_what_a_part_of_the_time_suffices_for(
    seconds: float, epoch: float, trials: int
) -> None:
    asked = irnet(space={"width": 1.0})
    time = Time.of(seconds, trials, 2)
    assert time.part == pytest.approx(seconds / min(3, -(-trials // 2)))
    found = fitted(asked, time, lambda config: epoch).keys
    assert found.keys() <= {"max_epochs"}
    end = found.get("max_epochs")
    if epoch > seconds or time.part / epoch >= 500:
        assert end is None
    else:
        assert end == max(FEWEST, int(time.part / epoch))


def test_a_trial_has_no_more_than_its_own_limit() -> None:
    assert Time.of(900.0, 100, 2, 60.0) == (900.0, 60.0)
    assert Time.of(900.0, 100, 2, 600.0) == (900.0, 300.0)


def test_networks_are_as_wide_as_useful_trainings_allow() -> None:
    found = fitted(irnet(), HALF_AN_HOUR, squared(90.0, 2.0))
    domain = found.keys["space"]["width"]
    assert (domain["low"], domain["log"]) == (0.125, True)
    assert domain["high"] == pytest.approx(0.447, abs=0.02)  # 20 s, 30 of which are 10 minutes
    assert found.keys["max_epochs"] == pytest.approx(USEFUL, abs=2)
    width, end = found.why
    assert width.startswith(f"width up to {domain['high']:g}: an epoch takes about 1m32s with ")
    assert "with width 1, and 19s with that; " in width
    assert "give --set space.width=…" in width
    assert end.startswith(f"max_epochs {found.keys['max_epochs']}: an epoch of config 2 of those")
    assert "study extend" not in end  # its learning rate comes to an end with it


def test_one_that_is_slow_at_its_narrowest_has_ten_epochs_and_one_that_fits_is_left() -> None:
    slow = fitted(irnet(), HALF_AN_HOUR, squared(0.0, 100.0))
    assert slow.keys["space"]["width"]["high"] == 0.125
    assert slow.keys["max_epochs"] == FEWEST
    assert fitted(irnet(), HALF_AN_HOUR, squared(0.1, 0.1)) == ({}, ())
    long = fitted(irnet(), HALF_AN_HOUR, squared(5.0))
    assert long.keys == {"max_epochs": 120}  # many epochs, if not all
    none = fitted(irnet(), HALF_AN_HOUR, squared(0.0, 2000.0))
    assert none == ({}, ("an epoch takes about 33m20s, and there are 30m",))


def test_networks_larger_than_the_first_one_are_as_wide_as_useful_trainings_allow() -> None:
    found = fitted(irnet(), HALF_AN_HOUR, squared(15.0))
    assert found.keys["space"]["width"]["high"] == 1.1  # 18 s; 2.0 takes a minute
    assert found.keys["max_epochs"] == 40  # of the first one, which is as it was
    assert found.why[0].startswith("width up to 1.1: an epoch takes about 1m with width 2, and 18s")


def test_what_is_known_of_the_first_config_serves_where_no_other_could_be_measured() -> None:
    def pace(config: Config) -> float:
        if config["width"] != 1.0:
            raise UnmeasuredError("others have taken too long")
        return 60.0

    assert fitted(irnet(), HALF_AN_HOUR, pace).keys == {"max_epochs": 10}
    with pytest.raises(UnmeasuredError):
        fitted(irnet(space={"width": 0.5}), HALF_AN_HOUR, pace)


def test_each_of_the_first_configs_is_as_wide_as_its_own_training_allows() -> None:
    """The published best takes ten times as long as the one that is tried after it."""

    def pace(config: Config) -> float:
        return (300.0 if config["depth"] == 17 else 30.0) * number(config, "width") ** 2

    asked = irnet()
    found = asked.model_copy(update=fitted(asked, HALF_AN_HOUR, pace).keys)
    today, published = found.with_schedules().first_configs()  # it is not what was published now
    assert (published["depth"], published["norm"], today["depth"]) == (17, "before", 8)
    assert today["norm"] is None
    assert today["width"] == pytest.approx(0.81, abs=0.02)  # 20 s, 30 of which are 10 minutes
    assert published["width"] == pytest.approx(0.25, abs=0.02)
    assert found.space["width"]["high"] == today["width"]
    assert today["epochs"] == found.max_epochs == 30
    ends = {config["depth"]: found.max_epochs * pace(config) for config in (published, today)}
    assert ends == pytest.approx({17: 600.0, 8: 600.0}, rel=0.1)
    slow = asked.model_copy(
        update=fitted(asked, HALF_AN_HOUR, lambda c: pace(c) + (c["depth"] == 17) * 60.0).keys
    )
    behind = slow.with_schedules().first_configs()
    assert [config["depth"] for config in behind] == [8, 17]  # which does not end in time
    assert behind[1]["width"] == 0.125
    quick = fitted(asked, HALF_AN_HOUR, squared(0.1, 0.1))
    assert quick == ({}, ())
    assert [config["depth"] for config in asked.with_schedules().first_configs()] == [17, 8]
    said = irnet(first=[{"width": 1.5}])
    assert fitted(said, HALF_AN_HOUR, pace).keys == {"max_epochs": FEWEST}  # it stays as wide


def test_a_config_is_widened_to_what_takes_the_time_it_has() -> None:
    best = {**irnet().first_configs()[-1], "width": 0.3, "epochs": 20}
    asked = irnet(max_epochs=30)
    assert wider(asked, best, 600.0, squared(120.0)) == pytest.approx(0.5, abs=0.02)
    assert wider(asked, best, 600.0, squared(1.0)) == 2.0  # the widest there is
    assert wider(asked, best, 200.0, squared(120.0)) is None
    assert wider(irnet(space={"width": 0.3}), best, 600.0, squared(1.0)) is None
    heads = Study(name="heads", family="attention", preset="full", space={"head_size": [8, 16, 32]})
    small = heads.first_configs()[0]
    assert wider(heads, small, 600.0, lambda config: 0.1) is None  # choices stay as they are


def test_no_schedule_is_promised_a_later_end() -> None:
    cosine = irnet(space={"width": 1.0, "schedule": "cosine"})
    [line] = fitted(cosine, HALF_AN_HOUR, lambda config: 20.0).why
    assert line.startswith("max_epochs 30: ")
    assert "study extend" not in line


def test_what_the_study_says_stays() -> None:
    slow = squared(90.0, 2.0)
    said = fitted(irnet(space={"width": 1.0}), HALF_AN_HOUR, slow)
    assert said.keys == {"max_epochs": FEWEST}
    [line] = said.why
    assert line.startswith("max_epochs 10: ")
    ends = fitted(irnet(max_epochs=15), HALF_AN_HOUR, slow)
    assert list(ends.keys) == ["space"]
    assert ends.keys["space"]["width"]["high"] > 0.6  # 15 of 40 s
    schedule = {"schedule": "cosine", "epochs": 200, "width": 1.0}
    assert not is_open(irnet(space=schedule))
    assert fitted(irnet(space=schedule), HALF_AN_HOUR, slow).keys == {}
    assert not is_open(irnet(space={"width": 1.0}, max_epochs=3))
    assert not is_open(Study(name="one", family="random_forest"))
    assert is_open(Study(name="one", family="sgd"))
    first = fitted(irnet(grace=20, space={"width": 1.0}), HALF_AN_HOUR, slow)
    assert first.keys == {"max_epochs": 60}  # compared once at least
    goes_on = fitted(irnet(warm_start="earlier"), HALF_AN_HOUR, slow)
    assert list(goes_on.keys) == ["max_epochs"]  # and begins with the networks of the earlier one


def test_the_published_space_stays_and_says_what_to_type() -> None:
    found = fitted(irnet(preset="published"), HALF_AN_HOUR, squared(90.0, 2.0), "each.irnet.")
    assert found.keys == {"max_epochs": FEWEST}
    warning, _ = found.why
    assert "about 1m32s with width 1, so 6 are done in 10m of 30m; " in warning
    assert warning.endswith("add --preset full, or --set each.irnet.space.width=0.44")
    only = fitted(irnet(preset="published", max_epochs=40), HALF_AN_HOUR, squared(90.0, 2.0))
    assert (only.keys, len(only.why)) == ({}, 1)


def test_a_published_list_of_sizes_stays() -> None:
    asked = Study(name="heads", family="attention")
    found = fitted(asked, HALF_AN_HOUR, lambda config: number(config, "head_size"))
    assert found.keys == {"max_epochs": 18}
    assert "--set space.head_size=" in found.why[0]


@pytest.mark.parametrize("name", FAMILIES.names())
def test_a_capacity_is_a_number_of_both_spaces_that_can_be_narrowed(name: str) -> None:
    family = FAMILIES.get(name)
    assert (family.capacity is None) == (family.resource.unit != "epochs" or name == "sgd")
    if family.capacity is None:
        return
    asked = Study(name="one", family=name, preset="full")
    first = family.first(family.full)
    slow = fitted(asked, HALF_AN_HOUR, lambda config: 60.0)
    small = asked.model_copy(update=slow.keys)
    small.check()
    then = family.first(small.search_space())
    assert number(then, family.capacity) < number(first, family.capacity)
