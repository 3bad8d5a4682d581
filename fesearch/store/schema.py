"""The tables. Private to the store; Optuna's tables may stand beside them, so ours have a prefix.

What must never be in the database is refused by the database: a result without its key or with one
that is not its study's, a complete trial without a value, a report twice.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from fesearch.record import Decision, Fault, TrialState
from fesearch.store.types import StudyState

PREFIX = "fesearch_"
LARGEST = 1.7976931348623157e308  # of the finite numbers a float64 holds


class UtcTime(sa.TypeDecorator[datetime]):
    """An instant: aware and in UTC in Python, whatever the database makes of it."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Json(sa.TypeDecorator[Any]):
    """JSON as text, so that numbers and the order of names come back as they were given."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        return json.dumps(value, allow_nan=False)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Any:
        return None if value is None else json.loads(value)


def _words(enum: type[StrEnum]) -> sa.Enum:
    values = [str(member) for member in enum]
    return sa.Enum(enum, native_enum=False, length=16, values_callable=lambda _: values)


def _one_of(column: str, words: Iterable[str], name: str) -> sa.CheckConstraint:
    listed = ", ".join(f"'{word}'" for word in words)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=name)


def _finite(column: str) -> sa.CheckConstraint:
    """NaN stands above every number in PostgreSQL, and SQLite has none: it stores NULL."""
    return sa.CheckConstraint(f"{column} BETWEEN -{LARGEST!r} AND {LARGEST!r}", name=column)


METADATA = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

DIVISIONS = sa.Table(
    f"{PREFIX}divisions",
    METADATA,
    sa.Column("data", sa.Text, primary_key=True),
    sa.Column("fingerprint", sa.Text, primary_key=True),
    sa.Column("spec", sa.Text, nullable=False),
    sa.Column("n_train", sa.Integer, nullable=False),
    sa.Column("n_val", sa.Integer, nullable=False),
    sa.Column("n_test", sa.Integer, nullable=False),
    sa.Column("test", sa.Text),
    sa.CheckConstraint("n_train >= 0 AND n_val >= 0 AND n_test >= 0", name="rows"),
)

# A table of its own, because a division used alone may later be a member, even of two parents.
MEMBERS = sa.Table(
    f"{PREFIX}members",
    METADATA,
    sa.Column("data", sa.Text, primary_key=True),
    sa.Column("parent", sa.Text, primary_key=True),
    sa.Column("member", sa.Integer, primary_key=True),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.ForeignKeyConstraint(["data", "parent"], [DIVISIONS.c.data, DIVISIONS.c.fingerprint]),
    sa.ForeignKeyConstraint(["data", "fingerprint"], [DIVISIONS.c.data, DIVISIONS.c.fingerprint]),
    sa.UniqueConstraint("data", "parent", "fingerprint"),
)

KEYS = sa.Table(
    f"{PREFIX}keys",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("metric", sa.Text, nullable=False),
    sa.Column("split", sa.Text, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("direction", sa.Text, nullable=False),
    sa.ForeignKeyConstraint(["data", "split"], [DIVISIONS.c.data, DIVISIONS.c.fingerprint]),
    sa.UniqueConstraint("data", "target", "metric", "split"),
    _one_of("direction", ("minimize", "maximize"), "direction"),
)

STUDIES = sa.Table(
    f"{PREFIX}studies",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("definition", Json, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("key_id", sa.ForeignKey(KEYS.c.id), nullable=False),
    sa.Column("features", sa.Text, nullable=False),
    sa.Column("versions", Json, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("state", _words(StudyState), nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("last_sequence", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    _one_of("state", StudyState, "state"),
    sqlite_autoincrement=True,  # the id of a deleted study is never given to another
)

STUDY_KEYS = sa.Table(
    f"{PREFIX}study_keys",
    METADATA,
    sa.Column("study_id", sa.ForeignKey(STUDIES.c.id, ondelete="CASCADE"), primary_key=True),
    sa.Column("key_id", sa.ForeignKey(KEYS.c.id), primary_key=True),
)

TRIALS = sa.Table(
    f"{PREFIX}trials",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("study_id", sa.Integer, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("key_id", sa.Integer, nullable=False),
    sa.Column("family", sa.Text, nullable=False),
    sa.Column("config", Json, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("threads", sa.Integer, nullable=False),
    sa.Column("device", sa.Text, nullable=False),
    sa.Column("state", _words(TrialState), nullable=False),
    sa.Column("value", sa.Double),
    sa.Column("resource", sa.BigInteger, nullable=False),
    sa.Column("best_resource", sa.BigInteger),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("parameters", sa.BigInteger),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("fault", _words(Fault)),
    sa.Column("after_look", sa.Boolean, nullable=False),
    sa.Column("parent", sa.Integer),
    sa.Column("retries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("began", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("ended", sa.BigInteger),  # with it a place in the study's order of events
    sa.Column("started_at", UtcTime, nullable=False),
    sa.Column("finished_at", UtcTime),
    sa.Column("latency", sa.Double),
    sa.Column("scores", Json, nullable=False, server_default="{}"),
    sa.ForeignKeyConstraint(
        ["study_id", "key_id"], [STUDY_KEYS.c.study_id, STUDY_KEYS.c.key_id], ondelete="CASCADE"
    ),
    sa.UniqueConstraint("study_id", "number"),
    sa.UniqueConstraint("id", "study_id"),
    _one_of("state", TrialState, "state"),
    _one_of("fault", Fault, "fault"),
    _finite("value"),
    sa.CheckConstraint("state <> 'COMPLETE' OR value IS NOT NULL", name="complete"),
    sa.CheckConstraint("(state = 'FAIL') = (fault IS NOT NULL)", name="failed"),
    sa.CheckConstraint("(state = 'RUNNING') = (finished_at IS NULL)", name="finished"),
    sa.CheckConstraint("resource >= 0", name="resource"),
    # All that rankings of millions of trials ask for, in the order they group it: of the rows
    # themselves, which have a config each, they read the best.
    sa.Index(
        f"ix_{PREFIX}trials_ranking",
        *("key_id", "study_id", "family", "value", "state", "seconds", "device"),
    ),
)
sa.Index(  # of a part for SQLite alone: to say so for PostgreSQL loads its dialect, for everybody
    f"ix_{PREFIX}trials_parent",
    *(TRIALS.c.study_id, TRIALS.c.parent, TRIALS.c.seconds),
    sqlite_where=TRIALS.c.parent.is_not(None),
)

REPORTS = sa.Table(
    f"{PREFIX}reports",
    METADATA,
    sa.Column("trial_id", sa.Integer, primary_key=True),
    sa.Column("resource", sa.BigInteger, primary_key=True),
    sa.Column("study_id", sa.Integer, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("raw", sa.Double),  # as raw_kind says: SQLite would make NULL of NaN
    sa.Column("raw_kind", sa.Text, nullable=False),
    sa.Column("best", sa.Double),
    sa.Column("decision", _words(Decision), nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("recorded_at", UtcTime, nullable=False),
    sa.ForeignKeyConstraint(
        ["trial_id", "study_id"], [TRIALS.c.id, TRIALS.c.study_id], ondelete="CASCADE"
    ),
    sa.UniqueConstraint("study_id", "sequence"),
    _one_of("raw_kind", ("finite", "nan", "inf", "-inf"), "raw_kind"),
    _one_of("decision", Decision, "decision"),
    _finite("raw"),
    _finite("best"),
    sa.CheckConstraint("(raw_kind = 'finite') = (raw IS NOT NULL)", name="raw_given"),
)

QUEUE = sa.Table(
    f"{PREFIX}queue",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("study_id", sa.ForeignKey(STUDIES.c.id, ondelete="CASCADE"), nullable=False),
    sa.Column("config", Json, nullable=False),
    sa.Column("parent", sa.Integer),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("enqueued_at", UtcTime, nullable=False),
    sa.Column("number", sa.Integer),  # of the trial that was made of it
    sa.Index(None, "study_id"),
)

LOOKS = sa.Table(  # no foreign keys: looks outlive their study
    f"{PREFIX}looks",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("split", sa.Text, nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("study", sa.Text, nullable=False),
    sa.Column("trial", sa.Integer, nullable=False),
    sa.Column("metric", sa.Text, nullable=False),
    sa.Column("value", sa.Double),
    sa.Column("scores", Json, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("looked_at", UtcTime, nullable=False),
    sa.Column("how", Json, nullable=False, server_default="{}"),
    sa.UniqueConstraint("data", "target", "split", "sequence"),
    _finite("value"),
)

LEASES = sa.Table(
    f"{PREFIX}leases",
    METADATA,
    sa.Column(
        "study_id",
        sa.ForeignKey(STUDIES.c.id, ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("token", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("born", sa.Text),  # where and when: tells a process from others of the same pid
    sa.Column("acquired_at", UtcTime, nullable=False),
    sa.Column("heartbeat_at", UtcTime, nullable=False),
)

SEARCHES = sa.Table(  # over many families, each of whose studies has a lease in its turns alone
    f"{PREFIX}searches",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("token", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("born", sa.Text),
    sa.Column("acquired_at", UtcTime, nullable=False),
    sa.Column("heartbeat_at", UtcTime, nullable=False),
    sa.Column("stop_requested_at", UtcTime),
    sa.Column("seconds", sa.Double, nullable=False, server_default="0"),  # that it was driven
)

CONTROLS = sa.Table(
    f"{PREFIX}controls",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("study_id", sa.ForeignKey(STUDIES.c.id, ondelete="CASCADE"), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("requested_at", UtcTime, nullable=False),
    sa.Column("handled_at", UtcTime),
    _one_of("kind", ("stop",), "kind"),
    sa.Index(None, "study_id"),
)
