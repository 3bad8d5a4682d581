"""Where Ray may listen, and whether all is there: asked on the first node of a job."""

import shutil
import socket
from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import pytest
import searched
from small import Watch, small

from fesearch import raysession
from fesearch.cli.app import run
from fesearch.cluster import nodes
from fesearch.errors import FesearchError, InputError
from fesearch.export import export
from fesearch.holdout import holdout
from fesearch.portfolio import Portfolio, of_keys
from fesearch.record import TrialResult
from fesearch.search import portfolio, start
from fesearch.search.extend import extend
from fesearch.search.heartbeat import ON_REQUEST
from fesearch.search.portfolio import Looks
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


def many(name: str, **keys: Any) -> Portfolio:
    """Trials of two quick families, three of each in the first round."""
    given = {"families": ["ridge", "decision_tree"], "data": searched.DATA, "runner": "inline"}
    return of_keys({"name": name, "trials": 24, "preset": "full", **given, **keys}, name)


def test_what_a_further_job_has_left_to_do_of_a_study(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (nodes.standing("deep", url), nodes.events("deep", url)) == ("open", 0)
    start.start(small(), url, watchers=[Watch(2, lambda core: core.stop("interrupted"))])
    assert nodes.standing("deep", url) == "open"
    assert (had := nodes.events("deep", url)) > 0
    start.resume("deep", url, watchers=[Watch(2, lambda core: core.stop(ON_REQUEST))])
    assert nodes.standing("deep", url) == "stopped"
    assert run(["cluster", "over", "deep"]) == 0
    assert run(["cluster", "over", "deep", "--first"]) == 3, "who submits a job asks for more"
    assert run(["cluster", "over", "deep"]) == 3, "and so it does after a requeue"
    start.resume("deep", url, seconds=0.001)
    assert run(["cluster", "over", "deep"]) == 3
    start.resume("deep", url)
    assert (has := nodes.events("deep", url)) > had
    capsys.readouterr()
    assert nodes.standing("deep", url) == "spent"
    assert run(["cluster", "over", "deep", "--first"]) == 0
    assert capsys.readouterr().out == f"{has}\n", "a job that adds no event is the last"


def test_what_comes_afterwards_is_left_to_do_until_it_is_done(url: str, tmp_path: Path) -> None:
    start.start(small(), url)
    over, folder = ["cluster", "over", "deep"], tmp_path / "model"
    exported = [*over, "--export", str(folder)]
    assert [run(one) for one in (over, exported, [*over, "--holdout"])] == [0, 3, 3]
    export("deep", url, folder)
    assert [run(one) for one in (exported, [*exported, "--holdout"])] == [0, 3]
    holdout("deep", url)
    assert run([*exported, "--holdout"]) == 0
    shutil.rmtree(folder)
    best, other, *_ = sorted(
        (one for one in start_trials(url) if one.value is not None), key=lambda one: one.value
    )
    export("deep", url, folder, trial=other.number)
    assert run(exported) == 3, "it is another model"
    shutil.rmtree(folder)
    export("deep", url, folder, trial=best.number, refit=True)
    assert run(exported) == 3, "it was trained on all rows"


def start_trials(url: str) -> Sequence[TrialResult]:
    """The trials of the study."""
    with Store.look(url) as store:
        return store.trials(store.study("deep"))


@pytest.mark.parametrize("seconds", [None, 1.0])
def test_a_study_whose_time_is_spent_is_over(seconds: float | None, url: str) -> None:
    endless = small("late", time_limit="2s", trials=100_000, space={}, preset="published")
    outcome = start.start(endless, url, seconds=seconds)
    assert outcome.stopped == "the time limit is reached"
    assert nodes.standing("late", url) == "spent"
    extend("late", url, time_limit="+1h")
    assert nodes.standing("late", url) == "open"


def test_what_a_further_job_has_left_to_do_of_many_families(url: str) -> None:
    watch = Watch(2, lambda core: core.stop(ON_REQUEST))
    portfolio.begin(many("all"), url, Looks(watching=lambda: nullcontext([watch])))
    assert nodes.standing("all", url) == "stopped"
    nodes.go_on("all", url)
    assert nodes.standing("all", url) == "open"
    watch = Watch(2, lambda core: core.stop("interrupted"))
    portfolio.go_on("all", url, Looks(watching=lambda: nullcontext([watch])))
    assert nodes.standing("all", url) == "open"
    had = nodes.events("all", url)
    portfolio.go_on("all", url)
    assert nodes.standing("all", url) == "spent"
    assert nodes.events("all", url) > had > 0
