"""Configs that a study is to try before those of its sampler."""

from collections.abc import Sequence
from datetime import UTC, datetime

import sqlalchemy as sa

from fesearch.record import Queued
from fesearch.space import Config
from fesearch.store.database import Database
from fesearch.store.outage import endures
from fesearch.store.schema import QUEUE
from fesearch.store.types import StudyRow


class Queue(Database):
    """The part of the store that anybody may add configs to, and the driver takes them from."""

    def enqueue(
        self,
        study: StudyRow,
        configs: Sequence[Config],
        *,
        origin: str,
        parents: Sequence[int | None] | None = None,
    ) -> None:
        """Add configs to be tried, in this order, behind those that wait already.

        Args:
            origin: who asks for them, in words.
            parents: numbers of the trials they go on from, one a config.
        """
        with self.write() as connection:
            for config, parent in zip(configs, parents or [None] * len(configs), strict=True):
                add(connection, study.id, config, origin, parent)

    @endures
    def queued(
        self, study: StudyRow, limit: int | None = None, *, continuing: bool = False
    ) -> list[Queued]:
        """The configs that wait, first come first; at most ``limit`` of them.

        With ``continuing`` those alone that go on from a trial.
        """
        query = (
            sa.select(QUEUE.c.id, QUEUE.c.config, QUEUE.c.parent, QUEUE.c.origin)
            .where(QUEUE.c.study_id == study.id, QUEUE.c.number.is_(None))
            .order_by(QUEUE.c.id)
            .limit(limit)
        )
        if continuing:
            query = query.where(QUEUE.c.parent.is_not(None))
        with self.read() as connection:
            return [Queued(*row) for row in connection.execute(query)]

    def origin(self, study: StudyRow, number: int) -> str | None:
        """Who asked for the config of a trial; None where the search itself proposed it."""
        query = sa.select(QUEUE.c.origin).where(
            QUEUE.c.study_id == study.id, QUEUE.c.number == number
        )
        with self.read() as connection:
            return connection.scalar(query)


def add(
    connection: sa.Connection, study_id: int, config: Config, origin: str, parent: int | None = None
) -> None:
    """Add a config behind those that wait."""
    row = {"study_id": study_id, "config": dict(config), "parent": parent, "origin": origin}
    connection.execute(sa.insert(QUEUE), {**row, "enqueued_at": datetime.now(UTC)})


def take(connection: sa.Connection, queued: int, number: int) -> None:
    """Note that a queued config has become the trial of that number."""
    connection.execute(sa.update(QUEUE).where(QUEUE.c.id == queued).values(number=number))
