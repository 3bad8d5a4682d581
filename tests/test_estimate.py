"""The arithmetic of estimates: ranges that hold what is true, worked out by hand."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fesearch import estimate
from fesearch.estimate import (
    CHECKPOINTS,
    CROWDING,
    DRIVER,
    LAX,
    OF_A_STEP,
    OF_A_TRIAL,
    OF_RAY,
    RAY_FILES,
    TO_START,
    UNSEEN,
    Course,
    Plan,
    Range,
    Sample,
    steps_of_a_trial,
)  # fmt: skip

NET = Sample(
    to_begin=1.0, step=2.0, steps=27, measured=2, model=1e6, model_growth=0.0,
    checkpoint=3e6, checkpoint_growth=0.0, memory=4e8,
)  # fmt: skip
FOREST = replace(NET, steps=10, model=2e6, model_growth=1e6, checkpoint_growth=1e6)
PLAN = Plan(trials=100, parallel=4, courses=(Course(),), data=1e8, keep=5, extendable=True)
HALVING = (Course((1, 3, 9), 3),)


def test_steps_of_trials_that_are_stopped_at_rungs() -> None:
    assert steps_of_a_trial(27, [Course()]) == 27
    halved = 1 + 2 / 3 + 6 / 9 + 18 / 27
    assert steps_of_a_trial(27, HALVING) == pytest.approx(halved)
    assert steps_of_a_trial(27, [Course((1, 3, 9, 27), 2)], lax=2.0) == 27
    assert steps_of_a_trial(2, HALVING) == pytest.approx(1 + 1 / 3)
    both = [Course((1, 3, 9), 3, share=0.75), Course(share=0.25)]
    assert steps_of_a_trial(27, both) == pytest.approx(0.75 * halved + 0.25 * 27)


@given(
    steps=st.integers(1, 1000),
    rungs=st.lists(st.integers(1, 1000), unique=True).map(sorted),
    factor=st.integers(1, 5),
    lax=st.floats(0.0, 9.0),
)
def test_no_trial_takes_more_than_all_steps(
    steps: int, rungs: list[int], factor: int, lax: float
) -> None:
    taken = steps_of_a_trial(steps, [Course(tuple(rungs), factor)], lax)
    assert 0 < taken <= steps * (1 + 1e-12)


def test_seconds_of_one_measured_config() -> None:
    each = 1 + 2 * 27
    found = estimate.seconds([NET], PLAN)
    assert found.low == pytest.approx(TO_START + each / UNSEEN * 25)
    assert found.high == pytest.approx(TO_START + each * UNSEEN * CROWDING * 25)


def test_more_measured_configs_say_more() -> None:
    one, four = (estimate.seconds([NET] * count, PLAN) for count in (1, 4))
    assert one.low < four.low < four.high < one.high


def test_halving_shortens_the_low_end_most() -> None:
    found = estimate.seconds([NET], replace(PLAN, courses=HALVING))
    low = 1 + 2 * steps_of_a_trial(27, HALVING)
    high = 1 + 2 * steps_of_a_trial(27, HALVING, LAX)
    assert found.low == pytest.approx(TO_START + low / UNSEEN * 25)
    assert found.high == pytest.approx(TO_START + high * UNSEEN * CROWDING * 25)


def test_fewer_trials_than_workers_take_as_long_as_one() -> None:
    alone = estimate.seconds([NET], replace(PLAN, trials=1, parallel=1))
    assert estimate.seconds([NET], replace(PLAN, trials=1, parallel=64)) == alone


def test_a_step_that_was_broken_off_has_no_upper_end() -> None:
    found = estimate.seconds([replace(NET, whole=False)], PLAN)
    assert math.isinf(found.high)
    assert estimate.seconds([replace(NET, whole=False)], replace(PLAN, time_limit=60.0)).high == 60


def test_a_time_limit_ends_it_and_says_how_many_trials_it_lets_in() -> None:
    limited = replace(PLAN, time_limit=TO_START + 110.0)
    assert estimate.seconds([NET], limited) == Range(TO_START + 110.0, TO_START + 110.0)
    found = estimate.trials_in_time([NET], limited)
    assert found is not None
    assert found.low == pytest.approx(110 * 4 / (55 * UNSEEN * CROWDING))
    assert found.high == pytest.approx(110 * 4 / (55 / UNSEEN))
    assert estimate.trials_in_time([NET], PLAN) is None
    plenty = estimate.trials_in_time([NET], replace(PLAN, time_limit=1e9))
    assert plenty == Range(100, 100)


def test_memory_has_the_data_once_and_a_worker_for_each_trial() -> None:
    found = estimate.memory([NET, replace(NET, memory=6e8)], PLAN)
    assert found.low == DRIVER + 1e8 + 4 * (4e8 + OF_RAY)
    assert found.high == DRIVER + 1e8 + 4 * (6e8 + OF_RAY) * CROWDING
    assert estimate.memory([NET], replace(PLAN, of_ray=0.0)).low == DRIVER + 1e8 + 4 * 4e8


def test_disk_of_networks() -> None:
    found = estimate.disk([NET], PLAN)
    kept, running = 5 * (1e6 + 3e6), 4 * (1e6 + CHECKPOINTS * 3e6)
    rows = 100 * (OF_A_TRIAL + 27 * OF_A_STEP)
    assert found.low == rows + kept
    assert found.high == rows + RAY_FILES + UNSEEN * kept + running
    halved = estimate.disk([NET], replace(PLAN, courses=HALVING))
    steps = 1 + 2 / 3 + 6 / 9 + 18 / 27
    assert halved.low == pytest.approx(100 * (OF_A_TRIAL + steps * OF_A_STEP) + kept)


def test_disk_of_forests_that_grow() -> None:
    assert FOREST.model_at_end == 2e6 + 8 * 1e6
    assert FOREST.checkpoint_at_end == 3e6 + 8 * 1e6
    found = estimate.disk([FOREST], replace(PLAN, extendable=False, trials=3))
    assert found.low == 3 * (OF_A_TRIAL + 10 * OF_A_STEP) + 3 * 10e6
