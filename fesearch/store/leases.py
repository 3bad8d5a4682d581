"""Who may write the results of a study, and the wishes of those who may not."""

import os
import socket
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from fesearch.errors import InputError, OustedError
from fesearch.record import TrialState
from fesearch.store import process
from fesearch.store.database import Database
from fesearch.store.outage import endures
from fesearch.store.schema import CONTROLS, LEASES, STUDIES, UtcTime
from fesearch.store.types import Lease, StudyRow

WAITING = "WAITING"  # Optuna's word for a trial that nobody trains
EXPIRES = timedelta(seconds=60)  # without a heartbeat
_LOCK = sa.select(STUDIES.c.id).where(STUDIES.c.id == sa.bindparam("study")).with_for_update()
_HELD = sa.select(LEASES).where(LEASES.c.study_id == sa.bindparam("study"))


class Leases(Database):
    """The part of the store that commands and drivers talk through."""

    def acquire(self, study: StudyRow, *, force: bool = False) -> Lease:
        """Become the driver of a study; requests to its last driver are void.

        The lease of a process that is seen to be dead, or one without a heartbeat for 60 s, is
        taken over.

        Args:
            force: take over from a driver that looks alive, too; what it writes is refused then.

        Raises:
            InputError: another process is driving it.
        """
        token = os.urandom(16).hex()
        with self.write() as connection:
            if force:
                lock(connection, study)
            else:
                refuse_held(connection, study)
            now = clock(connection)
            connection.execute(sa.delete(LEASES).where(LEASES.c.study_id == study.id))
            connection.execute(sa.insert(LEASES).values(study_id=study.id, **own_lease(token, now)))
            _settle(connection, study.id)
            worked = connection.scalar(sa.select(STUDIES.c.seconds).where(STUDIES.c.id == study.id))
        return Lease(study, token, float(worked or 0.0), time.monotonic())

    @endures
    def beat(self, lease: Lease) -> None:
        """Say that the driver lives, and for how long drivers of its study have worked.

        Raises:
            OustedError: the lease was taken over; stop writing.
        """
        with self.write() as connection:
            refuse_ousted(connection, lease)
            _beat(connection, lease)

    @endures
    def release(self, lease: Lease) -> bool:
        """Stop driving; nothing happens where the lease has been taken over.

        Returns:
            whether the driver was asked to stop, which it may have been too late to notice.
        """
        with self.write() as connection:
            if not holds(connection, lease):
                return False
            _beat(connection, lease)
            connection.execute(sa.delete(LEASES).where(LEASES.c.token == lease.token))
            return _settle(connection, lease.study.id)

    def driven(self, study: StudyRow) -> bool:
        """Whether a live driver holds the study."""
        with self.read() as connection:
            return _driver(connection, study) is not None

    def words(self, study: StudyRow) -> dict[TrialState, str]:
        """State -> what people read, Optuna's words: undriven, a trial not ended is WAITING."""
        going = TrialState.RUNNING.value if self.driven(study) else WAITING
        return {**{state: state.value for state in TrialState}, TrialState.RUNNING: going}

    def refuse_driven(self, study: StudyRow) -> None:
        """Go on only where no live driver holds the study now; ask ``acquire`` to keep it so.

        It reads only, so it answers while a driver that is halted in a transaction locks out
        every writer.

        Raises:
            InputError: one does.
        """
        with self.read() as connection:
            refuse(_driver(connection, study), "study", study.name)

    def request_stop(self, study: StudyRow) -> None:
        """Ask the driver of a study to stop."""
        with self.write() as connection:
            connection.execute(
                sa.insert(CONTROLS).values(
                    study_id=study.id, kind="stop", requested_at=datetime.now(UTC)
                )
            )

    def note_stop(self, study: StudyRow, reason: str) -> None:
        """Have a study stand as one that was stopped for a reason.

        Raises:
            InputError: it has a live driver, who is to be asked.
        """
        with self.write() as connection:
            refuse_held(connection, study)
            change = sa.update(STUDIES).where(STUDIES.c.id == study.id)
            connection.execute(change.values(reason=reason))

    @endures
    def stop_requested(self, study: StudyRow) -> bool:
        """Whether the driver of a study has been asked to stop."""
        pending = CONTROLS.c.handled_at.is_(None)
        query = sa.exists().where(CONTROLS.c.study_id == study.id, pending)
        with self.read() as connection:
            return bool(connection.scalar(sa.select(query)))


