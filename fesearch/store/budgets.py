"""Budgets of studies: changed by anybody, at any time, and never past a driver that concludes."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from fesearch.record import TrialResult
from fesearch.store.database import Database
from fesearch.store.leases import lock, refuse_ousted
from fesearch.store.outage import endures
from fesearch.store.queue import add
from fesearch.store.schema import QUEUE, STUDIES
from fesearch.store.studies import BEGUN, PORTFOLIO, find
from fesearch.store.trials import results_of
from fesearch.store.types import Amendment, Lease, StudyRow, StudyState

Decide = Callable[[StudyRow, Sequence[TrialResult]], Amendment]


class Budgets(Database):
    """The part of the store about how much a study may still do."""

    @endures
    def amend(self, study: StudyRow, decide: Decide) -> list[int]:
        """Change keys of a study, and let trials of it go on.

        A trial that has been let go on before is not again. A study that was complete is STOPPED
        then, since there may be more to do.

        Args:
            decide: what to change, by the study and its trials; both stay as they are meanwhile.

        Returns:
            numbers of the trials that go on.

        Raises:
            InputError: what ``decide`` raises; nothing was changed.
        """
        with self.write() as connection:
            lock(connection, study)
            row = find(connection, study.name)
            assert row is not None, "a study that is locked is there"
            results = results_of(connection, row.id)
            amendment = decide(row, results)
            taken = _going_on(connection, row)
            configs = {one.number: one.config for one in results if one.number not in taken}
            children = [number for number in amendment.continued if number in configs]
            for number in children:
                add(connection, row.id, configs[number], f"goes on from trial {number}", number)
            values = _changed(row, amendment)
            if children and row.state is StudyState.COMPLETE:
                values["state"] = StudyState.STOPPED
            if values:
                change = sa.update(STUDIES).where(STUDIES.c.id == row.id)
                connection.execute(change.values(values))
            return children

    @endures
    def amend_portfolio(self, studies: Sequence[StudyRow], keys: Mapping[str, Any]) -> None:
        """Change keys of a search over many families, in each of its studies."""
        with self.write() as connection:
            for study in studies:
                lock(connection, study)
                row = find(connection, study.name)
                assert row is not None, "a study that is locked is there"
                now = row.definition[PORTFOLIO]
                definition = {
                    **row.definition,
                    PORTFOLIO: {**now, **keys},
                    BEGUN: {**{key: now[key] for key in keys}, **row.definition.get(BEGUN, {})},
                }
                change = sa.update(STUDIES).where(STUDIES.c.id == row.id)
                connection.execute(change.values(definition=definition))

    @endures
    def complete(self, lease: Lease, row: StudyRow) -> bool:
        """Note that a study is complete, if its budget is still as it is in ``row``.

        Raises:
            OustedError: the lease was taken over.
        """
        with self.write() as connection:
            refuse_ousted(connection, lease)
            now = find(connection, row.name)
            if now is None or now.definition != row.definition:
                return False
            change = sa.update(STUDIES).where(STUDIES.c.id == row.id)
            connection.execute(change.values(state=StudyState.COMPLETE, reason=""))
            return True


def _going_on(connection: sa.Connection, study: StudyRow) -> set[int | None]:
    """Numbers of the trials that another one goes on from, or waits to."""
    query = sa.select(QUEUE.c.parent).where(QUEUE.c.study_id == study.id)
    return set(connection.scalars(query))


def _changed(study: StudyRow, amendment: Amendment) -> dict[str, Any]:
    """The columns of a study with keys of its definition changed; what they were is noted."""
    if not (keys := amendment.keys):
        return {}
    old = study.definition["study"]
    at = datetime.now(UTC).isoformat(timespec="seconds")
    changes = [{"at": at, "key": key, "old": old.get(key), "new": new} for key, new in keys.items()]
    definition = {
        **study.definition,
        **amendment.noted,
        "study": {**old, **keys},
        "changes": [*study.definition.get("changes", []), *changes],
    }
    more = {"state": StudyState.STOPPED} if study.state is StudyState.COMPLETE else {}
    return {"definition": definition, **more}
