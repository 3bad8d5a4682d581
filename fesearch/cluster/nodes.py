"""What a batch script asks: an address for Ray, whether all is there, whether anything is left."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from enum import StrEnum
from typing import TYPE_CHECKING

from fesearch.duration import duration, kept_back
from fesearch.errors import FesearchError, InputError

if TYPE_CHECKING:
    from fesearch.store.types import StudyRow

FIRST, PORTS = 10_000, 20_000
"""Ports to choose from: below those that Linux gives away by itself (32768 and up)."""
_SECONDS_BETWEEN = 2.0


def address(key: int) -> str:
    """HOST:PORT on this machine that other nodes reach and nobody listens at, nor at the next port.

    Args:
        key: of who asks, such as the number of a job: two who ask at the same time on one machine
            try different ports first.

    Raises:
        FesearchError: all ports are taken.
    """
    host = next(filter(_is_ours, _hosts()), "127.0.0.1")
    for step in range(PORTS // 2):
        port = FIRST + 2 * ((key + step) % (PORTS // 2))
        if _is_free(host, port) and _is_free(host, port + 1):
            return f"{host}:{port}"
    raise FesearchError(
        f"No port of {FIRST} to {FIRST + PORTS - 1} is free.", "End what listens there."
    )


def wait(address: str, nodes: int, seconds: float, study: str | None, url: str) -> int:
    """Wait until a Ray cluster has so many nodes, and no other driver has a study.

    A driver that was killed holds its study until its heartbeat is old: a minute, or three where
    the database is a file on a network file system.

    Returns:
        CPU cores of the cluster.

    Raises:
        InputError: the time is over; says how many nodes there are, or who drives the study.
    """
    deadline = time.monotonic() + seconds
    while True:
        problem, cores = _missing(address, nodes)
        if problem is None and study is not None:
            problem = _driven(study, url)
        if problem is None:
            return cores
        if time.monotonic() > deadline:
            raise problem
        time.sleep(_SECONDS_BETWEEN)


class Standing(StrEnum):
    """What a further job has left to do.

    A study is SPENT that is complete, or has had its time limit; STOPPED is what ``study stop`` has
    stopped since. In a search over many families nobody has a turn any more, or the one whose turn
    it is was stopped so.
    """

    OPEN = "open"
    STOPPED = "stopped"
    SPENT = "spent"


def standing(study: str, url: str) -> Standing:
    """Where a study stands, or a search over many families; it may not be there yet."""
    from fesearch.search import standings
    from fesearch.search.heartbeat import ON_REQUEST
    from fesearch.store.results import Store

    rows = {row.name: row for row in _rows(study, url)}
    if not rows:
        return Standing.OPEN
    if study in rows:
        stopped, spent = rows[study].reason == ON_REQUEST, _is_spent(rows[study])
    else:
        turn = standings.upcoming(many := standings.recorded(study, url), url)
        spent = turn is None
        waiting = None if turn is None else rows.get(many.studies[turn.family].name)
        with Store.open(url, create=False) as store:
            stopped = not spent and store.search_stopped(study)
        stopped = stopped or (waiting is not None and waiting.reason == ON_REQUEST)
    return Standing.SPENT if spent else Standing.STOPPED if stopped else Standing.OPEN


def events(study: str, url: str) -> int:
    """How often trials of a study, or of a search over many families, began, reported or ended.

    A job that leaves it as it was has brought the search no further, and neither would the next.
    """
    from fesearch.store.results import Store

    if not (rows := _rows(study, url)):
        return 0
    with Store.open(url, create=False) as store:
        return store.events(rows)


def go_on(study: str, url: str) -> None:
    """Forget that a study, or a search over many families, was stopped on request."""
    from fesearch.search.heartbeat import ON_REQUEST
    from fesearch.store.results import Store

    with Store.open(url, create=False) as store:
        store.forget_stop(study, [row.name for row in _rows(study, url)], ON_REQUEST)


def _is_spent(row: "StudyRow") -> bool:
    """Whether all that a study may try, or all its time, is spent."""
    from fesearch.search.core import LATE
    from fesearch.store.types import StudyState

    limit = row.definition["study"].get("time_limit")
    if row.reason != LATE or limit is None:
        return row.state is StudyState.COMPLETE
    return row.seconds >= duration(limit) - kept_back(duration(limit))


def _rows(study: str, url: str) -> list["StudyRow"]:
    """A study, or those of a search over many families; none where the store has none."""
    from fesearch.errors import NoDatabaseError, StudyNotFoundError
    from fesearch.store.results import Store

    try:
        with Store.open(url, create=False) as store:
            return store.named([study])
    except (NoDatabaseError, StudyNotFoundError):
        return []


def _missing(address: str, nodes: int) -> tuple[InputError | None, int]:
    """What is missing of a cluster, and its cores."""
    from fesearch import raysession

    try:
        with raysession.session(address=address) as cores:
            there = raysession.nodes()
    except InputError as error:
        return error, 0
    if there >= nodes:
        return None, cores
    missing = InputError(
        f"The Ray cluster at {address} has {there} of {nodes} nodes.",
        "See in the log of its nodes why the others are not there.",
    )
    return missing, cores


def _driven(study: str, url: str) -> InputError | None:
    """Why a study, or one of a search over many families, cannot be driven from here now."""
    from fesearch.store.results import Store

    if not (rows := _rows(study, url)):
        return None
    try:
        with Store.open(url, create=False) as store:
            store.refuse_searched(study)
            for row in rows:
                store.refuse_driven(row)
    except InputError as error:
        return error
    return None


def _hosts() -> Iterator[str]:
    """Addresses of this machine, those by which others know it first."""
    try:
        found = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
        yield from dict.fromkeys(str(one[4][0]) for one in found)
    except OSError:
        pass
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as asking:
        try:
            asking.connect(("10.255.255.255", 1))  # nothing is sent: it chooses the way out
            yield str(asking.getsockname()[0])
        except OSError:  # there is no way out
            pass


def _is_ours(host: str) -> bool:
    """Whether others can reach this machine there: it is no loopback, and on a network card."""
    return not host.startswith("127.") and _is_free(host, 0)


def _is_free(host: str, port: int) -> bool:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as listening:
        try:
            listening.bind((host, port))
        except OSError:
            return False
        return True
