"""What every store promises to the driver of a search over many families."""

import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from stored import create

from fesearch.errors import InputError, OustedError
from fesearch.store.results import Store
from fesearch.store.schema import SEARCHES, STUDIES


def _rewrite(store: Store, **values: Any) -> None:
    with store.write() as connection:
        connection.execute(sa.update(SEARCHES).values(values))


def test_a_search_has_one_driver(store: Store, storage_url: str) -> None:
    assert not store.searched("all")
    store.refuse_searched("all")
    token = store.begin_search("all")
    driver = f"process {os.getpid()} on {socket.gethostname()}"
    with Store.open(storage_url) as other:
        for attempt in (lambda: other.begin_search("all"), lambda: other.refuse_searched("all")):
            with pytest.raises(InputError) as caught:
                attempt()
            message = f"The search 'all' is being driven by {driver} since "
            assert caught.value.message.startswith(message)
            assert caught.value.hint == "Wait for it, or type: fesearch study stop all"
        assert other.searched("all")
        other.end_search("another", other.begin_search("another"), 0.0)
    assert store.beat_search("all", token, 0.0) is False
    store.end_search("all", token, 0.0)
    assert not store.searched("all")
    store.end_search("all", store.begin_search("all"), 0.0)


def test_the_search_of_a_dead_process_is_taken_over(store: Store) -> None:
    token = store.begin_search("all")
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    _rewrite(store, pid=dead.pid)
    assert not store.searched("all")
    assert not store.request_stop_of_search("all")
    later = store.begin_search("all")
    with pytest.raises(OustedError, match="Another process has taken over the search 'all'"):
        store.beat_search("all", token, 0.0)
    store.end_search("all", token, 0.0)  # not its own any more
    assert store.searched("all")
    assert store.beat_search("all", later, 0.0) is False


def test_one_on_another_host_holds_while_its_heart_beats(store: Store) -> None:
    store.begin_search("all")
    _rewrite(store, host="elsewhere")
    with pytest.raises(InputError) as caught:
        store.begin_search("all")
    assert caught.value.hint.endswith("if elsewhere is gone: fesearch study resume all --take-over")
    store.end_search("all", store.begin_search("all", force=True), 0.0)
    store.begin_search("all")
    _rewrite(store, host="elsewhere", heartbeat_at=datetime.now(UTC) - timedelta(seconds=65))
    store.begin_search("all")


def test_a_driver_is_asked_to_stop_between_two_turns(store: Store) -> None:
    assert not store.request_stop_of_search("all")
    token = store.begin_search("all")
    assert store.stop("all")
    assert store.beat_search("all", token, 0.0) is True
    assert not store.search_stopped("all")
    store.end_search("all", token, 0.0)
    assert store.search_stopped("all")
    assert not store.searched("all")
    token = store.begin_search("all")
    assert store.beat_search("all", token, 0.0) is False, "it was asked of the one before"
    store.end_search("all", token, 0.0)
    assert not store.search_stopped("all")


def test_how_long_a_search_was_driven_is_kept_less_what_is_deleted(
    store: Store,
) -> None:
    assert store.worked_for("all") == 0.0
    token = store.begin_search("all")
    store.beat_search("all", token, 5.0)
    assert store.worked_for("all") == 5.0
    store.end_search("all", token, 8.5)
    store.begin_search("all")
    assert store.worked_for("all") == 8.5
    store.delete_study(store.acquire(create(store, "alone")))
    assert store.worked_for("all") == 8.5
    one, two = (
        create(store, name, definition={"portfolio": {"name": "all"}}) for name in ("one", "two")
    )
    with store.write() as connection:
        connection.execute(sa.update(STUDIES).values(seconds=6.0))
    store.delete_study(store.acquire(one))
    assert store.worked_for("all") == 2.5
    store.delete_study(store.acquire(two))
    assert store.worked_for("all") == 0.0


def test_a_study_is_stopped_by_its_own_name(store: Store) -> None:
    study = create(store)
    assert not store.stop("first")
    store.acquire(study)
    assert store.stop("first")
    assert store.stop_requested(study)
