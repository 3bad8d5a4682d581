"""When a search is given up."""

from dataclasses import replace

from fesearch.record import Fault, TrialResult, TrialState
from fesearch.search.hopeless import MOST_FAILURES, MOST_FAULTS, Failures

FAILED = TrialResult(
    0, "toy", {}, 1, TrialState.FAIL, fault=Fault.MACHINE, reason="MemoryError: no message"
)
DIVERGED = replace(FAILED, fault=Fault.DIVERGED, reason="diverged: MAE is nan after 2 epochs")
DONE = replace(FAILED, state=TrialState.COMPLETE, fault=None, reason="", value=0.1)


def verdict(*results: TrialResult) -> str:
    failures = Failures()
    for result in results:
        failures.ended(result)
    return failures.verdict


def test_ten_faults_of_the_machine_are_enough() -> None:
    other = replace(FAILED, reason="ValueError: no such kernel")
    assert verdict(*[FAILED] * (MOST_FAULTS - 1)) == ""
    assert verdict(*[FAILED] * 7, *[other] * 3) == (
        "the first 10 trials all failed: MemoryError: no message (7); "
        "ValueError: no such kernel (3)"
    )


def test_thirty_failures_of_any_kind_are_enough_and_fewer_are_not() -> None:
    later = replace(DIVERGED, reason="diverged: MAE is nan after 5 epochs")
    failed = [FAILED, DIVERGED, *[later] * (MOST_FAILURES - 2)]
    assert verdict(*failed[:-1]) == ""
    assert verdict(*failed) == (
        "the first 30 trials all failed: diverged: MAE is nan after 2 epochs (29); "
        "MemoryError: no message (1)"
    )


def test_one_usable_trial_is_reason_enough_to_go_on() -> None:
    assert verdict(DONE, *[FAILED] * 50) == ""
    assert verdict(*[FAILED] * 5, replace(DONE, state=TrialState.PRUNED), *[FAILED] * 50) == ""


def test_a_usable_trial_of_an_earlier_run_counts() -> None:
    failures = Failures()
    failures.hope()
    for _ in range(MOST_FAILURES):
        failures.ended(FAILED)
    assert failures.verdict == ""
