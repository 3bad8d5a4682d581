"""How much a simulation takes: hundreds of searches a minute, and any number of workers."""

import time

import pytest

from fesearch.search.curves import read
from fesearch.simulation import Limits, Policy, compare

SEARCHES = 10
SECONDS = 3.0
"""Of a processor for so many searches: two hundred a minute."""


@pytest.mark.parametrize("pruner", ["none", "asha"])
def test_hundreds_of_searches_take_a_minute(pruner: str) -> None:
    curves = read()[0]
    every = [Policy("random", pruner)]
    compare(curves, every, seeds=1)  # what is imported and made once
    began = time.process_time()
    compare(curves, every, seeds=SEARCHES)
    assert time.process_time() - began < SECONDS


def test_ten_thousand_workers_train_side_by_side() -> None:
    curves = read()[0]
    policy = Policy("random", "asha", workers=10_000)
    [outcome] = compare(curves, [policy], seeds=1, limits=Limits(10_000)).outcomes
    [course] = outcome.courses
    assert course.trials == 10_000
    longest = max(len(one.values) * one.seconds for one in curves.curves)
    assert course.end == pytest.approx(longest)
