"""What every pruner owes: pure rules, the same rebuilt as uninterrupted, ends that can be moved."""

from random import Random
from statistics import mean
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fesearch.estimate import LAX, steps_of_a_trial
from fesearch.record import Decision
from fesearch.search.pruner import PRUNERS, Terms
from fesearch.study import Study

NAMES = PRUNERS.names()
LOSSES = st.floats(0.0, 10.0) | st.sampled_from([0.5, 1.0])
CURVES = st.lists(st.lists(LOSSES, min_size=9, max_size=9), min_size=1, max_size=14)


def rule_of(name, maximum=9, brackets=3):
    pruner = PRUNERS.get(name)
    return pruner.make(Terms(pruner.rungs(1, 3, maximum), 3, brackets, seed=4))


def play(rule, curves, order, events):
    """Feed best-so-far losses of trials in turn; each event is noted as (trial, resource, loss)."""
    epoch = [0] * len(curves)
    alive = list(range(len(curves)))
    decisions = []
    while alive:
        trial = order.choice(alive)
        epoch[trial] += 1
        loss = min(curves[trial][: epoch[trial]])
        decisions.append(rule.decide(trial, epoch[trial], loss))
        events.append((trial, epoch[trial], loss, epoch[trial] == 9))
        if epoch[trial] == 9:
            rule.complete(trial)
        if epoch[trial] == 9 or decisions[-1] is Decision.STOP:
            alive.remove(trial)
    return decisions


def rebuilt(rule, events):
    decisions = []
    for trial, resource, loss, complete in events:
        decisions.append(rule.decide(trial, resource, loss))
        if complete:
            rule.complete(trial)
    return decisions


@pytest.mark.parametrize("name", NAMES)
@given(curves=CURVES, order=st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_a_rule_rebuilt_from_its_events_is_the_one_that_was(name, curves, order):
    events = []
    rule = rule_of(name)
    decisions = play(rule, curves, order, events)
    again = rule_of(name)
    assert rebuilt(again, events) == decisions
    assert again.standings() == rule.standings()


@pytest.mark.parametrize("name", NAMES)
@given(curves=CURVES, order=st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_an_end_that_is_moved_leaves_the_rule_that_would_have_been(name, curves, order):
    events = []
    rule = rule_of(name)
    play(rule, curves, order, events)
    later = PRUNERS.get(name).rungs(1, 3, 30)
    moved, whole = rule.extended(later), rule_of(name, maximum=30)
    rebuilt(whole, events)
    assert moved.standings() == whole.standings()
    for trial in range(30):
        assert moved.rungs(trial) == whole.rungs(trial)
        assert moved.rungs(trial)[: len(rule.rungs(trial))] == rule.rungs(trial)
        for resource in (1, 3, 27):
            # 40 + trial: one that has not been seen, of whatever bracket
            said = moved.decide(40 + trial, resource, 0.7), whole.decide(40 + trial, resource, 0.7)
            assert said[0] is said[1]


@pytest.mark.parametrize("name", NAMES)
def test_equal_losses_stop_nobody(name):
    rule = rule_of(name)
    for trial in range(30):
        for resource in range(1, 10):
            assert rule.decide(trial, resource, 0.5) is Decision.CONTINUE
        rule.complete(trial)


@pytest.mark.parametrize("name", NAMES)
def test_only_what_stops_stops_and_then_a_bad_trial(name):
    rule = rule_of(name)
    for trial in range(30):
        for resource in range(1, 10):
            rule.decide(trial, resource, 0.5)
        rule.complete(trial)
    rungs = rule.rungs(99)
    said = [rule.decide(99, resource, 0.9) for resource in rungs]
    assert (Decision.STOP in said) is PRUNERS.get(name).stops
    assert bool(rungs) is PRUNERS.get(name).stops
    assert rule.behind(99)


@pytest.mark.parametrize("name", NAMES)
def test_a_trial_that_diverged_and_so_never_reports_again_changes_nothing_for_others(name):
    with_it, without = rule_of(name), rule_of(name)
    said = []
    for rule in (with_it, without):
        said.append([])
        for trial in range(40):
            if rule is with_it and trial == 7:
                continue  # it diverged at its first report: nothing is said to the rule
            said[-1] += [rule.decide(trial, 1, trial * 7 % 5)] if trial != 7 else []
    assert said[0] == said[1]


def test_every_pruner_of_the_study_file_is_there_and_the_other_way_round():
    assert set(NAMES) == set(get_args(Study.model_fields["pruner"].annotation))


@pytest.mark.parametrize("name", NAMES)
def test_shares_of_courses_are_one_together(name):
    pruner = PRUNERS.get(name)
    courses = pruner.courses(Terms(pruner.rungs(1, 3, 27), 3, brackets=3))
    assert sum(course.share for course in courses) == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["asha", "hyperband", "none"])
@pytest.mark.parametrize("brackets", [1, 2, 4, 9])
def test_trials_take_as_many_steps_as_is_estimated(name, brackets):
    pruner, seeds, count = PRUNERS.get(name), range(5), 400
    terms = [Terms(pruner.rungs(1, 3, 27), 3, brackets, seed) for seed in seeds]
    taken = mean(mean(steps_of(pruner.make(one), count, one.seed)) for one in terms)
    few, many = (steps_of_a_trial(27, pruner.courses(terms[0]), lax) for lax in (1.0, LAX))
    assert few <= taken <= (few + many) / 2


def steps_of(rule, count, seed):
    """What trials take of 27 steps, one after the other, with losses that never change."""
    draw = Random(seed)
    for trial in range(count):
        loss, step = draw.random(), 0
        while step < 27:
            step += 1
            if step < 27 and rule.decide(trial, step, loss) is Decision.STOP:
                break
        else:
            rule.complete(trial)
        yield step
