"""Trials, and what they reported."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from fesearch.errors import FesearchError, InputError
from fesearch.record import Decision, Report, ResultKey, TrialResult, TrialSpec, TrialState
from fesearch.store.database import Database
from fesearch.store.leases import refuse_ousted
from fesearch.store.looks import looked_at, scored
from fesearch.store.outage import endures
from fesearch.store.queue import take
from fesearch.store.schema import KEYS, REPORTS, STUDIES, TRIALS
from fesearch.store.types import Lease, ReportRow, StudyRow, storable

_RESULT = sa.select(*(TRIALS.c[field.name] for field in fields(TrialResult)))
# Made once: to build them for each report would cost as much as to run them.
_NEXT_SEQUENCE = (
    sa.update(STUDIES)
    .where(STUDIES.c.id == sa.bindparam("study"))
    .values(last_sequence=STUDIES.c.last_sequence + 1)
    .returning(STUDIES.c.last_sequence)
)
_RUNNING = (
    sa.update(TRIALS)
    .where(TRIALS.c.study_id == sa.bindparam("study"), TRIALS.c.number == sa.bindparam("trial"))
    .where(TRIALS.c.state == TrialState.RUNNING)
    .returning(TRIALS.c.id)
)
_REPORT = sa.insert(REPORTS)
LARGEST_NUMBER = 2**31 - 1  # of a trial: both databases hold it in an INTEGER
REPORT_BUG = "Please report this; the study goes on with: fesearch study resume"


class Trials(Database):
    """The part of the store about trials. Only the holder of the study's lease can write."""

    @endures
    def begin_trial(
        self,
        lease: Lease,
        spec: TrialSpec,
        unit: str,
        key: ResultKey | None = None,
        *,
        queued: int | None = None,
        again: bool = False,
    ) -> None:
        """Write a trial as RUNNING, marked if its test part has been looked at before.

        Args:
            unit: of its resource, such as "epochs".
            key: what its results belong to, if not the study's own: one of its members.
            queued: id of the config that waited to be tried, if it is one.
            again: the last attempt may have been kept; then nothing is written.

        Raises:
            FesearchError: the lease was taken over, the study has a trial of that number, or may
                not hold that key.
        """
        study = lease.study
        key = key or study.key
        row = {
            "study_id": study.id,
            "number": spec.number,
            "key_id": _key_id(key),
            "family": spec.family,
            "config": dict(spec.config),
            "seed": spec.seed,
            "unit": unit,
            "threads": spec.threads,
            "device": spec.device,
            "state": TrialState.RUNNING,
            "resource": 0,
            "seconds": 0.0,
            "reason": "",
            "after_look": sa.exists().where(looked_at(key.data, key.target, key.split), scored()),
            "parent": spec.parent,
            "started_at": datetime.now(UTC),
        }
        try:
            with self.write() as connection:
                refuse_ousted(connection, lease)
                if again and _begun(connection, study, spec):
                    return
                row["began"] = _next_sequence(connection, study)
                connection.execute(sa.insert(TRIALS).values(row))
                if queued is not None:
                    take(connection, queued, spec.number)
        except sa.exc.IntegrityError:
            raise FesearchError(
                f"The database refused trial {spec.number} of '{study.name}': the number is taken "
                f"or the division {key.split} is not the study's.",
                REPORT_BUG,
            ) from None

    @endures
    def report(
        self,
        lease: Lease,
        number: int,
        report: Report,
        decision: Decision,
        result: TrialResult | None = None,
        *,
        again: bool = False,
    ) -> int:
        """Write a report with the decision on it and, with ``result``, the end of the trial.

        All of it in one transaction.

        Args:
            again: the last attempt may have been kept; then nothing is written.

        Returns:
            its sequence number in the study, whose trials' beginnings have such numbers too.

        Raises:
            FesearchError: the lease was taken over, the trial is not RUNNING, or has a report at
                that resource.
        """
        study = lease.study
        progress = {
            "value": report.best,
            "resource": report.resource,
            "best_resource": report.best_resource,
            "seconds": report.seconds,
            "parameters": report.parameters,
            "scores": dict(report.scores),
        }
        if report.latency is not None:
            progress["latency"] = report.latency
        try:
            with self.write() as connection:
                refuse_ousted(connection, lease)
                if again and (kept := _sequence(connection, study, number, report.resource)):
                    return kept
                sequence = _next_sequence(connection, study)
                changes = progress if result is None else {**progress, **_end(result, sequence)}
                trial_id = _update_running(connection, study, number, changes)
                connection.execute(
                    _REPORT,
                    {
                        "trial_id": trial_id,
                        "resource": report.resource,
                        "study_id": study.id,
                        "sequence": sequence,
                        **_split_raw(report.raw),
                        "best": report.best,
                        "decision": decision,
                        "seconds": report.seconds,
                        "recorded_at": datetime.now(UTC),
                    },
                )
        except sa.exc.IntegrityError:
            raise FesearchError(
                f"The database refused the report of trial {number} of '{study.name}' at "
                f"{report.resource}: there is one already, or it is not whole.",
                REPORT_BUG,
            ) from None
        return sequence

    @endures
    def retry_trial(self, lease: Lease, number: int, retries: int, reason: str) -> None:
        """Write that a fault makes a trial begin again, and which; it stays RUNNING.

        Args:
            retries: how often one has done so by now.

        Raises:
            FesearchError: the lease was taken over, or the trial is not RUNNING.
        """
        changes = {"retries": retries, "reason": storable(reason)}
        with self.write() as connection:
            refuse_ousted(connection, lease)
            _update_running(connection, lease.study, number, changes)

    @endures
    def finish_trial(self, lease: Lease, result: TrialResult, *, again: bool = False) -> None:
        """Write the end of a trial that came without a report: a fault, an interruption.

        Args:
            again: the last attempt may have been kept; then nothing is written.

        Raises:
            FesearchError: the lease was taken over, the trial is not RUNNING, or its end is not
                whole.
        """
        study = lease.study
        try:
            with self.write() as connection:
                refuse_ousted(connection, lease)
                if again and _ended(connection, study, result):
                    return
                ended = _end(result, _next_sequence(connection, study))
                _update_running(connection, study, result.number, ended)
        except sa.exc.IntegrityError:
            raise FesearchError(
                f"The database refused the end of trial {result.number} of '{study.name}': "
                f"{result.state} with value {result.value} and fault {result.fault}.",
                REPORT_BUG,
            ) from None

    @endures
    def trials(self, study: StudyRow) -> list[TrialResult]:
        """All trials of a study, ordered by number."""
        with self.read() as connection:
            return results_of(connection, study.id)

    def trial(self, study: StudyRow, number: int) -> TrialResult:
        """One trial.

        Raises:
            InputError: the study has none of that number.
        """
        query = _RESULT.where(TRIALS.c.study_id == study.id, TRIALS.c.number == number)
        row = None
        if 0 <= number <= LARGEST_NUMBER:
            with self.read() as connection:
                row = connection.execute(query).one_or_none()
        if row is None:
            raise InputError(
                f"The study '{study.name}' has no trial {number}.",
                f"Type: fesearch trials {study.name}",
            )
        return TrialResult(*row)

    @endures
    def reports(self, study: StudyRow, number: int | None = None) -> list[ReportRow]:
        """The reports of a study, or of one of its trials, in the order they were decided on."""
        query = (
            sa.select(REPORTS, TRIALS.c.number)
            .join_from(REPORTS, TRIALS, REPORTS.c.trial_id == TRIALS.c.id)
            .where(REPORTS.c.study_id == study.id)
            .order_by(REPORTS.c.sequence)
        )
        if number is not None:
            query = query.where(TRIALS.c.number == number)
        with self.read() as connection:
            return [_report(row) for row in connection.execute(query).all()]

    @endures
    def last_begun(self, study: StudyRow) -> tuple[int, frozenset[int]]:
        """What was on record when the last trial of a study began.

        Returns:
            the number of reports, and the numbers of the trials that had ended.
        """
        own = TRIALS.c.study_id == study.id
        latest = sa.select(TRIALS.c.began).where(own).order_by(TRIALS.c.number.desc()).limit(1)
        with self.read() as connection:
            began = connection.scalar(latest)
            if began is None:
                return 0, frozenset()
            before = sa.and_(REPORTS.c.study_id == study.id, REPORTS.c.sequence <= began)
            reports = connection.scalar(sa.select(sa.func.count()).where(before))
            ended = sa.select(TRIALS.c.number).where(own, TRIALS.c.ended <= began)
            return int(reports or 0), frozenset(connection.scalars(ended))

    @endures
    def events(self, studies: Iterable[StudyRow]) -> int:
        """How many events these studies have on record: that a trial begins, reports, ends."""
        own = STUDIES.c.id.in_([study.id for study in studies])
        with self.read() as connection:
            total = connection.scalar(sa.select(sa.func.sum(STUDIES.c.last_sequence)).where(own))
            return int(total or 0)


