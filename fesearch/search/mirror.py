"""Our trials in an Optuna storage: in memory for its samplers, in the database for people.

Optuna's tables are a projection of ours. Writing them again does no harm, and ``reconcile`` makes
them agree after a crash. A config that diverged is FAIL in our store and PRUNED with a NaN here,
since Optuna's TPE ignores FAIL and would propose the like of it again.
"""

import contextlib
import json
import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._rdb.models import (
    TrialIntermediateValueModel,
    TrialParamModel,
    TrialUserAttributeModel,
)
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState

from fesearch.errors import InputError
from fesearch.metrics import Direction
from fesearch.record import Fault, TrialResult, TrialState
from fesearch.space import Config, Domain, Float, Int, Space
from fesearch.store.engine import (
    WAIT_SECONDS,
    has_table,
    parse,
    server_options,
    sqlite_file,
    synchronous,
)
from fesearch.store.studies import insert_missing

NUMBER = "fesearch_trial"
PARENT = "fesearch_parent"
MARK = "fesearch_study"
"""User attributes of ours there: the number of each trial, that of the trial it goes on from, and
which study it is a projection of.

The mark of a study is its name, a hyphen and what tells it from others of that name, deleted since.
"""
METRIC_NAMES = "study:metric_names"
"""Optuna's own, that ``Study.set_metric_names`` sets, which warns that it may change."""
Begun = tuple[int, str, Config, int | None]
"""A trial that has begun: number, family, config, and the number of the one it goes on from."""
_DIRECTIONS = {"minimize": StudyDirection.MINIMIZE, "maximize": StudyDirection.MAXIMIZE}


