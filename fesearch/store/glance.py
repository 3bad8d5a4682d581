"""What is looked at again and again while studies run: a few rows each, however many trials."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TypeAlias

import sqlalchemy as sa

from fesearch.errors import StudyNotFoundError
from fesearch.record import Decision, TrialResult, TrialState
from fesearch.store.database import Database
from fesearch.store.schema import LOOKS, REPORTS, STUDIES, TRIALS
from fesearch.store.studies import find
from fesearch.store.types import StudyRow

Pulse: TypeAlias = tuple[str | int | None, ...]
LARGEST_ID = 2**31 - 1  # both databases hold it in an INTEGER
_RESULT = sa.select(*(TRIALS.c[field.name] for field in fields(TrialResult)))


@dataclass(frozen=True)
class Rung:
    """What was seen at one resource of a study.

    Attributes:
        arrived: trials that reported there.
        stopped: those that were told to stop there.
        best: value so far of all that arrived; None where none has one.
    """

    resource: int
    arrived: int
    stopped: int
    best: float | None


class Glances(Database):
    """The part of the store that pages ask."""

    def study_of(self, identity: int) -> StudyRow:
        """The study of that id.

        Raises:
            StudyNotFoundError: there is none.
        """
        found = None
        if 0 <= identity <= LARGEST_ID:
            with self.read() as connection:
                name = connection.scalar(sa.select(STUDIES.c.name).where(STUDIES.c.id == identity))
                found = None if name is None else find(connection, name)
        if found is None:
            raise StudyNotFoundError(
                f"There is no study of the number {identity}.", "Type: fesearch study list"
            )
        return found

    def counts(self, study: StudyRow) -> dict[TrialState, int]:
        """Trials of a study by state; states that none is in count 0."""
        query = (
            sa.select(TRIALS.c.state, sa.func.count())
            .where(TRIALS.c.study_id == study.id)
            .group_by(TRIALS.c.state)
        )
        with self.read() as connection:
            found = {row[0]: int(row[1]) for row in connection.execute(query)}
        return {state: found.get(state, 0) for state in TrialState}

    def some_trials(
        self,
        study: StudyRow,
        *,
        states: Sequence[TrialState] = tuple(TrialState),
        best_first: bool = False,
        newest_first: bool = False,
        start: int = 0,
        count: int = 50,
    ) -> list[TrialResult]:
        """A page of the trials of a study.

        Args:
            states: of the trials wanted.
            best_first: in the order of their values, those without one last; else by number.
            newest_first: from the highest number.
            start, count: which of them, in that order.
        """
        better = TRIALS.c.value.asc() if study.direction == "minimize" else TRIALS.c.value.desc()
        order = [sa.nulls_last(better)] if best_first else []
        number = TRIALS.c.number.desc() if newest_first else TRIALS.c.number
        query = (
            _RESULT.where(TRIALS.c.study_id == study.id, TRIALS.c.state.in_(states))
            .order_by(*order, number)
            .offset(start)
            .limit(count)
        )
        with self.read() as connection:
            return [TrialResult(*row) for row in connection.execute(query)]

    def rungs_seen(self, study: StudyRow, rungs: Sequence[int]) -> list[Rung]:
        """What was seen at each of these resources that any trial has reported at, ascending."""
        best = sa.func.min if study.direction == "minimize" else sa.func.max
        # A trial that comes to its end is told to stop too, and is COMPLETE.
        early = (REPORTS.c.decision == Decision.STOP) & (TRIALS.c.state != TrialState.COMPLETE)
        stopped = sa.case((early, 1), else_=0)
        query = (
            sa.select(
                REPORTS.c.resource, sa.func.count(), sa.func.sum(stopped), best(REPORTS.c.best)
            )
            .join(TRIALS, TRIALS.c.id == REPORTS.c.trial_id)
            .where(REPORTS.c.study_id == study.id, REPORTS.c.resource.in_(rungs))
            .group_by(REPORTS.c.resource)
            .order_by(REPORTS.c.resource)
        )
        with self.read() as connection:
            return [Rung(*row) for row in connection.execute(query)]

    def improvements(self, study: StudyRow) -> list[tuple[datetime, int, float]]:
        """When the best value of a study so far was bettered, by which trial, and to what."""
        low = study.direction == "minimize"
        earlier = (sa.func.min if low else sa.func.max)(REPORTS.c.best).over(
            order_by=REPORTS.c.sequence, rows=(None, -1)
        )
        every = (
            sa.select(REPORTS, earlier.label("earlier"))
            .where(REPORTS.c.study_id == study.id, REPORTS.c.best.is_not(None))
            .subquery()
        )
        better = every.c.best < every.c.earlier if low else every.c.best > every.c.earlier
        query = (
            sa.select(every.c.recorded_at, TRIALS.c.number, every.c.best)
            .join(TRIALS, TRIALS.c.id == every.c.trial_id)
            .where(sa.or_(every.c.earlier.is_(None), better))
            .order_by(every.c.sequence)
        )
        with self.read() as connection:
            return [(row[0], row[1], row[2]) for row in connection.execute(query)]

    def pulse(self, study: StudyRow) -> Pulse:
        """What changes whenever anything does that pictures of a study show."""
        ended = sa.func.count(TRIALS.c.finished_at)
        trials = sa.select(sa.func.count(), ended, sa.func.max(TRIALS.c.finished_at)).where(
            TRIALS.c.study_id == study.id
        )
        looks = sa.select(sa.func.count()).where(
            LOOKS.c.data == study.key.data, LOOKS.c.target == study.key.target
        )
        last = sa.select(STUDIES.c.last_sequence).where(STUDIES.c.id == study.id)
        with self.read() as connection:
            begun, finished, at = connection.execute(trials).one()
            return (
                study.id,
                connection.scalar(last),
                begun,
                finished,
                at and at.isoformat(),
                connection.scalar(looks),
            )
