"""Requests over an unreliable network, against a server that fails in every way we know."""

import email.utils
import io
import time
from collections.abc import Iterator

import pytest
from http_server import BROKEN, SILENCE, Reply, Server, as_json, serving

from fesearch.datasets import _http
from fesearch.errors import FesearchError

BODY = {"data": list(range(1000))}
WHOLE = as_json(BODY)
KEPT = "Look at the network, or try again later; what has been fetched is kept."


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(lambda request: WHOLE) as running:
        yield running


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were to be waited, in a test that does not wait."""
    waited: list[float] = []
    monkeypatch.setattr(_http.time, "sleep", waited.append)
    return waited


def get(server: Server, most: int = 1 << 20) -> object:
    return _http.get_json(f"{server.url}/page", {"offset": "0"}, most=most)


def test_gives_what_the_server_has(server: Server, pauses: list[float]) -> None:
    assert get(server) == BODY
    assert [(request.path, request.query) for request in server.asked] == [
        ("/page", {"offset": "0"})
    ]
    assert server.asked[0].headers["User-Agent"].startswith("fesearch/")
    assert pauses == []


@pytest.mark.parametrize(
    "fault",
    [
        BROKEN,
        Reply(502),
        Reply(503),
        Reply(429),
        as_json(BODY, withheld=10),
        as_json(BODY, withheld=10, chunked=True),
        Reply(body=b'{"data": [1, 2'),
        Reply(body=b"<html>busy</html>"),
        Reply(body=b"\xff\xfe"),
        Reply(body=b"[" * 100_000),
    ],
    ids=["500", "502", "503", "429", "cut", "cut-chunks", "half", "html", "bytes", "deep"],
)
def test_tries_again_where_it_may_help(server: Server, pauses: list[float], fault: Reply) -> None:
    server.faults = [fault, fault]
    assert get(server) == BODY
    assert len(server.asked) == 3
    assert pauses == [1.0, 2.0]


def test_a_silent_server_is_asked_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_http, "TIMEOUT", 0.2)
    server.faults = [SILENCE]
    assert get(server) == BODY
    assert len(server.asked) == 2


def test_gives_up_at_last(server: Server, pauses: list[float]) -> None:
    server.answer = lambda request: BROKEN
    with pytest.raises(FesearchError) as caught:
        get(server)
    assert caught.value.message == (f"{server.host} answers 500 Internal Server Error, 5 times.")
    assert caught.value.hint == KEPT
    assert caught.value.exit_code == 1
    assert pauses == [1.0, 2.0, 4.0, 8.0]


def test_waits_as_long_as_it_is_told(server: Server, pauses: list[float]) -> None:
    then = email.utils.formatdate(time.time() + 30, usegmt=True)
    server.faults = [
        Reply(429, headers={"Retry-After": wish}) for wish in ("17", then, "0", "soon")
    ]
    assert get(server) == BODY
    assert pauses[0] == 17.0
    assert 20 < pauses[1] <= 30
    assert pauses[2:] == [4.0, 8.0]


def test_does_not_wait_for_an_hour(server: Server, pauses: list[float]) -> None:
    server.faults = [Reply(429, headers={"Retry-After": "3600"})]
    with pytest.raises(FesearchError) as caught:
        get(server)
    assert str(caught.value) == (
        f"{server.host} answers 429 Too Many Requests; it asks to wait 3600 s.\n{KEPT}"
    )
    assert pauses == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 204])
def test_an_answer_that_will_not_change_is_the_last(server: Server, status: int) -> None:
    server.faults = [Reply(status)]
    with pytest.raises(FesearchError, match=f"answers {status}"):
        get(server)
    assert len(server.asked) == 1


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_has_its_limit(server: Server, chunked: bool) -> None:
    server.faults = [Reply(body=b" " * (1 << 21), chunked=chunked)]
    with pytest.raises(FesearchError) as caught:
        get(server)
    assert caught.value.message == f"{server.host} sends more than 1 MB."


@pytest.mark.parametrize("length", ["abc", "-1", "9" * 5000])
def test_a_length_that_is_no_number_is_of_no_matter(server: Server, length: str) -> None:
    server.faults = [as_json(BODY, chunked=True, headers={"Content-Length": length})]
    assert get(server) == BODY


def test_a_body_that_drips_is_broken_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_http, "PATIENCE", -1e6)
    with pytest.raises(FesearchError) as caught:
        get(server)
    assert caught.value.message == f"{server.host} sends too slowly, 5 times."


def test_a_server_that_is_not_there(server: Server) -> None:
    with serving(lambda request: WHOLE) as gone:
        host = gone.host
    with pytest.raises(FesearchError) as caught:
        _http.get_json(f"http://{host}/page", {}, most=10)
    assert str(caught.value) == f"{host} cannot be reached, 5 times.\n{KEPT}"


def test_an_answer_that_leads_in_a_circle(server: Server) -> None:
    server.answer = lambda request: Reply(302, headers={"Location": "/page"})
    with pytest.raises(FesearchError) as caught:
        get(server)
    assert caught.value.message == f"{server.host} gives no usable answer (TooManyRedirects)."


def test_a_file_begins_anew_with_each_try(server: Server) -> None:
    server.answer = lambda request: Reply(body=b"x" * 150_000)
    server.faults = [Reply(body=b"y" * 200_000, withheld=10)]
    file, reports = io.BytesIO(), []
    _http.get_file(
        f"{server.url}/file",
        file,
        most=1 << 20,
        report=lambda done, total: reports.append((done, total)),
    )
    assert file.getvalue() == b"x" * 150_000
    assert reports[-1] == (150, 150)
