"""Studies, and the keys their results belong to."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from fesearch.errors import InputError, StudyNotFoundError
from fesearch.metrics import Direction
from fesearch.record import ResultKey, TrialState
from fesearch.registry import nearest
from fesearch.space import Config
from fesearch.store.database import Database
from fesearch.store.leases import holds, refuse_ousted
from fesearch.store.outage import endures
from fesearch.store.queue import add
from fesearch.store.schema import DIVISIONS, KEYS, MEMBERS, SEARCHES, STUDIES, STUDY_KEYS, TRIALS
from fesearch.store.types import (
    Division,
    Lease,
    StudyRow,
    StudyState,
    StudySummary,
    storable,
)

KEY_COLUMNS = (KEYS.c.data, KEYS.c.target, KEYS.c.metric, KEYS.c.split, KEYS.c.unit)
_VERSIONS_APART = " then "
"""Between the versions of a package that a study has run with, one after the other."""

_SELECT = sa.select(STUDIES, *KEY_COLUMNS, KEYS.c.direction).join_from(STUDIES, KEYS)


SPARED = "spared"
"""Key of a study's definition: configs whose trials its pruner leaves alone."""
PORTFOLIO = "portfolio"
"""Of a study's definition: the keys of the search over many families that it belongs to."""
BEGUN = "portfolio_begun"
"""The same: those of them that were extended, with what they were when it was begun."""


