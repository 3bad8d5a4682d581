"""Trials of all studies side by side, and the record of looks at the test part."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from fesearch.record import TrialState
from fesearch.store.database import Database
from fesearch.store.schema import DIVISIONS, KEYS, LOOKS, STUDIES, TRIALS
from fesearch.store.studies import KEY_COLUMNS, key_of
from fesearch.store.types import KeySummary, Look, RankedTrial, StudyRow

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
            sa.select(TRIALS, STUDIES.c.name.label("study"), *KEY_COLUMNS[:4])
            .join_from(TRIALS, STUDIES, TRIALS.c.study_id == STUDIES.c.id)
            .join(KEYS, TRIALS.c.key_id == KEYS.c.id)
            .where(_RANKED, *wanted)
            .order_by(TRIALS.c.key_id, badness, TRIALS.c.study_id, TRIALS.c.number)
        )
        with self.read() as connection:
            return [_ranked(row) for row in connection.execute(query)]

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

    def add_look(
        self, study: StudyRow, trial: int, split: str, scores: Mapping[str, float], rows: int
    ) -> Look:
        """Put a look at the test part on record, before its scores are shown to anyone.

        Args:
            trial: the number of the trial that was scored.
            split: fingerprint of the division whose test part it was: the study's or a member's.
            scores: metric -> score, the study's metric among them.
            rows: of the test part.
        """
        finite = {name: value if math.isfinite(value) else None for name, value in scores.items()}
        where = {"data": study.key.data, "target": study.key.target, "split": split}
        counted = sa.select(sa.func.count() + 1).select_from(LOOKS).filter_by(**where)
        division = sa.select(DIVISIONS.c.data).filter_by(data=study.key.data, fingerprint=split)
        with self.write() as connection:
            connection.execute(division.with_for_update())  # looks at it are counted one by one
            row = connection.execute(
                sa.insert(LOOKS)
                .values(
                    **where,
                    sequence=counted.scalar_subquery(),
                    study=study.name,
                    trial=trial,
                    metric=study.key.metric,
                    value=finite[study.key.metric],
                    scores=finite,
                    rows=rows,
                    looked_at=datetime.now(UTC),
                )
                .returning(*LOOKS.c)
            ).one()
            return _look(row)

    def looks(
        self, *, data: str | None = None, target: str | None = None, split: str | None = None
    ) -> list[Look]:
        """The looks on record, oldest first; each argument, where given, is a filter."""
        given = {"data": data, "target": target, "split": split}
        wanted = [LOOKS.c[name] == value for name, value in given.items() if value is not None]
        with self.read() as connection:
            query = sa.select(LOOKS).where(*wanted).order_by(LOOKS.c.id)
            return [_look(row) for row in connection.execute(query)]


def _ranked(row: sa.Row[Any]) -> RankedTrial:
    return RankedTrial(
        study=row.study,
        number=row.number,
        family=row.family,
        config=row.config,
        value=row.value,
        seconds=row.seconds,
        resource=row.resource,
        unit=row.unit,
        parameters=row.parameters,
        key=key_of(row),
        state=row.state,
        after_look=row.after_look,
    )


def _look(row: sa.Row[Any]) -> Look:
    return Look(
        sequence=row.sequence,
        data=row.data,
        target=row.target,
        split=row.split,
        study=row.study,
        trial=row.trial,
        metric=row.metric,
        value=row.value,
        scores=row.scores,
        rows=row.rows,
        looked_at=row.looked_at,
    )
