"""GET over an unreliable network: tried again where it may help, and no body taken for whole.

What goes wrong ends in a `FesearchError` of two lines that names the host, never the whole URL.
"""

import email.utils
import json
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from io import BytesIO
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit

from fesearch import __version__
from fesearch.errors import FesearchError

T = TypeVar("T")

TRIES = 5
FIRST_PAUSE = 1.0  # seconds before the second try, then twice as long each time
LONGEST_PAUSE = 300.0  # seconds a server may ask for; beyond it the user decides
TIMEOUT = 120.0  # seconds without an answer: a full page takes OQMD the better part of a minute
SLOWEST = 1024.0  # bytes a second, on the average of a body
PATIENCE = 120.0  # seconds that a body may take on top
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_HINT = "Look at the network, or try again later; what has been fetched is kept."

log = logging.getLogger(__name__)


class AgainError(Exception):
    """A try failed that may be repeated; its text goes on after the name of the host.

    Attributes:
        pause: seconds the server asked to wait, or None.
    """

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


def get_json(url: str, query: Mapping[str, str], *, most: int) -> Any:
    """The JSON value at ``url``.

    Args:
        query: parameters of the URL.
        most: bytes that the body may have.

    Raises:
        FesearchError: there is none to be had.
    """

    def once() -> Any:
        body = BytesIO()
        _receive(url, query, body, most, lambda done, total: None)
        try:
            return json.loads(body.getvalue())
        except (ValueError, RecursionError):
            raise AgainError("sent no JSON") from None

    return patiently(urlsplit(url).netloc, once)


def get_file(url: str, file: IO[bytes], *, most: int, report: Callable[[int, int], None]) -> None:
    """Fill ``file`` with the body at ``url``.

    Args:
        most: bytes that the body may have.
        report: called with (kB done, kB in all), where the server says how many.

    Raises:
        FesearchError: it is not to be had.
    """

    def once() -> None:
        file.seek(0)
        file.truncate()
        _receive(url, {}, file, most, report)

    patiently(urlsplit(url).netloc, once)


def patiently(host: str, once: Callable[[], T]) -> T:
    """What ``once`` returns, at the first try that does not raise `AgainError`.

    Args:
        host: what is asked, for messages.

    Raises:
        FesearchError: no try does, or the server asks for a pause that is too long.
    """
    pause = FIRST_PAUSE
    for left in reversed(range(TRIES)):
        try:
            return once()
        except AgainError as failure:
            reason, wish = str(failure), failure.pause
        if wish is not None and wish > LONGEST_PAUSE:
            raise FesearchError(f"{host} {reason}; it asks to wait {wish:.0f} s.", _HINT)
        if left:
            seconds = max(wish or 0.0, pause)
            log.info("%s %s; trying again in %.0f s", host, reason, seconds)
            time.sleep(seconds)
            pause *= 2
    raise FesearchError(f"{host} {reason}, {TRIES} times.", _HINT)


def _receive(
    url: str,
    query: Mapping[str, str],
    file: IO[bytes],
    most: int,
    report: Callable[[int, int], None],
) -> None:
    """One try: write the body to ``file``.

    Raises:
        AgainError: no answer, a busy server, or a body that is cut short.
        FesearchError: an answer that will not change, or a body of more than ``most`` bytes.
    """
    import requests

    began, done = time.monotonic(), 0
    headers = {"User-Agent": f"fesearch/{__version__}"}
    try:
        with requests.get(
            url, params=query, headers=headers, stream=True, timeout=TIMEOUT
        ) as response:
            _check(url, response.status_code, response.reason, response.headers)
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isdecimal() and len(length) < 20 else 0
            for piece in response.iter_content(1 << 16):
                done += len(piece)
                if max(done, total) > most:
                    _refuse(url, f"sends more than {most // 2**20} MB")
                if time.monotonic() - began > PATIENCE + done / SLOWEST:
                    raise AgainError("sends too slowly")
                file.write(piece)
                report(-(-done // 1000), -(-total // 1000))
    except requests.Timeout:
        raise AgainError(f"did not answer within {TIMEOUT:.0f} s") from None
    except requests.exceptions.ChunkedEncodingError:
        raise AgainError("ended its answer too early") from None
    except requests.ConnectionError:
        raise AgainError("cannot be reached") from None
    except requests.RequestException as error:
        _refuse(url, f"gives no usable answer ({type(error).__name__})")


def _check(url: str, status: int, reason: str | None, headers: Mapping[str, str]) -> None:
    """Refuse what is no success, for now or for good."""
    if status == 200:
        return
    answer = f"answers {status} {reason or ''}".rstrip()
    if status in _AGAIN:
        raise AgainError(answer, _retry_after(headers.get("Retry-After", "")))
    _refuse(url, answer)


def _retry_after(text: str) -> float | None:
    """Seconds, of a header that has seconds or a date."""
    if text.isdecimal():
        return float(text)
    try:
        then = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (then.replace(tzinfo=then.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _refuse(url: str, what: str) -> None:
    host = urlsplit(url).netloc
    raise FesearchError(f"{host} {what}.", "Look at what was asked for, or try again later.")