class Studies(Database):
    """The part of the store about studies."""

    def create_study(
        self,
        name: str,
        definition: Mapping[str, Any],
        *,
        seed: int,
        key: ResultKey,
        unit: str,
        direction: Direction,
        division: Division,
        members: Sequence[Division] = (),
        features: str,
        versions: Mapping[str, str],
        first: Sequence[Config] = (),
        origin: str = "",
    ) -> StudyRow:
        """Write a new study, its division, its keys and the configs it is to try first.

        Args:
            key: what its results belong to; ``key.split`` is the fingerprint of ``division``.
            members: of a repeated division, in order; results may belong to each of them too.
            origin: who asks for those first configs, in words.

        Raises:
            InputError: the name is taken, or cannot be printed.
        """
        if not name.strip() or not name.isprintable():
            raise InputError(
                f"A study cannot be called {name!r}.", "Give it a name of letters with --name."
            )
        with self.write() as connection:
            if find(connection, name) is not None:
                raise InputError(
                    f"There is a study '{name}' already.",
                    f"Go on with it: fesearch study resume {name} (or --or-resume); "
                    "or give another --name.",
                )
            add_division(connection, division, members)
            key_id = add_key(connection, key, unit, direction)
            others = [
                add_key(connection, replace(key, split=member.fingerprint), unit, direction)
                for member in members
            ]
            study_id = connection.scalar(
                sa.insert(STUDIES).returning(STUDIES.c.id),
                {
                    "name": name,
                    "definition": dict(definition),
                    "seed": seed,
                    "key_id": key_id,
                    "features": features,
                    "versions": dict(versions),
                    "created_at": datetime.now(UTC),
                    "state": StudyState.RUNNING,
                    "seconds": 0.0,
                    "last_sequence": 0,
                },
            )
            allowed = [{"study_id": study_id, "key_id": one} for one in (key_id, *others)]
            connection.execute(sa.insert(STUDY_KEYS), allowed)
            for config in first:
                add(connection, study_id, config, origin)
            created = find(connection, name)
            assert created is not None
            return created

    def record_division(self, division: Division, members: Sequence[Division] = ()) -> None:
        """Write a division and the members of a repeated one, in order, where they are not there.

        One that an older fesearch wrote gets what it did not say.
        """
        with self.write() as connection:
            add_division(connection, division, members)

    @endures
    def study(self, name: str) -> StudyRow:
        """The study of that name.

        Raises:
            StudyNotFoundError: there is none; the hint has the nearest name.
        """
        with self.read() as connection:
            found = find(connection, name)
            if found is not None:
                return found
            names = list(connection.scalars(sa.select(STUDIES.c.name)))
        if many := [row.name for row in self.study_rows() if _is_of(row, name)]:
            said = f"'{name}' is a search over many families, and each has a study of its own."
            raise StudyNotFoundError(said, f"Name one: {', '.join(many)}")
        near = nearest(name, names)
        hint = f"Did you mean '{near}'? " if near else ""
        raise StudyNotFoundError(f"There is no study '{name}'.", f"{hint}Type: fesearch study list")

    def study_rows(self) -> list[StudyRow]:
        """All studies, oldest first; no trial is counted for them."""
        with self.read() as connection:
            return [_study(row) for row in connection.execute(_SELECT.order_by(STUDIES.c.id))]

    def studies(self) -> list[StudySummary]:
        """All studies, oldest first, with their numbers of trials and best values."""
        scored = TRIALS.c.state.in_([TrialState.COMPLETE, TrialState.PRUNED])
        own = sa.and_(scored, TRIALS.c.key_id == STUDIES.c.key_id)
        value = sa.case((own, TRIALS.c.value))
        counting = (
            sa.select(
                TRIALS.c.study_id,
                TRIALS.c.state,
                sa.func.count(),
                sa.func.count(TRIALS.c.parent),
                sa.func.min(value),
                sa.func.max(value),
            )
            .join_from(TRIALS, STUDIES, TRIALS.c.study_id == STUDIES.c.id)
            .group_by(TRIALS.c.study_id, TRIALS.c.state)
        )
        with self.read() as connection:
            rows = [_study(row) for row in connection.execute(_SELECT.order_by(STUDIES.c.id))]
            counts: dict[int, dict[TrialState, int]] = {}
            children: dict[int, int] = {}
            ends: dict[int, list[float]] = {}
            for study_id, state, count, going_on, low, high in connection.execute(counting):
                counts.setdefault(study_id, {})[state] = count
                children[study_id] = children.get(study_id, 0) + going_on
                ends.setdefault(study_id, []).extend(v for v in (low, high) if v is not None)
        return [
            _summary(row, counts.get(row.id, {}), ends.get(row.id, []), children.get(row.id, 0))
            for row in rows
        ]

    def portfolio(self, name: str) -> list[StudySummary]:
        """The studies of a search over many families; none where there is none of that name."""
        theirs = {row.id for row in self.study_rows() if _is_of(row, name)}
        return [one for one in self.studies() if one.study.id in theirs] if theirs else []

    def named(self, names: Sequence[str]) -> list[StudyRow]:
        """The studies of some names; of a search over many families, all that were begun.

        A study of its own that has the name comes first.

        Raises:
            StudyNotFoundError: there is none of a name; the hint has the nearest one.
        """
        rows = self.study_rows() if names else []
        return [
            row
            for name in names
            for row in [one for one in rows if one.name == name]
            or [one for one in rows if _is_of(one, name)]
            or [self.study(name)]
        ]

    @endures
    def set_state(self, lease: Lease, state: StudyState, reason: str = "") -> None:
        """Note where a study stands; nothing happens where the lease has been taken over.

        Args:
            reason: why it has stopped.
        """
        with self.write() as connection:
            if holds(connection, lease):
                change = sa.update(STUDIES).where(STUDIES.c.id == lease.study.id)
                connection.execute(change.values(state=state, reason=storable(reason)))

    @endures
    def note_versions(self, lease: Lease, versions: Mapping[str, str]) -> None:
        """Add versions of packages that a study goes on with, behind those it has had before."""
        with self.write() as connection:
            refuse_ousted(connection, lease)
            row = find(connection, lease.study.name)
            assert row is not None, "a study that is driven is there"
            had = row.versions
            both = {name: _with(had.get(name, ""), one) for name, one in versions.items()}
            if (now := {**had, **both}) != had:
                change = sa.update(STUDIES).where(STUDIES.c.id == row.id)
                connection.execute(change.values(versions=now))

    def delete_study(self, lease: Lease) -> None:
        """Delete a study with all its trials; looks at the test part stay on record.

        Args:
            lease: which ends with it, so that nobody drives the study meanwhile.

        Raises:
            OustedError: the lease was taken over.
        """
        with self.write() as connection:
            refuse_ousted(connection, lease)
            own = STUDIES.c.id == lease.study.id
            had = connection.execute(sa.select(STUDIES.c.seconds).where(own)).scalar_one()
            connection.execute(sa.delete(STUDIES).where(own))
            search = lease.study.definition.get(PORTFOLIO, {}).get("name")
            left = SEARCHES.c.seconds - had  # its time is given back to the others
            left = sa.case((left > 0, left), else_=0.0)
            connection.execute(sa.update(SEARCHES).filter_by(name=search).values(seconds=left))