def results_of(connection: sa.Connection, study_id: int) -> list[TrialResult]:
    """All trials of a study, ordered by number, as the transaction sees them."""
    query = _RESULT.where(TRIALS.c.study_id == study_id).order_by(TRIALS.c.number)
    return [TrialResult(*row) for row in connection.execute(query).all()]


def _next_sequence(connection: sa.Connection, study: StudyRow) -> int:
    """The place of an event in the study's order: that a trial begins, reports, ends."""
    return int(connection.execute(_NEXT_SEQUENCE, {"study": study.id}).scalar_one())


def _key_id(key: ResultKey) -> sa.ScalarSelect[int]:
    return (
        sa.select(KEYS.c.id)
        .filter_by(data=key.data, target=key.target, metric=key.metric, split=key.split)
        .scalar_subquery()
    )


def _begun(connection: sa.Connection, study: StudyRow, spec: TrialSpec) -> bool:
    """Whether this very trial is there."""
    found = sa.exists().where(TRIALS.c.study_id == study.id, TRIALS.c.number == spec.number)
    return bool(connection.scalar(sa.select(found.where(TRIALS.c.seed == spec.seed))))


def _sequence(connection: sa.Connection, study: StudyRow, number: int, resource: int) -> int | None:
    """The sequence number of the report of a trial at a resource, if it is there."""
    query = (
        sa.select(REPORTS.c.sequence)
        .join_from(REPORTS, TRIALS, REPORTS.c.trial_id == TRIALS.c.id)
        .where(TRIALS.c.study_id == study.id, TRIALS.c.number == number)
        .where(REPORTS.c.resource == resource)
    )
    found: int | None = connection.scalar(query)
    return found


