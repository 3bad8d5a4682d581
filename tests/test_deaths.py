"""A config that takes down every process that trains it, and those it is no fault of."""

import own_files
import pytest
from driven import results
from lab import Lab, sets

from fesearch.record import Fault, TrialState
from fesearch.search.deaths import MOST, noted

CRASHING = """
import os
from dataclasses import replace
from fesearch.families.ridge import FAMILY as RIDGE

class Crashing:
    def __init__(self, learner):
        self.learner = learner

    def __getattr__(self, name):
        return getattr(self.learner, name)

    def advance(self):
        os._exit(139)

def build(config, data, **options):
    learner = RIDGE.build(config, data, **options)
    return Crashing(learner) if config == RIDGE.first(RIDGE.full) else learner

FAMILY = replace(RIDGE, name="crashing", build=build)
"""


def test_deaths_at_one_place_are_counted_and_those_further_on_anew() -> None:
    first, enough = noted("", "after 3 epochs")
    assert (first, enough) == ("its process died 1 time after 3 epochs", False)
    second, _ = noted(first, "after 3 epochs")
    assert second == "its process died 2 times after 3 epochs"
    assert noted(second, "after 4 epochs")[0] == "its process died 1 time after 4 epochs"
    assert noted("a lost worker (1 of 2): gone", "after 3 epochs") == (first, False)
    last, enough = noted(f"its process died {MOST - 1} times here", "here")
    assert (last, enough) == (f"its process died {MOST} times here", True)


@pytest.mark.slow
def test_a_config_that_crashes_every_process_fails_and_the_search_goes_on(lab: Lab) -> None:
    file = own_files.write(lab.folder, "crashing.py", CRASHING)
    words = [str(file), "--data", "alloys", "--preset", "full", "--trials", "3"]
    words += ["--name", "deep", "--or-resume", *sets("runner=inline")]
    for _ in range(MOST):
        lab.run("study", "start", *words, code=139)
        assert [one.state for one in results(lab.url, "deep")] == [TrialState.RUNNING]
    lab.run("study", "start", *words)
    failed, *others = results(lab.url, "deep")
    assert (failed.state, failed.fault) == (TrialState.FAIL, Fault.MACHINE)
    assert failed.reason == f"its process died {MOST} times after 0 fits (no checkpoint)"
    assert f"trial 0 FAIL after 0 fits, 0.0 s: {failed.reason}" in lab.err
    assert [one.state for one in others] == [TrialState.COMPLETE] * 2
