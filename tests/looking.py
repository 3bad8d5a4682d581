"""Dashboards that tests ask for pages."""

import http.client
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import optuna

from fesearch.dashboard import Server
from fesearch.store.results import Store


def with_a_study(folder: Path) -> Path:
    """A database of ours in which Optuna has one study of three trials."""
    path = folder / "fesearch.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    url = f"sqlite:///{path}"
    Store.open(url).close()
    storage = optuna.storages.RDBStorage(url)
    study = optuna.create_study(storage=storage, study_name="irnet-smoke")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    storage.engine.dispose()
    return path


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """The server, answering until the end of the block."""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()


def ask(
    server: Server, method: str, path: str, body: str | None = None, **headers: str
) -> tuple[int, str]:
    """Status and text of an answer."""
    # A minute: optuna-dashboard is imported for its first page.
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def studies(server: Server) -> list[str]:
    """Names of Optuna's studies that a dashboard shows."""
    status, text = ask(server, "GET", "/api/studies")
    assert status == 200
    return [study["study_name"] for study in json.loads(text)["study_summaries"]]
