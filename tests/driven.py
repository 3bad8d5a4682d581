"""What tests of searches look at: the story of a study, and whether Optuna's tables tell it too."""

import math
from dataclasses import replace
from typing import Any

from lab import Lab
from optuna.trial import TrialState as OptunaState

from fesearch.errors import FesearchError
from fesearch.record import Fault, TrialResult, TrialState
from fesearch.search.checkpoint import CHECKPOINT
from fesearch.search.folder import study_folder
from fesearch.search.mirror import NUMBER, in_database
from fesearch.store.results import Store
from fesearch.store.types import StudyRow, StudyState


def results(url: str, name: str) -> list[TrialResult]:
    """All trials of a study, without their times, which differ from run to run."""
    with Store.open(url, create=False) as store:
        return [replace(one, seconds=0.0, latency=None) for one in store.trials(store.study(name))]


def now(url: str, name: str) -> list[TrialResult]:
    """The same, none where it has not begun."""
    try:
        return results(url, name)
    except FesearchError:
        return []


def halfway(url: str, name: str) -> bool:
    """Whether a trial has ended and another one has reported."""
    found = now(url, name)
    running = any(one.resource and not one.state.finished for one in found)
    return running and any(one.state.finished for one in found)


def story(url: str, name: str) -> tuple[list[TrialResult], list[tuple[Any, ...]]]:
    """Trials and reports of a study in the order of decision, all that must not depend on luck."""
    with Store.open(url, create=False) as store:
        reports = store.reports(store.study(name))
    lines = [(r.number, r.resource, str(r.raw), r.best, r.decision) for r in reports]
    return results(url, name), lines


def study_row(url: str, name: str) -> StudyRow:
    """The study as it stands."""
    with Store.open(url, create=False) as store:
        return store.study(name)


def check_optuna_agrees(url: str, name: str) -> None:
    """Optuna's tables have each of our trials once, with our config, state, value and curve."""
    with Store.open(url, create=False) as store:
        row = store.study(name)
        ours, reports = store.trials(row), store.reports(row)
    storage = in_database(url)
    theirs = storage.get_all_trials(storage.get_study_id_from_name(name))
    storage.engine.dispose()
    by_number = {trial.user_attrs[NUMBER]: trial for trial in theirs}
    assert len(theirs) == len(by_number) == len(ours)
    for result in ours:
        trial = by_number[result.number]
        diverged = result.fault is Fault.DIVERGED
        state = OptunaState["PRUNED" if diverged else result.state.value]
        halted = not result.state.finished and row.state is not StudyState.RUNNING
        assert trial.state == (OptunaState.WAITING if halted else state)
        assert trial.params == dict(result.config)
        if result.state is TrialState.COMPLETE or result.state is TrialState.PRUNED:
            assert trial.value == result.value
        curve = {r.resource: r.best for r in reports if r.number == result.number}
        if diverged:
            assert math.isnan(trial.intermediate_values.pop(result.resource))
            del curve[result.resource]
        assert trial.intermediate_values == curve


def check_whole(lab: Lab, name: str, trials: int) -> None:
    """Every trial once and ended, Optuna of the same mind, and nothing left over."""
    found = results(lab.url, name)
    assert [result.number for result in found] == list(range(trials))
    assert all(result.state.finished for result in found)
    check_optuna_agrees(lab.url, name)
    folder = study_folder(study_row(lab.url, name))
    assert list(folder.rglob(f"*{CHECKPOINT}*")) == []
    assert not (folder / "ray").exists()
    assert {path.split("/")[0] for path in lab.files()} == {"datasets", "studies"}


def kept(row: Any, name: str) -> set[int]:
    """Numbers of the trials that have a file or folder of that name."""
    return {int(path.parent.name) for path in study_folder(row).glob(f"*/{name}")}


def reports_of_all(url: str) -> list[Any]:
    """Every report of the study ``deep``."""
    with Store.open(url) as store:
        return store.reports(store.study("deep"))
