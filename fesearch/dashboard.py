"""Optuna's dashboard on the study database: to look at, never to change.

optuna-dashboard has no log-in, and its routes that delete, tell and upload are open. Three things
close them: only GET and HEAD pass, the connection to the database is itself read-only, and beyond
the loopback interface a token is asked for.
"""

import hmac
import ipaddress
import logging
import re
import secrets
import socket
import sqlite3
from collections.abc import Callable, Iterable
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from fesearch.errors import InputError, StudyNotFoundError
from fesearch.optional import require
from fesearch.store.engine import open_to_read, parse, shown, sqlite_file
from fesearch.store.snapshot import elsewhere

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

Environ: TypeAlias = dict[str, Any]
Application: TypeAlias = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

COOKIE = "fesearch-token"
STALLED_SECONDS = 30
_log = logging.getLogger(__name__)


class Refusal(NamedTuple):
    """An answer other than the page asked for."""

    status: str
    text: str
    headers: tuple[tuple[str, str], ...] = ()


class Guard:
    """Lets a WSGI request through to ``application`` if it only looks, and may.

    Args:
        application: what answers the requests let through.
        token: asked for once in the address, then kept in a cookie. Without one, requests must
            name a loopback host, since a web page elsewhere could point its own name here.
    """

    def __init__(self, application: Application, token: str | None = None) -> None:
        self._application = application
        self._token = token

    def __call__(self, environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        refusal = _writes(environ) or (
            self._without_token(environ) if self._token else _foreign_host(environ)
        )
        if refusal is None:
            return self._application(environ, start)
        text = f"{refusal.text}\n".encode()
        length = ("Content-Length", str(len(text)))
        start(refusal.status, [("Content-Type", "text/plain"), length, *refusal.headers])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [text]

    def _without_token(self, environ: Environ) -> Refusal | None:
        typed = parse_qs(environ.get("QUERY_STRING", "")).get("token", [""])[0]
        if self._is_token(typed):
            kept = f"{COOKIE}={typed}; Path=/; HttpOnly; SameSite=Strict"
            headers = (("Location", "/dashboard"), ("Set-Cookie", kept))
            return Refusal("303 See Other", "Welcome.", headers)
        try:
            morsel = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(COOKIE)
        except CookieError:
            morsel = None
        if morsel is not None and self._is_token(morsel.value):
            return None
        return Refusal("403 Forbidden", "Open the address with ?token= that fesearch printed.")

    def _is_token(self, given: str) -> bool:
        assert self._token is not None
        return hmac.compare_digest(given.encode(), self._token.encode())


class Server:
    """The dashboard of one study database, bound to its port when made.

    Args:
        url: SQLAlchemy URL of the study database, SQLite or PostgreSQL.
        host: address to listen on; any but loopback makes a token that visitors must give.
        port: 0 finds a free one.

    Raises:
        InputError: the URL cannot be read, optuna-dashboard is not installed, or the address
            cannot be had.
        StudyNotFoundError: no study has been started there.
    """

    def __init__(self, url: str, host: str = "127.0.0.1", port: int = 8080) -> None:
        dashboard = require("optuna_dashboard", "dashboard")
        self.token = None if is_loopback(host) else secrets.token_urlsafe(32)
        guard = Guard(dashboard.wsgi(read_only(url)), self.token)
        try:
            self._http = make_server(
                host, port, guard, _Http6 if ":" in host else _Http, _QuietHandler
            )
        except OSError as error:
            raise InputError(
                f"Cannot listen on {host} port {port}: {error.strerror}.",
                "Give another port, as in --port 0, which finds a free one.",
            ) from error
        self.host, self.port = host, self._http.server_port

    def addresses(self) -> list[str]:
        """Lines that say where to look."""
        if self.token is not None:
            return [f"Dashboard: {_address(_named(self.host), self.port)}?token={self.token}"]
        tunnel = f"ssh -L {self.port}:{self.host}:{self.port} {socket.gethostname()}"
        return [
            f"Dashboard: {_address(self.host, self.port)}",
            f"From another machine: {tunnel}, then {_address('localhost', self.port)} there.",
        ]

    def serve_forever(self) -> None:
        """Answer requests until interrupted, or until ``close`` in another thread."""
        self._http.serve_forever()

    def close(self) -> None:
        """Stop answering and give the port back."""
        self._http.shutdown()
        self._http.server_close()


def read_only(url: str) -> "RDBStorage":
    """Optuna's tables of a study database, on connections that cannot write.

    Raises:
        InputError: the URL is not one of SQLite or PostgreSQL.
        StudyNotFoundError: the database cannot be read or has no such tables.
    """
    from optuna.exceptions import StorageInternalError
    from optuna.storages import RDBStorage

    parsed = parse(url)
    path = sqlite_file(parsed)
    settings: dict[str, Any]
    if path is not None:
        settings = {"creator": lambda: _connection(path)}
        if snapshot := elsewhere(path):
            _log.warning("%s", snapshot)
    else:
        settings = {"connect_args": {"options": "-c default_transaction_read_only=on"}}
    full = parsed.render_as_string(hide_password=False)
    try:
        return RDBStorage(full, settings, skip_compatibility_check=True, skip_table_creation=True)
    except StorageInternalError as error:
        reason = str(getattr(error.__cause__, "orig", error)).strip().splitlines()[0]
        raise StudyNotFoundError(
            f"There are no studies yet in {shown(parsed)} ({reason}).",
            "Start one: fesearch study start smoke; or name another database with --storage.",
        ) from error


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Http(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Http6(_Http):
    address_family = socket.AF_INET6


class _QuietHandler(WSGIRequestHandler):
    timeout = STALLED_SECONDS

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        # Without the query, which may hold the token.
        _log.debug("%s %s %s", self.command, self.path.partition("?")[0], code)

    def log_message(self, format: str, *args: Any) -> None:
        _log.debug(format, *args)


def _writes(environ: Environ) -> Refusal | None:
    if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
        return Refusal(
            "405 Method Not Allowed", "This dashboard is read-only.", (("Allow", "GET, HEAD"),)
        )
    if environ.get("CONTENT_LENGTH") not in (None, "", "0") or "HTTP_TRANSFER_ENCODING" in environ:
        return Refusal("413 Content Too Large", "A request to look has no body.")
    return None


def _foreign_host(environ: Environ) -> Refusal | None:
    host = re.sub(r":\d+$", "", environ.get("HTTP_HOST", "")).strip("[]")
    if is_loopback(host):
        return None
    return Refusal("403 Forbidden", "This dashboard answers to localhost only.")


def _connection(path: Path) -> sqlite3.Connection:
    """To a database, or to its snapshot as long as another host has it."""
    snapshot = elsewhere(path)
    return open_to_read(snapshot.file if snapshot else path)


def _address(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def _named(host: str) -> str:
    """A host to type in a browser: this machine's name where ``host`` means every interface."""
    try:
        return socket.gethostname() if ipaddress.ip_address(host).is_unspecified else host
    except ValueError:
        return host
