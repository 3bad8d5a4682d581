"""The dashboard of one study database, bound to a port."""

import os
import secrets
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from wsgiref.simple_server import make_server

from fesearch.dashboard.connections import Http, Http6, QuietHandler
from fesearch.dashboard.guard import Guard, is_loopback
from fesearch.dashboard.pages import Pages
from fesearch.errors import InputError
from fesearch.ranking.published import Publication
from fesearch.store.results import Store


class Server:
    """The dashboard of one study database, bound to its port when made.

    Args:
        url: SQLAlchemy URL of the study database, SQLite or PostgreSQL.
        host: address to listen on; any but loopback makes a token that visitors must give.
        port: 0 finds a free one.
        writable: optuna-dashboard's routes that write are open, to notes and deletions among
            others; its tables are a copy of ours, which stay as they are.
        beside: published values, shown below the rankings they belong to.
        models: folders of exported models, which have a page each.

    Raises:
        InputError: the URL or the database cannot be read, the address cannot be had, or another
            host has the database that is to be written to; or a model is not what was exported.
        NoDatabaseError: no study has been started there.
    """

    def __init__(
        self,
        url: str,
        host: str = "127.0.0.1",
        port: int = 8080,
        writable: bool = False,
        *,
        beside: Publication | None = None,
        models: Sequence[str] = (),
    ) -> None:
        (Store.open if writable else Store.look)(url).close()
        self.writable = writable
        self.token = None if is_loopback(host) else secrets.token_urlsafe(32)
        self._pages = Pages(url, writable, beside, models)
        guard = Guard(self._pages, self.token, writable)
        try:
            self._http = make_server(
                host, port, guard, Http6 if ":" in host else Http, QuietHandler
            )
        except OSError as error:
            self._pages.close()
            raise InputError(
                f"Cannot listen on {host} port {port}: {error.strerror}.",
                "Give another port, as in --port 0, which finds a free one.",
            ) from error
        self.host, self.port = host, self._http.server_port

    def addresses(self) -> list[str]:
        """Lines that say where to look."""
        if self.token is not None:
            return [f"Dashboard: {_address(_named(self.host), self.port)}?token={self.token}"]
        host = f"[{self.host}]" if ":" in self.host else self.host
        tunnel = f"ssh -L {self.port}:{host}:{self.port} {_login()}"
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
        self._pages.close()


def _login() -> str:
    """How to come here from elsewhere; by the address that is known to work, where there is one."""
    user, given = os.environ.get("USER"), os.environ.get("SSH_CONNECTION", "").split()
    host = given[2] if len(given) == 4 else socket.gethostname()
    return f"{user}@{host}" if user else host


def _address(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def _named(host: str) -> str:
    """A host to type in a browser: this machine's name where ``host`` means every interface."""
    try:
        return socket.gethostname() if ip_address(host).is_unspecified else host
    except ValueError:
        return host
