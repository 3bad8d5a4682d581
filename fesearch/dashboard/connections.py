"""The HTTP server: a thread a connection, and an end to those that take too long."""

import logging
import socket
import threading
import time
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

STALLED_SECONDS = 30.0
"""Without a byte from or to a visitor."""
LONGEST_SECONDS = 300.0
"""Of one request with its answer, however steadily the bytes drip."""
MOST_CONNECTIONS = 128
_log = logging.getLogger(__name__)


class Http(ThreadingMixIn, WSGIServer):
    """A server that no visitor can hold: the oldest connection ends where there are too many."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *given: Any, **named: Any) -> None:
        self._open: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        super().__init__(*given, **named)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own; see ``ThreadingMixIn``."""
        with self._lock:
            if len(self._open) >= MOST_CONNECTIONS:
                _end(next(iter(self._open)))  # in the order in which they came
            self._open[request] = time.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """A connection is over; see ``BaseServer``."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """End the connections that have lasted too long; the server asks twice a second."""
        late = time.monotonic() - LONGEST_SECONDS
        with self._lock:
            for request, since in self._open.items():
                if since < late:
                    _end(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A visitor who went away is no news."""
        _log.debug("A connection from %s failed", client_address, exc_info=True)


class Http6(Http):
    """The same for an address of IPv6."""

    address_family = socket.AF_INET6


class QuietHandler(WSGIRequestHandler):
    """Logs when asked to, and never a token."""

    timeout = STALLED_SECONDS

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        # Without the query, which may hold the token.
        _log.debug("%s %s %s", self.command, self.path.partition("?")[0], code)

    def log_message(self, format: str, *args: Any) -> None:
        _log.debug(format, *args)


def _end(connection: socket.socket) -> None:
    """Wake the thread that reads or writes it, which then ends."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
