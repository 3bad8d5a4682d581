"""Where Ray may listen, and whether all is there: asked on the first node of a job."""

import socket
from contextlib import closing

import pytest
from portfolios import many

from fesearch import raysession
from fesearch.cluster import nodes
from fesearch.errors import FesearchError, InputError
from fesearch.search import portfolio
from fesearch.store.results import Store


def test_an_address_is_of_this_machine_and_free() -> None:
    host, port = nodes.address(17).rsplit(":", 1)
    with closing(socket.socket()) as listening:
        listening.bind((host, int(port)))
        assert nodes.FIRST <= int(port) < nodes.FIRST + nodes.PORTS
        other, another = nodes.address(17).rsplit(":", 1)
    assert (other, another != port) == (host, True)


def test_jobs_on_one_machine_try_different_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "_is_free", lambda host, port: True)
    asked = {int(nodes.address(job).rsplit(":", 1)[1]) for job in range(4_000_000, 4_000_100)}
    assert len(asked | {port + 1 for port in asked}) == 200  # the next one is for Ray Client


def test_a_port_whose_next_one_is_taken_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "_is_free", lambda host, port: port != nodes.FIRST + 1)
    assert nodes.address(0).endswith(f":{nodes.FIRST + 2}")


def test_an_address_that_others_reach_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "_hosts", lambda: iter(["127.0.1.1", "10.0.0.7", "10.0.0.8"]))
    monkeypatch.setattr(nodes, "_is_free", lambda host, port: host != "10.0.0.7")
    assert nodes.address(3).startswith("10.0.0.8:")
    monkeypatch.setattr(nodes, "_hosts", lambda: iter(["127.0.1.1"]))
    assert nodes.address(3).startswith("127.0.0.1:")


def test_no_free_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "PORTS", 3)
    monkeypatch.setattr(nodes, "_is_free", lambda host, port: False)
    with pytest.raises(FesearchError) as caught:
        nodes.address(1)
    assert caught.value.message == "No port of 10000 to 10002 is free."
    assert caught.value.hint == "End what listens there."


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """A cluster of so many nodes, in words."""
    found = {"nodes": 2, "asked": 0}

    class Session:
        def __init__(self, **where: object) -> None:
            found["asked"] += 1
            if not found["nodes"]:
                raise InputError("There is no Ray cluster at 'h:1'.", "Start one.")

        def __enter__(self) -> int:
            return 8

        def __exit__(self, *error: object) -> None:
            found["nodes"] += 1

    monkeypatch.setattr(raysession, "session", Session)
    monkeypatch.setattr(raysession, "nodes", lambda: found["nodes"])
    monkeypatch.setattr(nodes, "_SECONDS_BETWEEN", 0.0)
    return found


def test_nodes_are_waited_for(cluster: dict[str, int], sqlite_url: str) -> None:
    assert nodes.wait("h:1", 4, 60.0, "deep", sqlite_url) == 8
    assert cluster["asked"] == 3


def test_nodes_that_do_not_come(cluster: dict[str, int], sqlite_url: str) -> None:
    with pytest.raises(InputError) as caught:
        nodes.wait("h:1", 4, -1.0, None, sqlite_url)
    assert caught.value.message == "The Ray cluster at h:1 has 2 of 4 nodes."
    assert caught.value.hint == "See in the log of its nodes why the others are not there."
    cluster["nodes"] = 0
    with pytest.raises(InputError, match="There is no Ray cluster"):
        nodes.wait("h:1", 4, -1.0, None, sqlite_url)


def test_a_study_that_is_driven_is_waited_for(cluster: dict[str, int], studies: str) -> None:
    with Store.open(studies) as store:
        lease = store.acquire(store.study("nets"))
        with pytest.raises(InputError, match="The study 'nets' is being driven by process "):
            nodes.wait("h:1", 1, -1.0, "nets", studies)
        store.release(lease)
    assert nodes.wait("h:1", 1, 60.0, "nets", studies) == 8


def test_a_search_over_many_families_waits_for_the_driver_of_each(
    cluster: dict[str, int], url: str
) -> None:
    portfolio.begin(many("all"), url)
    with Store.open(url) as store:
        lease = store.acquire(store.study("all-decision_tree"))
        with pytest.raises(InputError, match="The study 'all-decision_tree' is being driven by "):
            nodes.wait("h:1", 1, -1.0, "all", url)
        store.release(lease)
    assert nodes.wait("h:1", 1, 60.0, "all", url) == 8
