"""Our trials as Optuna's: what each becomes there, and tables that a crash left behind."""

import math
from collections.abc import Iterator
from dataclasses import replace

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from fesearch.errors import InputError
from fesearch.record import Fault, TrialResult, TrialState
from fesearch.search import mirror as mirror_module
from fesearch.search.mirror import MARK, NUMBER, PARENT, Mirror, distribution, in_database
from fesearch.space import Choice, Float, Int, Space, When

SPACE = Space(
    {
        "optimizer": Choice(("sgd", "momentum")),
        "momentum": When("optimizer", ("momentum",), Float(0.5, 0.99)),
        "depth": Int(3, 48),
    }
)
CONFIG = {"optimizer": "momentum", "momentum": 0.9, "depth": 17}
DONE = TrialResult(0, "irnet", CONFIG, 1, TrialState.COMPLETE, 0.3, resource=2, best_resource=1)
DIVERGED = replace(
    DONE, state=TrialState.FAIL, fault=Fault.DIVERGED, reason="diverged: MAE is nan after 2 epochs"
)
FAULTY = replace(DONE, state=TrialState.FAIL, fault=Fault.MACHINE, reason="MemoryError: no message")
PRUNED = replace(DONE, state=TrialState.PRUNED, reason="behind")
RUNNING = replace(DONE, state=TrialState.RUNNING)
NOTHING = replace(DONE, state=TrialState.RUNNING, value=None, resource=0, best_resource=None)


@pytest.fixture(params=["memory", "database"])
def storage(request: pytest.FixtureRequest) -> Iterator[BaseStorage]:
    if request.param == "memory":
        yield InMemoryStorage()
        return
    database = in_database(request.getfixturevalue("sqlite_url"))
    yield database
    database.engine.dispose()


@pytest.fixture
def mirror(storage: BaseStorage) -> Mirror:
    return Mirror(storage, "deep", "minimize", SPACE, "deep-1")


def only(mirror: Mirror) -> FrozenTrial:
    """The one trial of a study."""
    (trial,) = mirror.study.get_trials()
    return trial


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        (Float(0.1, 0.9), FloatDistribution(0.1, 0.9)),
        (Float(1e-4, 0.1, log=True), FloatDistribution(1e-4, 0.1, log=True)),
        (Int(3, 48), IntDistribution(3, 48)),
        (Int(10, 55, 10), IntDistribution(10, 50, step=10)),
        (Int(8, 1024, log=True), IntDistribution(8, 1024, log=True)),
        (Choice((None, "relu")), CategoricalDistribution((None, "relu"))),
    ],
)
def test_domains(domain: Float | Int | Choice, expected: object) -> None:
    assert distribution(domain) == expected


def test_a_running_trial_has_its_config_and_our_number(mirror: Mirror) -> None:
    mirror.begin(4, "irnet", CONFIG)
    mirror.begin(4, "irnet", CONFIG)
    trial = only(mirror)
    assert trial.state is OptunaState.RUNNING
    assert trial.params == CONFIG
    assert trial.user_attrs == {"fesearch_trial": 4, "family": "irnet"}


def test_a_parameter_that_does_not_exist_is_left_out(mirror: Mirror) -> None:
    mirror.begin(0, "irnet", {"optimizer": "sgd", "depth": 17})
    assert set(only(mirror).distributions) == {"optimizer", "depth"}


