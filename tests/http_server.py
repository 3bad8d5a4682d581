"""A server on this machine that answers as tests tell it, its faults included."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit


class Request(NamedTuple):
    """What was asked for."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Reply:
    """An answer.

    Attributes:
        withheld: bytes of the body that are announced and not sent.
        chunked: send the body in chunks, without a length; withheld bytes end it without the last.
        silent: wait until the server ends, and send nothing.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    withheld: int = 0
    chunked: bool = False
    silent: bool = False


def as_json(value: Any, **rest: Any) -> Reply:
    """A reply with a JSON body."""
    return Reply(body=json.dumps(value).encode(), **rest)


SILENCE = Reply(silent=True)
BROKEN = Reply(500)


class Server(ThreadingHTTPServer):
    """Answers each request with the next of ``faults``, and once there are none by ``answer``.

    Attributes:
        asked: all requests so far.
        faults: None is no fault.
    """

    daemon_threads = True

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.asked: list[Request] = []
        self.faults: list[Reply | None] = []
        self.ending = threading.Event()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        request = Request(parts.path, dict(parse_qsl(parts.query)), dict(self.headers))
        self.server.asked.append(request)
        fault = self.server.faults.pop(0) if self.server.faults else None
        reply = fault or self.server.answer(request)
        if reply.silent:
            self.server.ending.wait(60)
            self.close_connection = True
        else:
            self._send(reply)

    def _send(self, reply: Reply) -> None:
        body = reply.body[: len(reply.body) - reply.withheld]
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            body = b"%x\r\n%s\r\n" % (len(body), body) + (b"" if reply.withheld else b"0\r\n\r\n")
        else:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.close_connection or bool(reply.withheld)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


@contextmanager
def serving(answer: Callable[[Request], Reply]) -> Iterator[Server]:
    """A server that runs while the block does."""
    with Server(answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.ending.set()
            server.shutdown()
            thread.join()


def oqmd(entries: Sequence[Mapping[str, Any]]) -> Callable[[Request], Reply]:
    """OQMD's API over these entries: the fields asked for, from an offset on, up to a limit."""

    def answer(request: Request) -> Reply:
        start, limit = int(request.query["offset"]), int(request.query["limit"])
        fields = request.query["fields"].split(",")
        some = entries[start : start + limit]
        more = start + limit < len(entries)
        return as_json(
            {
                "links": {"next": "…" if more else None, "previous": None, "base_url": {}},
                "resource": {},
                "data": [{name: entry[name] for name in fields} for entry in some],
                "meta": {
                    "query": {"representation": request.path},
                    "api_version": "1.0",
                    "time_stamp": "2026-11-20 12:00:00",
                    "data_returned": len(some),
                    "data_available": len(entries),
                    "comments": "",
                    "query_tree": "",
                    "more_data_available": more or start > 0,
                },
                "response_message": "OK",
            }
        )

    return answer
