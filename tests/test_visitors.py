"""Who may ask a dashboard for what: hosts, tokens, methods, sizes and patience."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from looking import ask, serving, studies

from fesearch.dashboard import Guard, Server, connections, is_loopback


def test_refuses_a_request_with_a_body(dashboard: Server) -> None:
    refused = (413, "A request to look has no body.\n")
    assert ask(dashboard, "GET", "/api/studies", "x") == refused
    chunked = {"Transfer-Encoding": "chunked"}
    assert ask(dashboard, "GET", "/api/studies", **chunked) == refused


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "10.0.0.1", ""])
def test_refuses_names_of_others(dashboard: Server, host: str) -> None:
    assert ask(dashboard, "GET", "/api/studies", Host=host) == (
        403,
        "This dashboard answers to localhost only.\n",
    )


@pytest.mark.parametrize("host", ["localhost:9000", "127.0.0.1", "[::1]:8080"])
def test_answers_through_a_tunnel(dashboard: Server, host: str) -> None:
    assert ask(dashboard, "GET", "/api/studies", Host=host)[0] == 200


def test_a_refused_head_has_no_body(dashboard: Server) -> None:
    assert ask(dashboard, "HEAD", "/api/studies", Host="evil.example") == (403, "")


def test_beyond_loopback_a_token_is_asked_for(optuna_url: str) -> None:
    with serving(Server(optuna_url, "0.0.0.0", 0)) as server:
        assert server.token is not None
        assert server.addresses()[0].endswith(f"/?token={server.token}")
        closed = (403, "Open the address with ?token= that fesearch printed.\n")
        assert ask(server, "GET", "/api/studies") == closed
        assert ask(server, "GET", "/api/studies?token=wrong") == closed
        name = f"fesearch-token-{server.port}"
        assert ask(server, "GET", "/api/studies", Cookie=f"{name}=wr\u00f6ng") == closed
        assert ask(server, "GET", "/api/studies", Cookie=name) == closed
        assert ask(server, "GET", f"/?token={server.token}")[0] == 303
        cookie = f"{name}={server.token}"
        host = f"node7:{server.port}"
        assert ask(server, "GET", "/api/studies", Cookie=cookie, Host=host)[0] == 200
        bare = f"fesearch-token={server.token}"
        assert ask(server, "GET", "/api/studies", Cookie=bare, Host="node7")[0] == 200
        assert ask(server, "DELETE", "/api/studies/1", Cookie=cookie)[0] == 405


@pytest.fixture
def writable(optuna_url: str) -> Iterator[Server]:
    with serving(Server(optuna_url, port=0, writable=True)) as server:
        yield server


def test_what_is_asked_to_be_writable_can_be_written_to(writable: Server) -> None:
    body = json.dumps({"body": "good", "version": 1})
    kind = {"Content-Type": "application/json"}
    assert ask(writable, "PUT", "/api/studies/1/note", body, **kind)[0] == 204
    same = {"Origin": f"http://127.0.0.1:{writable.port}", "Sec-Fetch-Site": "same-origin"}
    assert ask(writable, "DELETE", "/api/studies/1", "{}", **kind, **same)[0] == 204
    assert studies(writable) == []
    assert ask(writable, "PATCH", "/api/studies") == (405, "No such method.\n")


@pytest.mark.parametrize(
    "said",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_page_cannot_write(writable: Server, said: dict[str, str]) -> None:
    refused = (403, "Another web page may not write here.\n")
    assert ask(writable, "DELETE", "/api/studies/1", **said) == refused
    assert studies(writable) == ["irnet-smoke"]


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"Content-Length": str(2**20 + 1)}, 413),
        ({"Content-Length": "9" * 5000}, 413),
        ({"Content-Length": "-1"}, 411),
        ({"Transfer-Encoding": "chunked"}, 411),
    ],
)
def test_a_body_is_of_a_known_and_small_size(
    writable: Server, said: dict[str, str], status: int
) -> None:
    assert ask(writable, "PUT", "/api/studies/1/note", **said)[0] == status


@pytest.mark.parametrize(
    "head", [b"GET /" + b"a" * 70_000, b"GET / HTTP/1.0\r\n" + b"X: y\r\n" * 200]
)
def test_a_request_has_a_limit(dashboard: Server, head: bytes) -> None:
    with closing(socket.create_connection((dashboard.host, dashboard.port), 10)) as visitor:
        visitor.sendall(head + b"\r\n\r\n")
        try:
            said = visitor.recv(1000)
        except ConnectionResetError:  # what was sent too much is not read
            said = b""
    assert b" 200 " not in said


def test_slow_visitors_hold_nothing(dashboard: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LONGEST_SECONDS", 0.2)
    began, ended = time.monotonic(), False
    with closing(socket.create_connection((dashboard.host, dashboard.port), 10)) as dripping:
        while not ended and time.monotonic() - began < 10:
            try:
                dripping.sendall(b"G")
            except OSError:
                ended = True
            time.sleep(0.05)
    assert ended


def test_too_many_visitors_end_the_oldest(
    dashboard: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 2)
    waiting = [socket.create_connection((dashboard.host, dashboard.port), 10) for _ in range(2)]
    time.sleep(0.2)
    assert studies(dashboard) == ["irnet-smoke"]
    assert waiting[0].recv(1) == b""
    for one in waiting:
        one.close()


def test_the_token_becomes_a_cookie_that_scripts_cannot_read() -> None:
    answers: list[tuple[str, list[tuple[str, str]]]] = []
    guard = Guard(lambda environ, start: [b"seen"], token="secret")
    environ = {"REQUEST_METHOD": "GET", "QUERY_STRING": "token=secret"}
    guard(environ, lambda status, headers: answers.append((status, headers)))
    status, headers = answers[0]
    assert status == "303 See Other"
    assert ("Location", "/") in headers
    kept = "fesearch-token=secret; Path=/; HttpOnly; SameSite=Lax"
    assert ("Set-Cookie", kept) in headers


@pytest.mark.parametrize("host", ["node7:8080", "[::1]:8080", "localhost:9000", "node7"])
def test_two_dashboards_of_a_host_keep_a_visitor_each(host: str) -> None:
    """Browsers send the cookies of a host to all of its ports."""
    one, other = (Guard(lambda environ, start: [b"seen"], token) for token in ("first", "second"))
    jar: dict[str, str] = {}

    def ask_for(guard: Guard, host: str, query: str) -> str:
        said: list[tuple[str, list[tuple[str, str]]]] = []
        environ = {"REQUEST_METHOD": "GET", "QUERY_STRING": query, "HTTP_HOST": host}
        environ["HTTP_COOKIE"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        seen = guard(environ, lambda status, headers: said.append((status, headers)))
        for header, value in said[0][1] if said else ():
            if header == "Set-Cookie":
                called, _, kept = value.partition(";")[0].partition("=")
                jar[called] = kept
        return said[0][0][:3] if said else b"".join(seen).decode()

    for guard, place, token in ((one, host, "first"), (other, "node7:8081", "second")):
        assert ask_for(guard, place, f"token={token}") == "303"
    assert ask_for(one, host, "") == ask_for(other, "node7:8081", "") == "seen"
    assert ask_for(other, host, "") == "403"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True), ("127.0.0.1", True), ("127.8.9.1", True), ("::1", True),
        ("0.0.0.0", False), ("::", False), ("192.168.1.2", False), ("localhost.evil", False),
        ("", False),
    ],
)  # fmt: skip
def test_what_loopback_is(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