def add_division(
    connection: sa.Connection, division: Division, members: Sequence[Division] = ()
) -> None:
    """Write a division and the members of a repeated one, those that are not there yet."""
    for one in (division, *members):
        insert_missing(connection, DIVISIONS, asdict(one))
        old = sa.update(DIVISIONS).filter_by(data=one.data, fingerprint=one.fingerprint)
        connection.execute(old.where(DIVISIONS.c.test.is_(None)).values(test=one.test))
    for index, member in enumerate(members):
        row = {"data": division.data, "parent": division.fingerprint, "member": index}
        insert_missing(connection, MEMBERS, {**row, "fingerprint": member.fingerprint})


def insert_missing(
    connection: sa.Connection,
    table: sa.Table,
    rows: Mapping[str, Any] | Sequence[Mapping[str, Any]],
) -> None:
    """Insert a row, or each of several, unless one with its primary or unique key is there."""
    # Readers need neither: the one of PostgreSQL alone costs them an eighth of their time.
    from sqlalchemy.dialects import postgresql, sqlite

    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(insert(table).on_conflict_do_nothing(), rows)


def key_of(row: sa.Row[Any]) -> ResultKey:
    """The key in a row with ``KEY_COLUMNS``."""
    return ResultKey(data=row.data, target=row.target, metric=row.metric, split=row.split)


def add_key(connection: sa.Connection, key: ResultKey, unit: str, direction: Direction) -> int:
    """The id of the key, written if it is new."""
    insert_missing(connection, KEYS, {**asdict(key), "unit": unit, "direction": direction})
    found = connection.execute(
        sa.select(KEYS)
        .filter_by(data=key.data, target=key.target, metric=key.metric)
        .where(KEYS.c.split == key.split)
    ).one()
    if (found.unit, found.direction) != (unit, direction):
        raise InputError(
            f"The {key.metric} of '{key.target}' is in '{unit}' here, but '{found.unit}' in "
            "studies of the same data.",
            "Import the data once more, under another name and with its unit.",
        )
    return int(found.id)


def _with(versions: str, one: str) -> str:
    """Versions of a package, oldest first, and this one."""
    had = versions.split(_VERSIONS_APART) if versions else []
    return _VERSIONS_APART.join(had if one in had else [*had, one])


def find(connection: sa.Connection, name: str) -> StudyRow | None:
    """The study of that name as the transaction sees it, None where there is none."""
    if not name.isprintable():  # PostgreSQL has no NUL in text
        return None
    row = connection.execute(_SELECT.where(STUDIES.c.name == name)).one_or_none()
    return None if row is None else _study(row)


def _study(row: sa.Row[Any]) -> StudyRow:
    return StudyRow(
        id=row.id,
        name=row.name,
        definition=row.definition,
        seed=row.seed,
        key=key_of(row),
        unit=row.unit,
        direction=row.direction,
        features=row.features,
        versions=row.versions,
        created_at=row.created_at,
        state=row.state,
        seconds=row.seconds,
        reason=row.reason,
    )


def _summary(
    study: StudyRow, counts: Mapping[TrialState, int], values: Sequence[float], children: int
) -> StudySummary:
    best = min if study.direction == "minimize" else max
    return StudySummary(
        study=study,
        trials={state: counts.get(state, 0) for state in TrialState},
        best=best(values) if values else None,
        children=children,
    )


def _is_of(row: StudyRow, portfolio: str) -> bool:
    """A study is one of the search over many families of that name."""
    return bool(row.definition.get(PORTFOLIO, {}).get("name") == portfolio)
