"""The record of looks at the test part, which outlives the studies that looked.

A look is at test rows: divisions that differ in their other rows alone share the record.
"""

import math
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import Any

import sqlalchemy as sa

from fesearch.record import ResultKey
from fesearch.store.database import Database
from fesearch.store.how import How, Trained
from fesearch.store.schema import DIVISIONS, LOOKS
from fesearch.store.types import Look, StudyRow

_LOOK = tuple(LOOKS.c[field.name] for field in fields(Look))
AS_SEARCHED = How()


class Looks(Database):
    """The part of the store about the test part."""

    def add_look(
        self,
        study: StudyRow,
        trial: int,
        split: str,
        scores: Mapping[str, float],
        rows: int,
        how: How = AS_SEARCHED,
    ) -> Look:
        """Put a look at the test part on record, before its scores are shown to anyone.

        Args:
            trial: the number of the trial that was scored.
            split: fingerprint of the division whose test part it was: the study's or a member's.
            scores: metric -> score, the study's metric among them.
            rows: of the test part.
            how: the model came about, and more.
        """
        finite = {name: value if math.isfinite(value) else None for name, value in scores.items()}
        look = {
            "data": study.key.data,
            "target": study.key.target,
            "split": split,
            "study": study.name,
            "trial": trial,
            "metric": study.key.metric,
            "value": finite.get(study.key.metric),
            "scores": finite,
            "rows": rows,
            "looked_at": datetime.now(UTC),
            "how": how.plain(),
        }
        with self.write() as connection:
            return insert_look(connection, look)

    def add_glance(self, key: ResultKey, study: str, trial: int, asked: int) -> Look:
        """Put on record that rows of the test part were predicted; see ``Trained.PREDICTED``.

        All calls of one model are one look: it has the formulas that any of them asked for.

        Args:
            study, trial: that the model is of; they need not be here.
            asked: which formulas were predicted; the bits of ``sealed.Met``.
        """
        at = {"data": key.data, "target": key.target, "split": key.split}
        with self.write() as connection:
            _lock_test_rows(connection, key.data, key.split)  # two calls at a time both count
            query = sa.select(LOOKS.c.id, LOOKS.c.how).order_by(LOOKS.c.id)
            query = query.filter_by(**at, study=study, trial=trial).where(~scored())
            theirs = [one for one in connection.execute(query) if _is_glance(one.how)]
            asked = reduce(or_, (int(How.of(one.how).asked or "0", 16) for one in theirs), asked)
            calls = 1 + sum(How.of(one.how).calls for one in theirs[-1:])
            how = How(trained=Trained.PREDICTED, asked=f"{asked:x}", calls=calls)
            said = {"rows": asked.bit_count(), "how": how.plain()}
            if theirs:
                update = sa.update(LOOKS).where(LOOKS.c.id == theirs[-1].id).values(**said)
                return _look(connection.execute(update.returning(*_LOOK)).one())
            look = {**at, "study": study, "trial": trial, "metric": key.metric, **said}
            look |= {"value": None, "scores": {}, "looked_at": datetime.now(UTC)}
            return insert_look(connection, look)

    def looks(self, key: ResultKey | None = None) -> list[Look]:
        """The looks on record, oldest first.

        Args:
            key: only those at its target and the test rows of its division.
        """
        query = sa.select(*_LOOK).order_by(LOOKS.c.id)
        if key is not None:
            query = query.where(looked_at(key.data, key.target, key.split))
        with self.read() as connection:
            return [_look(row) for row in connection.execute(query)]

    def looks_at(self, study: StudyRow) -> dict[int, Look]:
        """Trial number -> the last look at that trial of a study, as it was searched.

        Looks outlive their study: those before its creation are at a deleted one of its name.
        """
        return {look.trial: look for look in self.looks_of(study) if look.as_searched}

    def retrained(self, study: StudyRow) -> list[Look]:
        """Looks on its own division at configs that were trained on training and validation part.

        Oldest first.
        """
        own = (look for look in self.looks_of(study) if look.split == study.key.split)
        return [look for look in own if look.how.trained is Trained.JOINED]

    def looks_of(self, study: StudyRow) -> list[Look]:
        """All looks at models of a study, those that were trained again too, oldest first."""
        query = sa.select(*_LOOK).order_by(LOOKS.c.id).filter_by(study=study.name)
        query = query.filter_by(data=study.key.data, target=study.key.target)
        with self.read() as connection:
            found = connection.execute(query.where(LOOKS.c.looked_at >= study.created_at))
            return [_look(row) for row in found]


def insert_look(connection: sa.Connection, look: Mapping[str, Any]) -> Look:
    """Put a look on record, numbered on from those at the same test rows.

    Args:
        look: column -> value, without id and sequence.
    """
    at = {name: look[name] for name in ("data", "target", "split")}
    counted = sa.select(sa.func.count() + 1).where(looked_at(**at)).scalar_subquery()
    _lock_test_rows(connection, at["data"], at["split"])  # their looks are counted one by one
    insert = sa.insert(LOOKS).values(**look, sequence=counted).returning(*_LOOK)
    return _look(connection.execute(insert).one())


def _look(row: sa.Row[Any]) -> Look:
    return Look(**{**row._mapping, "how": How.of(row.how)})


def _is_glance(how: Mapping[str, Any]) -> bool:
    """Whether a look is at predictions, by its own word and not for want of one known here."""
    return how.get("trained") == Trained.PREDICTED


def looked_at(data: str, target: str, split: str) -> sa.ColumnElement[bool]:
    """Of a row of LOOKS: it is at this target of the test rows of this division."""
    asked, theirs = DIVISIONS.alias(), DIVISIONS.alias()
    same_rows = sa.exists().where(
        asked.c.data == data,
        asked.c.fingerprint == split,
        theirs.c.data == data,
        theirs.c.fingerprint == LOOKS.c.split,
        theirs.c.test == asked.c.test,
    )
    return sa.and_(
        LOOKS.c.data == data,
        LOOKS.c.target == target,
        sa.or_(LOOKS.c.split == split, same_rows),
    )


def scored() -> sa.ColumnElement[bool]:
    """Of a row of LOOKS: it has a score, unlike one at predictions without true values."""
    return sa.type_coerce(LOOKS.c.scores, sa.Text) != "{}"


def _lock_test_rows(connection: sa.Connection, data: str, split: str) -> None:
    """Lock every division with the test rows of this one until the commit."""
    own = DIVISIONS.alias()
    test = sa.select(own.c.test).where(own.c.data == data, own.c.fingerprint == split)
    same = sa.or_(DIVISIONS.c.fingerprint == split, DIVISIONS.c.test == test.scalar_subquery())
    connection.execute(
        sa.select(DIVISIONS.c.fingerprint)
        .where(DIVISIONS.c.data == data, same)
        .order_by(DIVISIONS.c.fingerprint)
        .with_for_update()
    )