class Mirror:
    """The trials of one study in one Optuna storage, keyed by our trial numbers.

    Args:
        storage: in memory, or over the database the store is in.
        name: of the study, there and here.
        direction: of the values.
        space: that configs come from; it gives the distributions.
        mark: of the study; see ``MARK``. What stands there of a deleted study is removed.
        objective: what the values are, with their unit, for optuna-dashboard's axes.

    Raises:
        InputError: somebody else has an Optuna study of that name there.
    """

    def __init__(
        self,
        storage: BaseStorage,
        name: str,
        direction: Direction,
        space: Space,
        mark: str,
        objective: str | None = None,
    ) -> None:
        self.storage = storage
        _make_way(storage, name, mark)
        self.study = optuna.create_study(
            storage=storage,
            study_name=name,
            load_if_exists=True,
            direction=_DIRECTIONS[direction],
            sampler=optuna.samplers.RandomSampler(),
            pruner=optuna.pruners.NopPruner(),
        )
        self._study_id = self.study._study_id
        self.study.set_user_attr(MARK, mark)
        if objective is not None:
            storage.set_study_system_attr(self._study_id, METRIC_NAMES, [objective])
        self._space = space
        self._ids: dict[int, int] = {
            trial.user_attrs[NUMBER]: trial._trial_id
            for trial in self.study.get_trials(deepcopy=False)
            if NUMBER in trial.user_attrs
        }

    def begin(self, number: int, family: str, config: Config, parent: int | None = None) -> None:
        """A trial is running; see ``begins``."""
        self.begins([(number, family, config, parent)])

    def begins(self, trials: Iterable[Begun]) -> None:
        """Trials are running; those that are known already are left as they are."""
        new = {trial[0]: self._running(*trial) for trial in trials if trial[0] not in self._ids}
        if isinstance(self.storage, RDBStorage):
            ids = {number: self.storage.create_new_trial(self._study_id) for number in new}
            _describe(self.storage, {ids[number]: trial for number, trial in new.items()})
        else:
            ids = {
                number: self.storage.create_new_trial(self._study_id, template_trial=trial)
                for number, trial in new.items()
            }
        self._ids.update(ids)

    def _running(self, number: int, family: str, config: Config, parent: int | None) -> FrozenTrial:
        going_on = {} if parent is None else {PARENT: parent}
        return create_trial(
            state=OptunaState.RUNNING,
            params=dict(config),
            distributions=distributions(self._space, config),
            user_attrs={NUMBER: number, "family": family, **going_on},
        )

    def adopt(self, number: int, family: str, optuna_id: int) -> None:
        """A trial that an Optuna sampler asked for becomes ours."""
        self.storage.set_trial_user_attr(optuna_id, NUMBER, number)
        self.storage.set_trial_user_attr(optuna_id, "family", family)
        self._ids[number] = optuna_id

    def reject(self, optuna_id: int) -> None:
        """A trial that an Optuna sampler asked for is none of ours: it repels nothing."""
        self.storage.set_trial_state_values(optuna_id, state=OptunaState.FAIL)

    def report(self, number: int, resource: int, best: float | None) -> None:
        """The best value so far at a resource; None, where there is none or it diverged, is NaN."""
        self.reports([(number, resource, best)])

    def reports(self, reports: Iterable[tuple[int, int, float | None]]) -> None:
        """Several at once, (number, resource, best) each; in a database, in one statement."""
        values = [
            (self._ids[number], resource, math.nan if best is None else best)
            for number, resource, best in reports
        ]
        if isinstance(self.storage, RDBStorage):
            _insert_values(self.storage, values)
        else:
            for value in values:
                self.storage.set_trial_intermediate_value(*value)

    def finish(self, result: TrialResult) -> None:
        """A trial has ended; one that ended before is left as it is, since Optuna's are final."""
        with contextlib.suppress(UpdateFinishedTrialError):
            self._finish(self._ids[result.number], result)

    def _finish(self, optuna_id: int, result: TrialResult) -> None:
        if result.reason:
            self.storage.set_trial_user_attr(optuna_id, "reason", result.reason)
        self.storage.set_trial_user_attr(optuna_id, "fesearch_state", result.state.value)
        state, values = OptunaState[result.state.value], None
        if result.state is not TrialState.FAIL and result.value is not None:
            values = [result.value]
        if result.fault is Fault.DIVERGED:
            state = OptunaState.PRUNED
        self.storage.set_trial_state_values(optuna_id, state=state, values=values)

    def reconcile(
        self,
        results: Iterable[TrialResult],
        curves: Mapping[int, Iterable[tuple[int, float | None]]],
    ) -> None:
        """Make the storage agree with our store: add what is missing, end what has ended.

        Args:
            results: every trial of the study, in order of number.
            curves: trial number -> (resource, best so far or None) of its reports.
        """
        finished = {
            trial._trial_id
            for trial in self.study.get_trials(deepcopy=False)
            if trial.state.is_finished()
        }
        rest = [one for one in results if self._ids.get(one.number) not in finished]
        self.begins((one.number, one.family, one.config, one.parent) for one in rest)
        self.reports(
            (result.number, resource, best)
            for result in rest
            for resource, best in curves.get(result.number, ())
        )
        for result in rest:
            if result.state.finished:
                self.finish(result)
            else:
                self._set([result.number], OptunaState.RUNNING)
        self._end_strays(set(self._ids.values()) | finished)

    def halt(self, numbers: Iterable[int]) -> None:
        """These trials are in training no more and wait to go on."""
        self._set(numbers, OptunaState.WAITING)

    def _set(self, numbers: Iterable[int], state: OptunaState) -> None:
        for number in numbers:
            self.storage.set_trial_state_values(self._ids[number], state=state)

    def close(self) -> None:
        """Let go of the database the storage is in, if it is in one."""
        if isinstance(self.storage, RDBStorage):
            self.storage.remove_session()
            self.storage.engine.dispose()

    @staticmethod
    def forget(storage: BaseStorage, name: str) -> None:
        """Remove a study of ours from the storage, if it is there."""
        with contextlib.suppress(InputError):
            _make_way(storage, name, None)

    def _end_strays(self, known: set[int]) -> None:
        """End what runs there without a trial of ours, so that it does not repel the sampler."""
        for trial in self.study.get_trials(deepcopy=False):
            if trial._trial_id not in known:
                self.storage.set_trial_state_values(trial._trial_id, state=OptunaState.FAIL)


def _describe(storage: RDBStorage, trials: Mapping[int, FrozenTrial]) -> None:
    """Write parameters and user attributes of trials, each by its id there, all at once.

    Optuna has two statements for each of them: 40 ms for a trial of a dozen parameters.
    """
    parameters = [
        {
            "trial_id": trial_id,
            "param_name": name,
            "param_value": distribution.to_internal_repr(trial.params[name]),
            "distribution_json": distribution_to_json(distribution),
        }
        for trial_id, trial in trials.items()
        for name, distribution in trial.distributions.items()
    ]
    attributes = [
        {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}
        for trial_id, trial in trials.items()
        for key, value in trial.user_attrs.items()
    ]
    _insert(storage, {TrialParamModel: parameters, TrialUserAttributeModel: attributes})


