"""Trials of all studies side by side."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from fesearch.record import ResultKey, TrialState
from fesearch.store.database import Database
from fesearch.store.schema import DIVISIONS, KEYS, MEMBERS, STUDIES, TRIALS
from fesearch.store.studies import KEY_COLUMNS, key_of
from fesearch.store.types import Division, Effort, KeySummary, RankedTrial

_KEY = tuple(KEYS.c[field.name] for field in fields(ResultKey))
_OWN = tuple(TRIALS.c[field.name] for field in fields(RankedTrial) if field.name in TRIALS.c)
_RANKED = sa.and_(
    TRIALS.c.state.in_([TrialState.COMPLETE, TrialState.PRUNED]), TRIALS.c.value.is_not(None)
)
_TRIALS = (
    sa.select(*_KEY, STUDIES.c.name, *_OWN)
    .join_from(TRIALS, STUDIES, TRIALS.c.study_id == STUDIES.c.id)
    .join(KEYS, TRIALS.c.key_id == KEYS.c.id)
    .where(_RANKED)
)


class Ranking(Database):
    """The part of the store that compares."""

    def ranking(
        self,
        *,
        data: str | None = None,
        target: str | None = None,
        metric: str | None = None,
        split: str | None = None,
        leaders: bool = False,
    ) -> list[RankedTrial]:
        """COMPLETE and PRUNED trials with a value, key by key, the best first.

        A trial that was interrupted is not among them until it has ended: it goes on when its study
        does, and whoever had looked at its model on the test part would have looked at another one.

        Equal values keep the order of their studies and numbers. Each argument, where given,
        leaves only the keys that have it.

        Args:
            leaders: the best of each family of each study alone; of equal ones, the first.
        """
        given = {"data": data, "target": target, "metric": metric, "split": split}
        wanted = [KEYS.c[name] == value for name, value in given.items() if value is not None]
        query = _TRIALS.order_by(
            TRIALS.c.key_id, _badness(TRIALS.c.value), TRIALS.c.study_id, TRIALS.c.number
        )
        if leaders:  # found from their groups, never by way of all trials of a key
            best = _best_of_each(wanted)
            same = [TRIALS.c[name] == best.c[name] for name in ("key_id", "study_id", "family")]
            query = query.join(best, sa.and_(*same, TRIALS.c.value == best.c.value))
        else:
            query = query.where(*wanted)
        found = self._trials(query)
        if not leaders:
            return found
        first: dict[tuple[object, ...], RankedTrial] = {}
        for trial in found:
            first.setdefault((trial.key, trial.study, trial.family), trial)
        return list(first.values())

    def ranked(self, study: str, numbers: Collection[int]) -> list[RankedTrial]:
        """These trials of a study, where ``ranking`` has them."""
        return self._trials(_TRIALS.where(STUDIES.c.name == study, TRIALS.c.number.in_(numbers)))

    def _trials(self, query: sa.Select[Any]) -> list[RankedTrial]:
        with self.read() as connection:
            return [
                RankedTrial(ResultKey(data, target, metric, split), *own)
                for data, target, metric, split, *own in connection.execute(query).all()
            ]

    def keys(self) -> list[KeySummary]:
        """The keys that have something to rank, oldest first."""
        query = (
            sa.select(
                *KEY_COLUMNS,
                KEYS.c.direction,
                sa.func.count(TRIALS.c.study_id.distinct()).label("studies"),
                sa.func.count().label("trials"),
            )
            .join_from(KEYS, TRIALS, TRIALS.c.key_id == KEYS.c.id)
            .where(_RANKED)
            .group_by(KEYS.c.id)
            .order_by(KEYS.c.id)
        )
        with self.read() as connection:
            return [
                KeySummary(key_of(row), row.unit, row.direction, row.studies, row.trials)
                for row in connection.execute(query)
            ]

    def efforts(self) -> list[Effort]:
        """What each study spent on each of its families, key by key.

        The seconds of a trial that another one has gone on from are counted with that one's.
        """
        spent = sa.func.sum(TRIALS.c.seconds).label("seconds")
        by = (TRIALS.c.study_id, TRIALS.c.key_id, TRIALS.c.family)
        on_gpu = sa.func.sum(sa.case((TRIALS.c.device == "cpu", 0.0), else_=TRIALS.c.seconds))
        sums = (
            sa.select(*by, sa.func.count().label("trials"), spent, on_gpu.label("on_gpu"))
            .group_by(*by)
            .subquery()
        )
        query = (
            sa.select(sums, STUDIES.c.name, STUDIES.c.definition, *KEY_COLUMNS[:4])
            .join_from(sums, STUDIES, sums.c.study_id == STUDIES.c.id)
            .join(KEYS, sums.c.key_id == KEYS.c.id)
            .order_by(sums.c.study_id, sums.c.key_id, sums.c.family)
        )
        again = sa.select(*by, spent, on_gpu.label("on_gpu")).group_by(*by)
        with self.read() as connection:
            found = connection.execute(query).all()
            less = {
                tuple(row[:3]): row[3:] for row in connection.execute(again.join(*_gone_on_from()))
            }
        efforts = []
        for row in found:
            seconds, on_gpus = less.get((row.study_id, row.key_id, row.family), (0.0, 0.0))
            gpu = (row.on_gpu - on_gpus) * _gpus(row.definition)
            effort = Effort(
                row.name, row.family, key_of(row), row.trials, row.seconds - seconds, gpu
            )
            efforts.append(effort)
        return efforts

    def parents(self) -> list[tuple[Division, list[str]]]:
        """Repeated divisions with the fingerprints of their members, in order."""
        whole = sa.select(DIVISIONS).join(
            MEMBERS,
            sa.and_(
                MEMBERS.c.data == DIVISIONS.c.data, MEMBERS.c.parent == DIVISIONS.c.fingerprint
            ),
        )
        parts = sa.select(MEMBERS).order_by(MEMBERS.c.data, MEMBERS.c.parent, MEMBERS.c.member)
        with self.read() as connection:
            divisions = [Division(**row._mapping) for row in connection.execute(whole.distinct())]
            members: dict[tuple[str, str], list[str]] = {}
            for row in connection.execute(parts):
                members.setdefault((row.data, row.parent), []).append(row.fingerprint)
        return [(one, members[one.data, one.fingerprint]) for one in divisions]

    def knows(self, data: str, fingerprint: str) -> bool:
        """Whether a division is on record."""
        query = sa.select(
            sa.exists(DIVISIONS.select().filter_by(data=data, fingerprint=fingerprint))
        )
        with self.read() as connection:
            return bool(connection.scalar(query))

    def division(self, data: str, fingerprint: str) -> Division:
        """The division of that fingerprint; the store has it for every key and every study."""
        query = sa.select(DIVISIONS).filter_by(data=data, fingerprint=fingerprint)
        with self.read() as connection:
            return Division(**connection.execute(query).one()._mapping)


def _gpus(definition: Mapping[str, Any]) -> float:
    """GPUs of each trial of a study, by its definition, which may be from elsewhere."""
    study = definition.get("study")
    given = study.get("gpus_per_trial", 1.0) if isinstance(study, dict) else 1.0
    return float(given) if isinstance(given, int | float) else 1.0


def _badness(value: sa.ColumnElement[float]) -> sa.ColumnElement[float]:
    """What is smaller where a score is better; its own inverse."""
    return sa.case((KEYS.c.direction == "maximize", -value), else_=value)


def _best_of_each(wanted: Sequence[sa.ColumnElement[bool]]) -> sa.Subquery:
    """The best value of each family of each study under each key.

    As a value and not as its badness, and grouped before keys are joined, so that an index gives
    the groups and leads from each to its trial.
    """
    by = (TRIALS.c.key_id, TRIALS.c.study_id, TRIALS.c.family)
    least, most = sa.func.min(TRIALS.c.value), sa.func.max(TRIALS.c.value)
    ends = (
        sa.select(*by, least.label("least"), most.label("most"))
        .where(_RANKED, TRIALS.c.key_id.in_(sa.select(KEYS.c.id).where(*wanted)))
        .group_by(*by)
        .subquery()
    )
    best = sa.case((KEYS.c.direction == "maximize", ends.c.most), else_=ends.c.least)
    return sa.select(ends, best.label("value")).join(KEYS, ends.c.key_id == KEYS.c.id).subquery()


def _gone_on_from() -> tuple[sa.Subquery, sa.ColumnElement[bool]]:
    """What joins trials that another has gone on from, so that their seconds are part of its."""
    going = (
        sa.select(TRIALS.c.study_id, TRIALS.c.parent, sa.func.max(TRIALS.c.seconds).label("most"))
        .where(TRIALS.c.parent.is_not(None))
        .group_by(TRIALS.c.study_id, TRIALS.c.parent)
        .subquery()
    )
    same = sa.and_(TRIALS.c.study_id == going.c.study_id, TRIALS.c.number == going.c.parent)
    return going, sa.and_(same, going.c.most >= TRIALS.c.seconds)
