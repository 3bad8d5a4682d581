"""The ASHA rule against Ray's own scheduler, fed the same reports."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fesearch.family import Resource
from fesearch.record import Decision
from fesearch.search.halving import Halving, first_rung, rungs

LOSSES = st.floats(0.0, 10.0) | st.sampled_from([0.5, 1.0])  # ties are the delicate case

FACTORS = st.integers(2, 5)


@given(
    curves=st.lists(st.lists(LOSSES, min_size=30, max_size=30), min_size=1, max_size=15),
    order=st.randoms(use_true_random=False),
    grace=st.integers(1, 4),
    factor=st.integers(2, 4),
)
@settings(max_examples=60, deadline=None)
def test_decisions_are_those_of_rays_scheduler(curves, order, grace, factor):
    from ray.tune.schedulers import ASHAScheduler

    maximum = 30
    asha = ASHAScheduler(
        "epoch", "loss", "min", max_t=maximum, grace_period=grace, reduction_factor=factor
    )
    trials = [SimpleNamespace(trial_id=str(n), stub=False) for n in range(len(curves))]
    for trial in trials:
        asha.on_trial_add(None, trial)
    rule = Halving(rungs(grace, factor, maximum), factor)
    epoch = [0] * len(curves)
    alive = list(range(len(curves)))
    stopped = 0
    while alive:
        number = order.choice(alive)
        epoch[number] += 1
        loss = min(curves[number][: epoch[number]])
        ours = rule.decide(number, epoch[number], loss)
        if epoch[number] == maximum:
            alive.remove(number)  # the end of a trial, whatever the rule says
            continue
        theirs = asha.on_trial_result(
            None, trials[number], {"epoch": epoch[number], "loss": loss, "training_iteration": 1}
        )
        assert ours.value == theirs
        if ours is Decision.STOP:
            stopped += 1
            alive.remove(number)
            asha.on_trial_complete(None, trials[number], {"epoch": epoch[number], "loss": loss})
    assert stopped <= len(curves)


def test_a_trial_behind_at_a_rung_stops_and_one_ahead_goes_on():
    rule = Halving((1, 3, 9), 3)
    assert [rule.decide(n, 1, loss) for n, loss in enumerate([0.5, 0.4, 0.6])] == [
        Decision.CONTINUE,
        Decision.CONTINUE,
        Decision.STOP,
    ]


def test_between_rungs_and_at_a_rung_seen_before_a_trial_goes_on():
    rule = Halving((2, 4), 2)
    rule.decide(0, 2, 0.1)
    assert rule.decide(1, 1, 9.0) is Decision.CONTINUE
    assert rule.decide(1, 3, 9.0) is Decision.CONTINUE
    assert rule.decide(1, 2, 9.0) is Decision.STOP
    assert rule.decide(1, 2, 9.0) is Decision.CONTINUE
    assert rule.losses == {2: {0: 0.1, 1: 9.0}, 4: {}}


def test_the_same_reports_in_the_same_order_rebuild_the_rungs():
    reports = [(n, rung, (n * 7 % 5) / 5) for rung in (1, 3) for n in range(12)]
    first, second = Halving((1, 3), 3), Halving((1, 3), 3)
    decisions = [first.decide(*report) for report in reports]
    assert [second.decide(*report) for report in reports] == decisions
    assert first.losses == second.losses
    assert decisions.count(Decision.STOP) > 5


@pytest.mark.parametrize(
    ("step", "factor", "maximum", "expected"),
    [
        (1, 3, 9, (1, 3, 9)),
        (1, 3, 500, (18, 54, 162, 486)),
        (10, 3, 200, (10, 30, 90)),
        (1, 2, 100, (12, 24, 48, 96)),
    ],
)
def test_rungs_begin_three_reductions_below_the_maximum(step, factor, maximum, expected):
    resource = Resource("steps", step, maximum)
    assert rungs(first_rung(resource, factor, maximum), factor, maximum) == expected


def test_no_rung_is_earlier_than_trials_can_be_compared():
    resource = Resource("rounds", 25, 2000, earliest=0.1)
    assert rungs(first_rung(resource, 3, 2000), 3, 2000) == (200, 600, 1800)
    assert first_rung(resource, 3, 100) == 25
    assert first_rung(resource, 3, 2000, reductions=1) == 650


@given(losses=st.lists(st.floats(-1e9, 1e9) | LOSSES, min_size=1, max_size=60), factor=FACTORS)
@settings(deadline=None)
def test_the_cutoff_is_numpys_percentile_to_the_last_bit(losses, factor):
    rule = Halving((1,), factor)
    for trial, loss in enumerate(losses):
        rule.decide(trial, 1, loss)
    rewards = [-loss for loss in losses]
    assert rule.cutoff(1) == -float(np.percentile(rewards, (1 - 1 / factor) * 100))


def test_ten_thousand_trials_at_a_rung_are_decided_on_in_no_time():
    rule = Halving((1,), 3)
    began = time.process_time()
    for trial in range(10_000):
        rule.decide(trial, 1, float(trial * 7919 % 10_007))
    assert time.process_time() - began < 2.0  # sorting all of them each time takes a minute