def _insert_values(storage: RDBStorage, values: Iterable[tuple[int, int, float]]) -> None:
    """Write intermediate values; those that are there stay, since a report never changes.

    Optuna has a transaction for each, of four statements.
    """
    rows = []
    for trial_id, step, value in values:
        stored, kind = TrialIntermediateValueModel.intermediate_value_to_stored_repr(value)
        row = {"trial_id": trial_id, "step": step, "intermediate_value": stored}
        rows.append({**row, "intermediate_value_type": kind})
    _insert(storage, {TrialIntermediateValueModel: rows})


def _insert(storage: RDBStorage, rows: Mapping[Any, Sequence[Mapping[str, Any]]]) -> None:
    """Rows of Optuna's models, all or none."""
    if any(rows.values()):
        with storage.engine.begin() as connection:
            for model, some in rows.items():
                if some:
                    insert_missing(connection, model.__table__, some)


def refuse_taken(url: str, name: str) -> None:
    """Go on only where no Optuna study of somebody else has the name of a new study of ours.

    Raises:
        InputError: one has; nothing was written.
    """
    if not has_table(url, "studies"):
        return
    storage = in_database(url)
    found = _found(storage, name)
    if found is not None and not _is_ours(_mark(storage, found), name):
        raise _taken(name)
    storage.engine.dispose()


def _make_way(storage: BaseStorage, name: str, mark: str | None) -> None:
    """Remove the Optuna study of that name, unless it has this mark.

    One without a mark is ours if all its trials are: it is of an older fesearch, or of a driver
    that was killed before it set the mark.

    Raises:
        InputError: it is somebody else's.
    """
    found = _found(storage, name)
    there = None if found is None else _mark(storage, found)
    if found is None or (there is not None and there == mark):
        return
    if there is None:
        trials = storage.get_all_trials(found, deepcopy=False)
        ours = all(NUMBER in trial.user_attrs for trial in trials)
    else:
        ours = _is_ours(there, name)
    if not ours:
        raise _taken(name)
    storage.delete_study(found)


def _found(storage: BaseStorage, name: str) -> int | None:
    """The id of the Optuna study of that name, None where there is none."""
    try:
        return storage.get_study_id_from_name(name)
    except KeyError:
        return None


def _mark(storage: BaseStorage, study_id: int) -> str | None:
    mark = storage.get_study_user_attrs(study_id).get(MARK)
    return None if mark is None else str(mark)


def _is_ours(mark: str | None, name: str) -> bool:
    """Whether the mark is of a study of that name; a copy that people make has another name."""
    return mark is not None and mark.rpartition("-")[0] == name


def _taken(name: str) -> InputError:
    return InputError(
        f"The database has an Optuna study '{name}' that is not of fesearch.",
        "Give another --name, or another --storage.",
    )


def distributions(space: Space, config: Config) -> dict[str, BaseDistribution]:
    """Optuna's distributions of the parameters a config has."""
    found = {}
    for name in config:
        domain = space.active(name, config)
        assert domain is not None, f"the config has '{name}', which its space does not"
        found[name] = distribution(domain)
    return found


def distribution(domain: Domain) -> BaseDistribution:
    """Optuna's distribution of a domain."""
    if isinstance(domain, Float):
        return FloatDistribution(domain.low, domain.high, log=domain.log)
    if isinstance(domain, Int):
        # Optuna wants the upper end on a step.
        high = domain.low + (domain.high - domain.low) // domain.step * domain.step
        return IntDistribution(domain.low, high, log=domain.log, step=domain.step)
    return CategoricalDistribution(domain.options)


def in_database(url: str) -> RDBStorage:
    """Optuna's tables in the database of the store, created if they are missing."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    parsed = parse(url)
    file = sqlite_file(parsed)
    options = server_options(parsed) if file is None else {"creator": lambda: _connect(file)}
    full = parsed.render_as_string(hide_password=False)
    return RDBStorage(full, engine_kwargs=options)


def _connect(file: Path) -> sqlite3.Connection:
    """As the store connects: what a power cut may lose here, ``reconcile`` writes again."""
    connection = sqlite3.connect(file, timeout=WAIT_SECONDS, check_same_thread=False)
    connection.execute(f"PRAGMA synchronous = {synchronous(file)}")
    return connection
