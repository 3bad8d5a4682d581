"""The core's records in the database: our tables first, Optuna's after them."""

import math
from collections.abc import Iterator
from dataclasses import replace

import optuna
import pytest
from optuna.trial import TrialState as OptunaState

from fesearch.record import (
    Decision,
    Fault,
    Report,
    ResultKey,
    TrialResult,
    TrialSpec,
    TrialState,
)
from fesearch.search.ledger import StoreLedger, reconcile, recorded
from fesearch.search.mirror import Mirror
from fesearch.search.roles import Recorded
from fesearch.space import Choice, Space
from fesearch.store.results import Store
from fesearch.store.types import Division, StudyRow

SPACE = Space({"depth": Choice((3, 5))})
SPEC = TrialSpec(0, "irnet", {"depth": 3}, 7, (1, 2))
FIRST = Report(0, 1, 0.5, 0.5, 1, 0.1, 9)
BAD = Report(0, 2, math.nan, 0.5, 1, 0.2, 9, diverged="MAE is nan after 2 epochs", last=True)
STANDING = TrialResult(
    0,
    "irnet",
    SPEC.config,
    SPEC.seed,
    TrialState.RUNNING,
    0.5,
    resource=1,
    best_resource=1,
    unit="epochs",
    seconds=0.1,
    parameters=9,
)
DIVERGED = replace(
    STANDING,
    state=TrialState.FAIL,
    fault=Fault.DIVERGED,
    reason="diverged: MAE is nan after 2 epochs",
    resource=2,
    seconds=0.2,
)


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    with Store.open(sqlite_url) as opened:
        yield opened


@pytest.fixture
def row(store: Store) -> StudyRow:
    return store.create_study(
        "deep",
        {},
        seed=1,
        key=ResultKey("data", "e", "mae", "split"),
        unit="eV/atom",
        direction="minimize",
        division=Division("data", "split", "random", 8, 1, 1),
        features="magpie",
        versions={},
    )


@pytest.fixture
def mirror() -> Mirror:
    return Mirror(optuna.storages.InMemoryStorage(), "deep", "minimize", SPACE, "deep-1")


def test_a_trial_from_begin_to_end_is_in_both(store: Store, row: StudyRow, mirror: Mirror) -> None:
    ledger = StoreLedger(store, store.acquire(row), mirror, "epochs")
    ledger.begin(SPEC, None)
    ledger.report(0, FIRST, Decision.CONTINUE, STANDING)
    assert store.trials(row) == [STANDING]
    ledger.report(0, BAD, Decision.CONTINUE, DIVERGED)
    assert store.trials(row) == [DIVERGED]
    assert recorded(store, row) == [Recorded(0, 1, 0.5), Recorded(0, 2, 0.5)]
    (there,) = mirror.study.get_trials()
    assert there.state is OptunaState.PRUNED
    assert there.intermediate_values[1] == 0.5
    assert math.isnan(there.intermediate_values[2])


def test_a_fault_of_the_machine_ends_both(store: Store, row: StudyRow, mirror: Mirror) -> None:
    ledger = StoreLedger(store, store.acquire(row), mirror, "epochs")
    ledger.begin(SPEC, None)
    faulty = replace(STANDING, state=TrialState.FAIL, fault=Fault.MACHINE, reason="MemoryError")
    ledger.finish(replace(faulty, value=None, resource=0, best_resource=None))
    assert store.trials(row)[0].reason == "MemoryError"
    (there,) = mirror.study.get_trials()
    assert there.state is OptunaState.FAIL


@pytest.mark.parametrize("method", ["begin", "report", "finish"])
def test_what_ours_refuses_never_reaches_the_projection(
    method: str, store: Store, row: StudyRow, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between the two leaves ours ahead, which ``reconcile`` can mend; not behind."""
    ledger = StoreLedger(store, store.acquire(row), mirror, "epochs")

    def crash(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    for name in ("begin_trial", "report", "finish_trial"):
        monkeypatch.setattr(store, name, crash)
    for name in ("begin", "report", "finish"):
        monkeypatch.setattr(mirror, name, lambda *_: pytest.fail("the projection was first"))
    arguments = {
        "begin": (SPEC, None),
        "report": (0, FIRST, Decision.CONTINUE, STANDING),
        "finish": (DIVERGED,),
    }
    with pytest.raises(KeyboardInterrupt):
        getattr(ledger, method)(*arguments[method])


@pytest.mark.parametrize("fault", Fault)
def test_only_the_report_that_diverged_is_nan_when_written_again(
    fault: Fault, mirror: Mirror
) -> None:
    ended = replace(DIVERGED, fault=fault)
    reconcile(mirror, [ended], [Recorded(0, 1, 0.5), Recorded(0, 2, 0.5)])
    (there,) = mirror.study.get_trials()
    assert there.intermediate_values[1] == 0.5
    assert math.isnan(there.intermediate_values[2]) == (fault is Fault.DIVERGED)
