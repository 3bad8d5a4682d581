"""What is left to do for a later driver: of a study, or of a search over many families."""

from enum import StrEnum
from pathlib import Path

from fesearch.duration import duration, kept_back
from fesearch.errors import NoDatabaseError, StudyNotFoundError
from fesearch.record import TrialState
from fesearch.search import standings
from fesearch.search.checkpoint import CHECKPOINT
from fesearch.search.commonbudget import CommonBudget
from fesearch.search.core import LATE
from fesearch.search.folder import study_folder
from fesearch.search.heartbeat import ON_REQUEST
from fesearch.store.results import Store
from fesearch.store.types import StudyRow, StudyState


class Remaining(StrEnum):
    """What a further job has left to do.

    A study is SPENT that is complete, or has had its time limit; STOPPED is what ``study stop`` has
    stopped since. In a search over many families nobody has a turn any more, or the one whose turn
    it is was stopped so.
    """

    OPEN = "open"
    STOPPED = "stopped"
    SPENT = "spent"


def remaining(study: str, url: str) -> Remaining:
    """Where a study stands, or a search over many families; it may not be there yet."""
    rows = {row.name: row for row in rows_of(study, url)}
    if not rows:
        return Remaining.OPEN
    if study in rows:
        stopped, spent = rows[study].reason == ON_REQUEST, _is_spent(rows[study])
    else:
        many = standings.recorded(study, url)
        turn = standings.upcoming(many, url, due=CommonBudget(many, url, None).due)
        spent = turn is None
        waiting = None if turn is None else rows.get(many.studies[turn.family].name)
        with Store.open(url, create=False) as store:
            stopped = not spent and store.search_stopped(study)
        stopped = stopped or (waiting is not None and waiting.reason == ON_REQUEST)
    return Remaining.SPENT if spent else Remaining.STOPPED if stopped else Remaining.OPEN


def progress(study: str, url: str) -> str:
    """How far trials have come that were begun: another text after each of their steps.

    Where a job has left it as it was, its time is too short for a step of any of them. Their
    reports count, and their checkpoints, which come within an epoch too. An empty text where none
    is in training: features are built, say, or the best is exported, which is not told here.
    """
    if not (rows := rows_of(study, url)):
        return ""
    with Store.open(url, create=False) as store:
        if not any(store.some_trials(row, states=[TrialState.RUNNING], count=1) for row in rows):
            return ""
        events = store.events(rows)
    kept = [file for row in rows for file in study_folder(row).glob(f"*/{CHECKPOINT}")]
    return f"{events} {max((_written(file) for file in kept), default=0)}"


def _written(file: Path) -> int:
    """When a file was, in nanoseconds; 0 for one that is gone."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


def go_on(study: str, url: str) -> None:
    """Forget that a study, or a search over many families, was stopped on request."""
    with Store.open(url, create=False) as store:
        store.forget_stop(study, [row.name for row in rows_of(study, url)], ON_REQUEST)


class Stop(StrEnum):
    """What came of a wish that a study stops.

    ASKED is its driver; it is NOTED where it has none, for jobs that would go on with it; NEEDLESS
    where nothing is left to do, or it is stopped.
    """

    ASKED = "asked"
    NOTED = "noted"
    NEEDLESS = "needless"


def stop(study: str, url: str) -> Stop:
    """Have a study, or a search over many families, stop, and further jobs leave it alone.

    A job that somebody submits goes on with it, and so does a driver that is just starting.

    Raises:
        StudyNotFoundError: there is none of that name.
    """
    with Store.open(url, create=False) as store:
        if store.stop(study):
            return Stop.ASKED
        rows = {row.name: row for row in store.named([study])}
        if remaining(study, url) is not Remaining.OPEN:
            return Stop.NEEDLESS
        if study in rows:
            store.note_stop(rows[study], ON_REQUEST)
        else:
            store.note_stop_of_search(study)
        return Stop.NOTED


def _is_spent(row: StudyRow) -> bool:
    """Whether all that a study may try, or all its time, is spent."""
    limit = row.definition["study"].get("time_limit")
    if row.reason != LATE or limit is None:
        return row.state is StudyState.COMPLETE
    return row.seconds >= duration(limit) - kept_back(duration(limit))


def rows_of(study: str, url: str) -> list[StudyRow]:
    """A study, or those of a search over many families; none where the store has none."""
    try:
        with Store.open(url, create=False) as store:
            return store.named([study])
    except (NoDatabaseError, StudyNotFoundError):
        return []