def _ended(connection: sa.Connection, study: StudyRow, result: TrialResult) -> bool:
    """Whether the trial has ended as the result says."""
    found = sa.exists().where(TRIALS.c.study_id == study.id, TRIALS.c.number == result.number)
    return bool(connection.scalar(sa.select(found.where(TRIALS.c.state == result.state))))


def _update_running(
    connection: sa.Connection, study: StudyRow, number: int, changes: Mapping[str, Any]
) -> int:
    """Change a trial that is RUNNING.

    Returns:
        its id.
    """
    trial_id = connection.execute(
        _RUNNING.values(changes), {"study": study.id, "trial": number}
    ).scalar_one_or_none()
    if trial_id is None:
        raise FesearchError(f"Trial {number} of '{study.name}' is not running.", REPORT_BUG)
    return int(trial_id)


def _end(result: TrialResult, sequence: int) -> dict[str, Any]:
    """The columns of a trial that an end decides; the rest stands as last reported."""
    return {
        "ended": sequence,
        "state": result.state,
        "value": result.value,
        "resource": result.resource,
        "best_resource": result.best_resource,
        "seconds": result.seconds,
        "parameters": result.parameters,
        "latency": result.latency,
        "scores": dict(result.scores),
        "reason": storable(result.reason),
        "fault": result.fault,
        "finished_at": datetime.now(UTC),
    }


def _split_raw(raw: float) -> dict[str, Any]:
    if math.isfinite(raw):
        return {"raw": raw, "raw_kind": "finite"}
    return {"raw": None, "raw_kind": str(float(raw))}  # "nan", "inf" or "-inf"


def _report(row: sa.Row[Any]) -> ReportRow:
    return ReportRow(
        sequence=row.sequence,
        number=row.number,
        resource=row.resource,
        raw=float(row.raw_kind) if row.raw is None else row.raw,
        best=row.best,
        decision=row.decision,
        seconds=row.seconds,
    )
