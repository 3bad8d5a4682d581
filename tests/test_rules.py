"""Hyperband's brackets and proportions, the median rule beside Optuna's, terms by the budget."""

from collections import Counter

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fesearch.record import Decision
from fesearch.search.halving import Halving, reductions
from fesearch.search.pruners.hyperband import Hyperband, shares
from fesearch.search.pruners.median import FEWEST, Median
from fesearch.search.settle import settled
from fesearch.study import Study


def test_brackets_have_the_shares_of_the_paper():
    # Li et al., JMLR 18, 185 (2018), Table 1: R = 81, η = 3 begins 81, 34, 15, 8 and 5 configs.
    assert shares(5, 3) == (81, 34, 15, 8, 5)


def test_the_bracket_of_a_trial_follows_from_seed_and_number_in_the_papers_proportions():
    rule, again, other = (Hyperband((1, 3, 9, 27, 81), 3, 5, seed) for seed in (1, 1, 2))
    drawn = [rule.bracket(number) for number in range(14_300)]
    assert [again.bracket(number) for number in range(100)] == drawn[:100]
    assert [other.bracket(number) for number in range(100)] != drawn[:100]
    counts = Counter(drawn)
    for bracket, share in enumerate((81, 34, 15, 8, 5)):
        assert counts[bracket] == pytest.approx(share * 100, rel=0.15)


def test_each_bracket_is_an_asha_of_its_own_that_begins_a_rung_later():
    rule = Hyperband((1, 3, 9), 3, 3, seed=0)
    alone = {bracket: Halving((1, 3, 9)[bracket:], 3) for bracket in range(3)}
    stops = Counter()
    for trial in range(60):
        bracket = rule.bracket(trial)
        assert rule.rungs(trial) == (1, 3, 9)[bracket:]
        for resource in (1, 3, 9):
            loss = (trial * 7 % 11) / resource
            said = rule.decide(trial, resource, loss)
            assert said is alone[bracket].decide(trial, resource, loss)
            stops[bracket, resource] += said is Decision.STOP
    assert stops[0, 1] > 3
    assert stops[1, 1] == stops[2, 1] == stops[2, 3] == 0
    assert {one.bracket for one in rule.standings()} == {0, 1, 2}


@given(
    curves=st.lists(st.lists(st.floats(0.0, 1.0), min_size=6, max_size=6), min_size=8, max_size=12)
)
@settings(max_examples=30, deadline=None)
def test_the_median_rule_decides_as_optunas_does(curves):
    study = optuna.create_study(pruner=optuna.pruners.MedianPruner(n_startup_trials=FEWEST))
    rule = Median(range(1, 7))
    for number, curve in enumerate(curves):
        trial = study.ask()
        for resource in range(1, 7):
            loss = min(curve[:resource])
            trial.report(loss, resource)
            ours = rule.decide(number, resource, loss)
            assert (ours is Decision.STOP) is bool(trial.should_prune())
            if ours is Decision.STOP:
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            rule.complete(number)
            study.tell(trial, min(curve))


@pytest.mark.parametrize(
    ("factor", "trials", "expected"), [(3, 1, 1), (3, 9, 2), (3, 26, 2), (3, 27, 3), (4, 999, 3)]
)
def test_a_budget_is_reduced_as_long_as_a_trial_is_left(factor, trials, expected):
    assert reductions(factor, trials) == expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"trials": 100}, {"grace": 3, "reduction_factor": 3, "brackets": None}),
        ({"trials": 10}, {"grace": 11, "reduction_factor": 3, "brackets": None}),
        ({"trials": 256}, {"grace": 1, "reduction_factor": 4, "brackets": None}),
        ({"grace": 5}, {"grace": 5, "reduction_factor": 3, "brackets": None}),
        ({"pruner": "hyperband"}, {"grace": 3, "reduction_factor": 3, "brackets": 4}),
        (
            {"pruner": "hyperband", "brackets": 2},
            {"grace": 3, "reduction_factor": 3, "brackets": 2},
        ),
        (
            {"pruner": "median", "trials": 5},
            {"grace": 3, "reduction_factor": None, "brackets": None},
        ),
        ({"pruner": "none"}, {"grace": None, "reduction_factor": None, "brackets": None}),
    ],
)
def test_what_a_study_leaves_open_follows_from_its_budget(keys, expected):
    study = Study(name="s", family="irnet", max_epochs=100, **keys)
    found = settled(study)
    assert {key: getattr(found.study, key) for key in expected} == expected
    left = {key for key, value in expected.items() if value is not None and key not in keys}
    assert left <= found.asked.keys()
    assert set(found.asked.values()) <= {None}
