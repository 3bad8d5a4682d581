"""Studies and trials as the tests of the store write them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from fesearch.record import Report, ResultKey, TrialResult, TrialSpec, TrialState
from fesearch.store.results import Store
from fesearch.store.types import Division, Lease, StudyRow

KEY = ResultKey("data1", "energy", "mae", "split1")

CONFIG = {"depth": 17, "rate": 0.1 + 0.2, "norm": None, "skip": True, "name": "η"}


def create(store: Store, name: str = "first", key: ResultKey = KEY, **changes: Any) -> StudyRow:
    values: dict[str, Any] = {
        "seed": 7,
        "key": key,
        "unit": "eV/atom",
        "direction": "minimize",
        "division": Division(key.data, key.split, "random:seed=0", 81, 9, 10),
        "features": "digest",
        "versions": {"torch": "2.13.0"},
    }
    definition = changes.pop("definition", {"study": {"families": ["irnet"]}})
    return store.create_study(name, definition, **{**values, **changes})


def spec(number: int = 0, **changes: Any) -> TrialSpec:
    return replace(TrialSpec(number, "irnet", CONFIG, 2**32 - 1, (1, 2, 3)), **changes)


def said(resource: int, best: float | None = 0.5, raw: float = 0.5) -> Report:
    return Report(0, resource, raw, best, resource if best else None, 1.5 * resource, 1000)


def ended(
    number: int = 0,
    state: TrialState = TrialState.COMPLETE,
    value: float | None = 0.5,
    **changes: Any,
) -> TrialResult:
    result = TrialResult(
        number, "irnet", CONFIG, 2**32 - 1, state, value, 3, 2, "epochs", 4.5, 1000
    )
    return replace(result, **changes)


def add(store: Store, study: StudyRow, *values: float | None, state: str = "COMPLETE") -> None:
    """Trials that ended with the values, numbered on from those there are."""
    with driving(store, study) as lease:
        for number, value in enumerate(values, start=len(store.trials(study))):
            store.begin_trial(lease, spec(number), "epochs")
            store.finish_trial(lease, ended(number, TrialState(state), value))


@contextmanager
def driving(store: Store, study: StudyRow) -> Iterator[Lease]:
    """The lease of a study, released at the end."""
    lease = store.acquire(study)
    yield lease
    store.release(lease)


def still_running(store: Store, study: StudyRow) -> list[TrialResult]:
    return [trial for trial in store.trials(study) if not trial.state.finished]