@pytest.mark.parametrize(
    ("result", "state", "value"),
    [
        (DONE, OptunaState.COMPLETE, 0.3),
        (PRUNED, OptunaState.PRUNED, 0.3),
        (FAULTY, OptunaState.FAIL, None),
        (DIVERGED, OptunaState.PRUNED, None),
    ],
    ids=["complete", "pruned", "fault", "diverged"],
)
def test_ends(mirror: Mirror, result: TrialResult, state: OptunaState, value: float | None) -> None:
    mirror.begin(0, "irnet", CONFIG)
    mirror.report(0, 1, 0.3)
    mirror.report(0, 2, None if result is DIVERGED else 0.3)
    mirror.finish(result)
    mirror.finish(result)
    trial = only(mirror)
    assert trial.state is state
    assert trial.user_attrs.get("reason", "") == result.reason
    assert trial.user_attrs["fesearch_state"] == result.state
    assert trial.intermediate_values[1] == 0.3
    last = trial.intermediate_values[2]
    if result is DIVERGED:
        assert math.isnan(last)
    else:
        assert (trial.value, last) == (value, 0.3)


def curve(result: TrialResult) -> dict[int, list[tuple[int, float | None]]]:
    last = None if result.fault is Fault.DIVERGED else 0.3
    return {0: [(1, 0.3), (2, last)][: result.resource]}


def described(trial: FrozenTrial) -> dict[str, object]:
    """All that a trial says, NaN as text so that it equals itself."""
    curve = {step: str(value) for step, value in sorted(trial.intermediate_values.items())}
    attributes = dict(sorted(trial.user_attrs.items()))
    return {"state": trial.state, "config": trial.params, "says": attributes, "curve": curve}


@pytest.mark.parametrize(
    "result",
    [DONE, PRUNED, FAULTY, DIVERGED, RUNNING, NOTHING],
    ids=["complete", "pruned", "fault", "diverged", "running", "begun"],
)
def test_whatever_a_crash_left_out_is_added(storage: BaseStorage, result: TrialResult) -> None:
    reports = curve(result)[0]
    steps = [lambda mirror: mirror.begin(0, "irnet", CONFIG)]
    steps += [lambda mirror, report=report: mirror.report(0, *report) for report in reports]
    if result.state.finished:
        steps.append(lambda mirror: mirror.finish(result))
    whole = Mirror(storage, "whole", "minimize", SPACE, "whole-1")
    for step in steps:
        step(whole)
    for written in range(len(steps) + 1):
        name = f"crash after {written}"
        for step in steps[:written]:
            step(Mirror(storage, name, "minimize", SPACE, f"{name}-1"))
        for _ in range(2):
            mirror = Mirror(storage, name, "minimize", SPACE, f"{name}-1")
            mirror.reconcile([result], curve(result))
            assert described(only(mirror)) == described(only(whole))


def test_what_runs_there_without_a_trial_of_ours_is_ended(mirror: Mirror) -> None:
    mirror.study.ask()
    mirror.begin(0, "irnet", CONFIG)
    mirror.reconcile([RUNNING], curve(RUNNING))
    states = [trial.state for trial in mirror.study.get_trials()]
    assert states == [OptunaState.FAIL, OptunaState.RUNNING]


def test_several_trials_begin_at_once(mirror: Mirror) -> None:
    other = {"optimizer": "sgd", "depth": 3}
    mirror.begins([(7, "irnet", CONFIG, None), (8, "irnet", other, 7)])
    mirror.begins([(8, "irnet", other, 7)])
    first, second = mirror.study.get_trials()
    assert (first.params, second.params) == (CONFIG, other)
    assert second.user_attrs == {NUMBER: 8, "family": "irnet", PARENT: 7}


