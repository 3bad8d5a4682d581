"""Trials of all studies side by side."""

from dataclasses import fields

import sqlalchemy as sa

from fesearch.record import ResultKey, TrialState
from fesearch.store.database import Database
from fesearch.store.schema import DIVISIONS, KEYS, STUDIES, TRIALS
from fesearch.store.studies import KEY_COLUMNS, key_of
from fesearch.store.types import Division, Effort, KeySummary, RankedTrial

_KEY = tuple(KEYS.c[field.name] for field in fields(ResultKey))
_OWN = tuple(TRIALS.c[field.name] for field in fields(RankedTrial) if field.name in TRIALS.c)
_RANKED = sa.and_(
    TRIALS.c.state.in_([TrialState.COMPLETE, TrialState.PRUNED]), TRIALS.c.value.is_not(None)
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
    ) -> list[RankedTrial]:
        """COMPLETE and PRUNED trials with a value, key by key, the best first.

        Equal values keep the order of their studies and numbers. Each argument, where given,
        leaves only the keys that have it.
        """
        given = {"data": data, "target": target, "metric": metric, "split": split}
        wanted = [KEYS.c[name] == value for name, value in given.items() if value is not None]
        badness = sa.case((KEYS.c.direction == "maximize", -TRIALS.c.value), else_=TRIALS.c.value)
        query = (
            sa.select(*_KEY, STUDIES.c.name, *_OWN)
            .join_from(TRIALS, STUDIES, TRIALS.c.study_id == STUDIES.c.id)
            .join(KEYS, TRIALS.c.key_id == KEYS.c.id)
            .where(_RANKED, *wanted)
            .order_by(TRIALS.c.key_id, badness, TRIALS.c.study_id, TRIALS.c.number)
        )
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
        child = TRIALS.alias()
        counted = sa.exists().where(
            child.c.study_id == TRIALS.c.study_id,
            child.c.parent == TRIALS.c.number,
            child.c.seconds >= TRIALS.c.seconds,
        )
        query = (
            sa.select(
                STUDIES.c.name.label("study"),
                TRIALS.c.family,
                *KEY_COLUMNS[:4],
                sa.func.count().label("trials"),
                sa.func.sum(sa.case((counted, 0.0), else_=TRIALS.c.seconds)).label("seconds"),
            )
            .join_from(TRIALS, STUDIES, TRIALS.c.study_id == STUDIES.c.id)
            .join(KEYS, TRIALS.c.key_id == KEYS.c.id)
            .group_by(STUDIES.c.id, KEYS.c.id, TRIALS.c.family)
            .order_by(STUDIES.c.id, KEYS.c.id, TRIALS.c.family)
        )
        with self.read() as connection:
            return [
                Effort(row.study, row.family, key_of(row), row.trials, row.seconds)
                for row in connection.execute(query)
            ]

    def division(self, data: str, fingerprint: str) -> Division:
        """The division of that fingerprint; the store has it for every key and every study."""
        query = sa.select(DIVISIONS).filter_by(data=data, fingerprint=fingerprint)
        with self.read() as connection:
            return Division(**connection.execute(query).one()._mapping)
