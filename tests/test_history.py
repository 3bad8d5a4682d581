"""The past that samplers look at: limited, and the same however it came about."""

import math
import random

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState, create_trial

from fesearch.search.history import BEST, LARGEST, History


def filled(values, direction="minimize", running=0, **limits):
    """A storage with a trial of each value, None for one that failed, then running ones."""
    storage = History(**limits)
    study = optuna.create_study(storage=storage, direction=direction)
    for value in values:
        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        storage.create_new_trial(
            study._study_id, template_trial=create_trial(state=state, value=value)
        )
    for _ in range(running):
        storage.create_new_trial(study._study_id)
    return study


def numbers(study):
    return [trial.number for trial in study.get_trials(deepcopy=False)]


def test_a_short_past_is_seen_whole():
    assert numbers(filled([0.3, 0.2, 0.1], running=2, largest=3, best=1)) == [0, 1, 2, 3, 4]


def test_what_failed_is_not_seen():
    study = filled([0.3, None, 0.1], running=1, largest=3, best=1)
    study.tell(3, state=TrialState.FAIL)
    assert numbers(study) == [0, 2]


@pytest.mark.parametrize(("direction", "best"), [("minimize", 3), ("maximize", 1)])
def test_of_a_long_past_the_best_and_the_latest_are_seen(direction, best):
    values = [0.5, 0.9, None, 0.1, 0.4, 0.6, 0.7, 0.8]
    study = filled(values, direction, running=1, largest=4, best=1)
    assert numbers(study) == [best, 5, 6, 7, 8]


def test_a_best_that_is_late_takes_no_second_place():
    assert numbers(filled([0.5, 0.6, 0.7, 0.8, 0.1], largest=3, best=1)) == [2, 3, 4]


def test_equal_values_keep_the_first():
    assert numbers(filled([0.5, 0.5, 0.9, 0.9], largest=2, best=1)) == [0, 3]


def test_trials_that_end_in_another_order_leave_the_same_past():
    draw = random.Random(1)
    values = [draw.random() for _ in range(30)]
    expected = numbers(filled(values, largest=10, best=4))
    study = filled([], running=30, largest=10, best=4)
    places = list(range(30))
    draw.shuffle(places)
    for place in places:
        study.tell(place, values[place])
    assert numbers(study) == expected


@given(
    values=st.lists(st.none() | st.floats(width=16, allow_infinity=False), max_size=40),
    order=st.randoms(use_true_random=False),
    direction=st.sampled_from(["minimize", "maximize"]),
    largest=st.integers(2, 12),
)
def test_the_past_is_that_which_all_trials_together_give(values, order, direction, largest):
    study = filled([], direction, running=len(values) + 2, largest=largest, best=largest // 2)
    places = list(range(len(values)))
    order.shuffle(places)
    for place in places:
        told = values[place]
        state = TrialState.FAIL if told is None else TrialState.COMPLETE
        study._storage.set_trial_state_values(place, state, None if told is None else [told])
    ended = [place for place, told in enumerate(values) if told is not None]
    sign = -1 if direction == "maximize" else 1
    scored = sorted((sign * values[n], n) for n in ended if not math.isnan(values[n]))
    kept = {n for _, n in scored[: largest // 2]} if len(ended) > largest else set(ended)
    others = [n for n in ended if n not in kept]
    kept.update(others[len(others) - max(largest - len(kept), 0) :])
    assert numbers(study) == [*sorted(kept), len(values), len(values) + 1]
    assert [one.number for one in study.get_trials(states=(TrialState.COMPLETE,))] == sorted(kept)


def test_the_limit_is_far_above_what_tpe_calls_good():
    assert optuna.samplers._tpe.sampler.default_gamma(10**6) <= BEST
    assert BEST < LARGEST