def test_a_trial_cut_off_before_its_config_was_written_is_there_once(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(*_: object) -> None:
        raise OSError("disk I/O error")

    storage = in_database(sqlite_url)
    begun = Mirror(storage, "deep", "minimize", SPACE, "deep-1")
    with monkeypatch.context() as patch:
        patch.setattr(mirror_module, "insert_missing", cut_off)
        with pytest.raises(OSError, match="disk"):
            begun.begin(0, "irnet", CONFIG)
    again = Mirror(storage, "deep", "minimize", SPACE, "deep-1")
    again.reconcile([RUNNING], curve(RUNNING))
    stray, whole = again.study.get_trials()
    assert (stray.state, stray.params) == (OptunaState.FAIL, {})
    assert (whole.state, whole.params, whole.user_attrs[NUMBER]) == (OptunaState.RUNNING, CONFIG, 0)
    storage.engine.dispose()


def test_studies_are_apart_and_one_is_forgotten(storage: BaseStorage) -> None:
    first, second = (
        Mirror(storage, name, "minimize", SPACE, f"{name}-1") for name in ("one", "two")
    )
    first.begin(0, "irnet", CONFIG)
    second.begin(0, "irnet", CONFIG)
    Mirror.forget(storage, "one")
    Mirror.forget(storage, "one")
    assert [study.study_name for study in storage.get_all_studies()] == ["two"]
    assert only(second).params == CONFIG


def test_what_is_left_of_a_deleted_study_of_the_name_is_removed(
    storage: BaseStorage, mirror: Mirror
) -> None:
    mirror.begin(0, "irnet", CONFIG)
    mirror.finish(DONE)
    new = Mirror(storage, "deep", "maximize", SPACE, "deep-2")
    assert new.study.direction is optuna.study.StudyDirection.MAXIMIZE
    new.reconcile([RUNNING], curve(RUNNING))
    assert only(new).state is OptunaState.RUNNING
    assert only(Mirror(storage, "deep", "maximize", SPACE, "deep-2")).params == CONFIG


@pytest.mark.parametrize("begun", [False, True])
def test_one_of_ours_without_a_mark_is_made_anew(
    storage: BaseStorage, mirror: Mirror, begun: bool
) -> None:
    """As a driver leaves it that was killed just before it set the mark, or one without marks."""
    old = optuna.create_study(storage=storage, study_name="old")
    if begun:
        old.add_trial(optuna.create_trial(value=0.3, user_attrs={NUMBER: 0}))
    made = Mirror(storage, "old", "minimize", SPACE, "old-1")
    assert made.study.user_attrs == {MARK: "old-1"}
    assert made.study.get_trials() == []


def test_what_is_of_somebody_else_is_refused_and_not_forgotten(
    storage: BaseStorage, mirror: Mirror
) -> None:
    theirs = optuna.create_study(storage=storage, study_name="theirs")
    theirs.tell(theirs.ask(), 0.5)
    mirror.begin(0, "irnet", CONFIG)
    mirror.finish(DONE)
    optuna.copy_study(
        from_study_name="deep", from_storage=storage, to_storage=storage, to_study_name="copy"
    )
    for name in ("theirs", "copy"):
        with pytest.raises(InputError) as caught:
            Mirror(storage, name, "minimize", SPACE, f"{name}-1")
        assert caught.value.message == (
            f"The database has an Optuna study '{name}' that is not of fesearch."
        )
        assert caught.value.hint == "Give another --name, or another --storage."
        Mirror.forget(storage, name)
    found = {
        one.study_name: len(storage.get_all_trials(one._study_id))
        for one in storage.get_all_studies()
    }
    assert found == {"deep": 1, "theirs": 1, "copy": 1}


def test_a_maximised_study_is_one_there(storage: BaseStorage) -> None:
    study = Mirror(storage, "deep", "maximize", SPACE, "deep-1").study
    assert study.direction is optuna.study.StudyDirection.MAXIMIZE


def test_its_values_have_a_name_there(storage: BaseStorage) -> None:
    words = "validation MAE (eV/atom)"
    study = Mirror(storage, "deep", "minimize", SPACE, "deep-1", objective=words).study
    assert study.metric_names == [words]


def test_in_postgresql_too(postgresql_url: str) -> None:
    storage = in_database(postgresql_url)
    mirror = Mirror(storage, "deep", "minimize", SPACE, "deep-1")
    mirror.begin(0, "irnet", CONFIG)
    mirror.report(0, 1, None)
    mirror.finish(replace(DIVERGED, resource=1))
    assert math.isnan(only(mirror).intermediate_values[1])
    storage.engine.dispose()
