"""The dashboard's server: what it shows, read-only whatever is asked of it."""

import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from looking import ask, studies

from fesearch.cli.app import run
from fesearch.dashboard import Server, read_only, suggestions
from fesearch.errors import InputError, NoDatabaseError, StudyNotFoundError
from fesearch.store.engine import WAIT_SECONDS


def test_shows_studies_and_trials(dashboard: Server) -> None:
    assert studies(dashboard) == ["irnet-smoke"]
    _, text = ask(dashboard, "GET", "/api/studies/1?after=0")
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
def test_refuses_every_method_that_writes(dashboard: Server, method: str, path: str) -> None:
    assert ask(dashboard, method, path, "{}") == (405, "This dashboard is read-only.\n")
    assert studies(dashboard) == ["irnet-smoke"]


def test_the_connection_itself_cannot_write(optuna_url: str) -> None:
    storage = read_only(optuna_url)
    with pytest.raises(optuna.exceptions.StorageInternalError) as caught:
        storage.delete_study(1)
    assert "readonly database" in str(caught.value.__cause__)
    assert len(storage.get_all_studies()) == 1
    storage.engine.dispose()


def test_looking_changes_no_byte_and_locks_nothing(dashboard: Server, optuna_url: str) -> None:
    path = Path(optuna_url.removeprefix("sqlite:///"))
    before = path.read_bytes()
    studies(dashboard)
    ask(dashboard, "GET", "/api/studies/1?after=0")
    assert path.read_bytes() == before
    with sqlite3.connect(path, timeout=0) as connection:
        connection.execute("BEGIN EXCLUSIVE")
    connection.close()


def test_sees_what_a_running_search_adds(optuna_url: str) -> None:
    writer = sqlite3.connect(optuna_url.removeprefix("sqlite:///"))
    writer.execute("PRAGMA journal_mode = WAL")  # the mode of our store
    storage = read_only(optuna_url)
    assert len(storage.get_all_trials(1)) == 3
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM trials WHERE number = 2")
    assert len(storage.get_all_trials(1)) == 3
    writer.commit()
    writer.close()
    later = read_only(optuna_url)  # Optuna keeps what it has read of a finished trial
    assert len(later.get_all_trials(1)) == 2
    later.engine.dispose()
    storage.engine.dispose()


def test_says_where_to_look(dashboard: Server) -> None:
    first, second = dashboard.addresses()
    assert first == f"Dashboard: http://127.0.0.1:{dashboard.port}/"
    assert f"ssh -L {dashboard.port}:127.0.0.1:{dashboard.port} " in second


def test_the_way_in_is_the_one_that_is_known_to_work(
    dashboard: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USER", "ada")
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.9 50000 10.0.0.1 22")
    assert (
        f"ssh -L {dashboard.port}:127.0.0.1:{dashboard.port} ada@10.0.0.1,"
        in dashboard.addresses()[1]
    )


def test_without_the_extra_all_else_works(
    dashboard: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    status, text = ask(dashboard, "GET", "/dashboard")
    assert status == 503
    assert "pip install &#39;fesearch[dashboard]&#39;" in text
    assert ask(dashboard, "GET", "/")[0] == 200


def test_ctrl_c_closes_it(optuna_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[Server] = []

    def interrupted(server: Server) -> None:
        raise KeyboardInterrupt

    def close(server: Server) -> None:
        server._http.server_close()  # without the wait for an end of what never began
        server._pages.close()
        closed.append(server)

    monkeypatch.setattr(Server, "serve_forever", interrupted)
    monkeypatch.setattr(Server, "close", close)
    assert run(["dashboard", "--storage", optuna_url, "--port", "0"]) == 130
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


def test_a_port_in_use(dashboard: Server, optuna_url: str) -> None:
    with pytest.raises(InputError) as caught:
        Server(optuna_url, port=dashboard.port)
    assert caught.value.message == (
        f"Cannot listen on 127.0.0.1 port {dashboard.port}: Address already in use."
    )
    assert caught.value.hint == "Give another port, as in --port 0, which finds a free one."