def refuse_held(connection: sa.Connection, study: StudyRow) -> None:
    """Go on only where no live driver holds the study, and none can begin to until the commit.

    Raises:
        InputError: one does.
    """
    lock(connection, study)
    refuse(_driver(connection, study), "study", study.name)


def holds(connection: sa.Connection, lease: Lease) -> bool:
    """Whether the lease is still its holder's; if so nobody can take it over until the commit."""
    lock(connection, lease.study)
    row = _held(connection, lease.study.id)
    return row is not None and row.token == lease.token


def refuse_ousted(connection: sa.Connection, lease: Lease) -> None:
    """Go on only where the lease is still its holder's, and nobody can take it until the commit.

    A driver that was halted for long and goes on may not know of the one that took over.

    Raises:
        OustedError: the lease was taken over.
    """
    if not holds(connection, lease):
        row = _held(connection, lease.study.id)
        who = f": process {row.pid} on {row.host}" if row is not None else ""
        raise OustedError(
            f"Another process has taken over this study{who}.",
            "Leave the study to it; see: fesearch study list",
        )


def lock(connection: sa.Connection, study: StudyRow) -> None:
    """The row of a study is locked before all others of it, so that no two wait for each other."""
    connection.execute(_LOCK, {"study": study.id})


def _driver(connection: sa.Connection, study: StudyRow) -> Any:
    """The lease of the live driver of a study, None where it has none."""
    row = _held(connection, study.id)
    return row if row is not None and alive(row, clock(connection)) else None


def own_lease(token: str, now: datetime) -> dict[str, Any]:
    """The columns of a lease that this process takes."""
    return {
        "token": token,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "born": process.born(),
        "acquired_at": now,
        "heartbeat_at": now,
    }


def refuse(row: Any, what: str, name: str) -> None:
    """Go on only where there is no lease.

    Args:
        row: of a live driver, or None.
        what: it drives: "study" or "search".

    Raises:
        InputError: there is one.
    """
    if row is None:
        return
    dead = f"; if {row.host} is gone: fesearch study resume {name} --take-over"
    raise InputError(
        f"The {what} '{name}' is being driven by process {row.pid} on {row.host} since "
        f"{row.acquired_at:%Y-%m-%d %H:%M:%S} UTC.",
        f"Wait for it, or type: fesearch study stop {name}{dead if _lives(row) is None else ''}",
    )


def _held(connection: sa.Connection, study_id: int) -> Any:
    return connection.execute(_HELD, {"study": study_id}).one_or_none()


def _beat(connection: sa.Connection, lease: Lease) -> None:
    """Note that the holder of a lease lives, and the time worked; twice is as good as once."""
    worked = lease.before + time.monotonic() - lease.began
    connection.execute(
        sa.update(STUDIES).where(STUDIES.c.id == lease.study.id).values(seconds=worked)
    )
    now = clock(connection)
    connection.execute(
        sa.update(LEASES).where(LEASES.c.token == lease.token).values(heartbeat_at=now)
    )


def _settle(connection: sa.Connection, study_id: int) -> bool:
    """Requests so far are answered: the driver they were for has gone. Whether there were any."""
    answered = connection.execute(
        sa.update(CONTROLS)
        .where(CONTROLS.c.study_id == study_id, CONTROLS.c.handled_at.is_(None))
        .values(handled_at=datetime.now(UTC))
    )
    return answered.rowcount > 0


def clock(connection: sa.Connection) -> datetime:
    """The time by the database's clock, which all hosts share."""
    now: datetime = connection.execute(sa.select(sa.func.now(type_=UtcTime))).scalar_one()
    return now


def alive(row: Any, now: datetime) -> bool:
    """Whether the holder of a lease lives; one that cannot be seen is known by its heartbeat."""
    return now - row.heartbeat_at <= EXPIRES and _lives(row) is not False


def _lives(row: Any) -> bool | None:
    return process.lives(row.host, row.pid, row.born)
