"""The dashboard's server: read-only whatever is asked of it, and to visitors who may."""

import http.client
import json
import shutil
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest

from fesearch.cli.app import run
from fesearch.dashboard import Guard, Server, connections, is_loopback, read_only, suggestions
from fesearch.errors import InputError, NoDatabaseError, StudyNotFoundError
from fesearch.store.engine import WAIT_SECONDS
from fesearch.store.results import Store


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of ours in which Optuna has one study of three trials."""
    path = tmp_path_factory.mktemp("dashboard") / "fesearch.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    Store.open(f"sqlite:///{path}").close()
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    study = optuna.create_study(storage=storage, study_name="irnet-smoke")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    storage.engine.dispose()
    return path


@pytest.fixture
def url(database: Path, tmp_path: Path) -> str:
    """The URL of a copy of it, in a folder with awkward letters."""
    folder = tmp_path / "my studies #1"
    folder.mkdir()
    return f"sqlite:///{shutil.copy(database, folder)}"


@pytest.fixture
def server(url: str) -> Iterator[Server]:
    yield from serving(Server(url, port=0))


def serving(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.close()
    thread.join()


def ask(
    server: Server, method: str, path: str, body: str | None = None, **headers: str
) -> tuple[int, str]:
    # A minute: optuna-dashboard is imported for its first page.
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def studies(server: Server) -> list[str]:
    status, text = ask(server, "GET", "/api/studies")
    assert status == 200
    return [study["study_name"] for study in json.loads(text)["study_summaries"]]


def test_shows_studies_and_trials(server: Server) -> None:
    assert studies(server) == ["irnet-smoke"]
    _, text = ask(server, "GET", "/api/studies/1?after=0")
    assert len(json.loads(text)["trials"]) == 3


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/api/studies/1"),
        ("POST", "/api/studies"),
        ("POST", "/api/studies/1/rename"),
        ("POST", "/api/trials/1/tell"),
        ("PUT", "/api/studies/1/note"),
        ("OPTIONS", "/api/studies"),
        ("PATCH", "/dashboard"),
    ],
)
def test_refuses_every_method_that_writes(server: Server, method: str, path: str) -> None:
    assert ask(server, method, path, "{}") == (405, "This dashboard is read-only.\n")
    assert studies(server) == ["irnet-smoke"]


def test_the_connection_itself_cannot_write(url: str) -> None:
    storage = read_only(url)
    with pytest.raises(optuna.exceptions.StorageInternalError) as caught:
        storage.delete_study(1)
    assert "readonly database" in str(caught.value.__cause__)
    assert len(storage.get_all_studies()) == 1
    storage.engine.dispose()


def test_looking_changes_no_byte_and_locks_nothing(server: Server, url: str) -> None:
    path = Path(url.removeprefix("sqlite:///"))
    before = path.read_bytes()
    studies(server)
    ask(server, "GET", "/api/studies/1?after=0")
    assert path.read_bytes() == before
    with sqlite3.connect(path, timeout=0) as connection:
        connection.execute("BEGIN EXCLUSIVE")
    connection.close()


def test_sees_what_a_running_search_adds(url: str) -> None:
    writer = sqlite3.connect(url.removeprefix("sqlite:///"))
    writer.execute("PRAGMA journal_mode = WAL")  # the mode of our store
    storage = read_only(url)
    assert len(storage.get_all_trials(1)) == 3
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM trials WHERE number = 2")
    assert len(storage.get_all_trials(1)) == 3
    writer.commit()
    writer.close()
    later = read_only(url)  # Optuna keeps what it has read of a finished trial
    assert len(later.get_all_trials(1)) == 2
    later.engine.dispose()
    storage.engine.dispose()


def test_refuses_a_request_with_a_body(server: Server) -> None:
    refused = (413, "A request to look has no body.\n")
    assert ask(server, "GET", "/api/studies", "x") == refused
    chunked = {"Transfer-Encoding": "chunked"}
    assert ask(server, "GET", "/api/studies", **chunked) == refused


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "10.0.0.1", ""])
def test_refuses_names_of_others(server: Server, host: str) -> None:
    assert ask(server, "GET", "/api/studies", Host=host) == (
        403,
        "This dashboard answers to localhost only.\n",
    )


@pytest.mark.parametrize("host", ["localhost:9000", "127.0.0.1", "[::1]:8080"])
def test_answers_through_a_tunnel(server: Server, host: str) -> None:
    assert ask(server, "GET", "/api/studies", Host=host)[0] == 200


def test_a_refused_head_has_no_body(server: Server) -> None:
    assert ask(server, "HEAD", "/api/studies", Host="evil.example") == (403, "")


def test_says_where_to_look(server: Server) -> None:
    first, second = server.addresses()
    assert first == f"Dashboard: http://127.0.0.1:{server.port}/"
    assert f"ssh -L {server.port}:127.0.0.1:{server.port} " in second


def test_beyond_loopback_a_token_is_asked_for(url: str) -> None:
    server = Server(url, "0.0.0.0", 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
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
    finally:
        server.close()
        thread.join()


@pytest.fixture
def writable(url: str) -> Iterator[Server]:
    yield from serving(Server(url, port=0, writable=True))


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
def test_a_request_has_a_limit(server: Server, head: bytes) -> None:
    with closing(socket.create_connection((server.host, server.port), 10)) as visitor:
        visitor.sendall(head + b"\r\n\r\n")
        try:
            said = visitor.recv(1000)
        except ConnectionResetError:  # what was sent too much is not read
            said = b""
    assert b" 200 " not in said


def test_slow_visitors_hold_nothing(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LONGEST_SECONDS", 0.2)
    began, ended = time.monotonic(), False
    with closing(socket.create_connection((server.host, server.port), 10)) as dripping:
        while not ended and time.monotonic() - began < 10:
            try:
                dripping.sendall(b"G")
            except OSError:
                ended = True
            time.sleep(0.05)
    assert ended


def test_too_many_visitors_end_the_oldest(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 2)
    waiting = [socket.create_connection((server.host, server.port), 10) for _ in range(2)]
    time.sleep(0.2)
    assert studies(server) == ["irnet-smoke"]
    assert waiting[0].recv(1) == b""
    for one in waiting:
        one.close()


def test_the_way_in_is_the_one_that_is_known_to_work(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USER", "ada")
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.9 50000 10.0.0.1 22")
    assert f"ssh -L {server.port}:127.0.0.1:{server.port} ada@10.0.0.1," in server.addresses()[1]


def test_without_the_extra_all_else_works(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    status, text = ask(server, "GET", "/dashboard")
    assert status == 503
    assert "pip install &#39;fesearch[dashboard]&#39;" in text
    assert ask(server, "GET", "/")[0] == 200


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


def test_ctrl_c_closes_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[Server] = []

    def interrupted(server: Server) -> None:
        raise KeyboardInterrupt

    def close(server: Server) -> None:
        server._http.server_close()  # without the wait for an end of what never began
        server._pages.close()
        closed.append(server)

    monkeypatch.setattr(Server, "serve_forever", interrupted)
    monkeypatch.setattr(Server, "close", close)
    assert run(["dashboard", "--storage", url, "--port", "0"]) == 130
    assert len(closed) == 1


def test_postgresql_has_our_options_and_those_of_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []
    monkeypatch.setattr(suggestions, "_storage", lambda url, settings: made.append(settings))
    at = "postgresql://ada@host/studies"
    for query in ("", "?options=-csearch_path%3Dours&connect_timeout=3"):
        suggestions.read_only(at + query)
    suggestions.writing(at)
    closed = "-c default_transaction_read_only=on"
    vanished = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
    vanished["tcp_user_timeout"] = 60_000  # milliseconds; of a host that closes no connection
    assert [one["connect_args"] for one in made] == [
        {"connect_timeout": WAIT_SECONDS, **vanished, "options": closed},
        {**vanished, "options": f"-csearch_path=ours {closed}"},
        {"connect_timeout": WAIT_SECONDS, **vanished},
    ]
    assert all(one["pool_pre_ping"] for one in made)


def test_optunas_tables_may_be_missing(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "empty.db").close()
    url = f"sqlite:///{tmp_path}/empty.db"
    with pytest.raises(StudyNotFoundError) as caught:
        read_only(url)
    assert (
        caught.value.message == f"There are no studies yet in {url} (no such table: version_info)."
    )
    assert caught.value.hint.startswith("Start one: fesearch study start smoke")


def test_no_database_is_made_by_looking_for_one(tmp_path: Path) -> None:
    with pytest.raises(NoDatabaseError, match="There is no database"):
        Server(f"sqlite:///{tmp_path}/none.db", port=0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["fesearch.db", "mysql://me:secret@host/db", "sqlite://"])
def test_refuses_other_urls_without_their_password(url: str) -> None:
    with pytest.raises(InputError) as caught:
        Server(url, port=0)
    assert "secret" not in str(caught.value)
    assert caught.value.hint.startswith("Give --storage sqlite:///FILE.db")


def test_postgresql_is_read_only_too(postgresql_url: str) -> None:
    driver = postgresql_url.replace("postgresql://", "postgresql+psycopg://")
    writing = optuna.storages.RDBStorage(driver)
    optuna.create_study(storage=writing, study_name="irnet-smoke")
    storage = read_only(postgresql_url)
    with pytest.raises(optuna.exceptions.StorageInternalError) as caught:
        storage.delete_study(1)
    assert "read-only transaction" in str(caught.value.__cause__)
    assert [study.study_name for study in storage.get_all_studies()] == ["irnet-smoke"]
    storage.engine.dispose()
    writing.engine.dispose()


def test_a_port_in_use(server: Server, url: str) -> None:
    with pytest.raises(InputError) as caught:
        Server(url, port=server.port)
    assert caught.value.message == (
        f"Cannot listen on 127.0.0.1 port {server.port}: Address already in use."
    )
    assert caught.value.hint == "Give another port, as in --port 0, which finds a free one."


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
