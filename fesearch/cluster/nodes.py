"""What a batch script asks: an address for Ray, and whether all is there."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing

from fesearch.errors import FesearchError, InputError

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
    from fesearch.search.remaining import rows_of
    from fesearch.store.results import Store

    if not (rows := rows_of(study, url)):
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
