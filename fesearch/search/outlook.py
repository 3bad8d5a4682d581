"""What is left to do for a later driver: of a study, or of a search over many families."""

from enum import StrEnum
from pathlib import Path

from fesearch.duration import duration, kept_back
from fesearch.errors import NoDatabaseError, StudyNotFoundError
from fesearch.search import standings
from fesearch.search.checkpoint import CHECKPOINT
from fesearch.search.commonbudget import CommonBudget
from fesearch.search.core import LATE
from fesearch.search.folder import study_folder
from fesearch.search.heartbeat import ON_REQUEST
from fesearch.store.results import Store
from fesearch.store.types import StudyRow, StudyState


class Outlook(StrEnum):
    """What a further job has left to do.

    A study is SPENT that is complete, or has had its time limit; STOPPED is what ``study stop`` has
    stopped since. In a search over many families nobody has a turn any more, or the one whose turn
    it is was stopped so.
    """

    OPEN = "open"
    STOPPED = "stopped"
    SPENT = "spent"


def outlook(study: str, url: str) -> Outlook:
    """Where a study stands, or a search over many families; it may not be there yet."""
    rows = {row.name: row for row in rows_of(study, url)}
    if not rows:
        return Outlook.OPEN
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
    return Outlook.SPENT if spent else Outlook.STOPPED if stopped else Outlook.OPEN


def progress(study: str, url: str) -> str:
    """How far a study has come, or a search over many families: another text after any step.

    A job that leaves it as it was has brought the search no further, and neither would the next.
    Of what a trial does, its reports count, and its checkpoints, which come within an epoch too.
    """
    if not (rows := rows_of(study, url)):
        return "0"
    with Store.open(url, create=False) as store:
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


def leave(study: str, url: str) -> bool:
    """Have further jobs leave alone what nobody drives now, as after ``study stop``.

    Returns:
        whether there was anything left to do.

    Raises:
        StudyNotFoundError: there is none of that name.
        InputError: somebody drives it.
    """
    with Store.open(url, create=False) as store:
        rows = {row.name: row for row in store.named([study])}
        if outlook(study, url) is not Outlook.OPEN:
            return False
        if study in rows:
            store.note_stop(rows[study], ON_REQUEST)
        else:
            store.note_stop_of_search(study)
        return True


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
