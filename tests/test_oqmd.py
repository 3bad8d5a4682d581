"""OQMD page by page, from a server that answers as the real one does, and fails as it does."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from http_server import BROKEN, SILENCE, Reply, Request, Server, as_json, oqmd, serving

from fesearch import library
from fesearch.cli.app import run
from fesearch.datasets import _http
from fesearch.datasets import oqmd as source
from fesearch.errors import FesearchError, InputError
from fesearch.fetch import fetch
from fesearch.source import Query

ENTRIES: list[dict[str, Any]] = [
    {
        "name": f"Al{number}O3",
        "entry_id": 16000 + number,
        "delta_e": -number / 8,
        "stability": 0.0,
        "band_gap": 1.5 if number % 2 else None,
        "volume": 40.0,
    }
    for number in range(1, 11)
]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FESEARCH_ARTIFACTS", str(tmp_path / "kept"))
    monkeypatch.setenv("FESEARCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(_http.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(source, "ROWS", 4)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving(oqmd(ENTRIES)) as running:
        monkeypatch.setattr(source, "URL", f"{running.url}/oqmdapi/formationenergy")
        yield running


def offsets(server: Server) -> list[int]:
    return [int(request.query["offset"]) for request in server.asked]


def pages(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache").rglob("*.json"))


def test_all_pages_become_one_data_set(server: Server, tmp_path: Path) -> None:
    reports: list[tuple[int, int]] = []
    data = fetch(Query("oqmd"), report=lambda done, total: reports.append((done, total)))
    assert len(data) == 10
    assert data.ids[:2] == ("16001", "16002")
    assert data.formulas[:2] == ("Al1O3", "Al2O3")
    assert data.targets["delta_e"][1] == -0.25
    assert dict(data.units) == {"delta_e": "eV/atom"}
    assert library.load("oqmd").hash == data.hash
    assert offsets(server) == [0, 4, 8]
    assert reports == [(4, 10), (8, 10), (10, 10)]
    assert pages(tmp_path) == []


def test_what_is_asked_for_is_on_record(server: Server) -> None:
    query = Query(
        "oqmd", ("stability", "volume"), elements=("Al", "O"), filter="ntypes=2", duplicates=True
    )
    data = fetch(query, name="alumina", steps=["range:-1:1"])
    assert server.asked[0].query == {
        "fields": "name,entry_id,stability,volume",
        "noduplicate": "False",
        "filter": "( ntypes=2 ) AND element_set=Al,O",
        "limit": "4",
        "offset": "0",
        "format": "json",
    }
    assert data.source == (
        f"{source.URL}?fields=name%2Centry_id%2Cstability%2Cvolume&noduplicate=False"
        "&filter=%28+ntypes%3D2+%29+AND+element_set%3DAl%2CO, 10 entries, "
        f"{datetime.now(UTC).date()}; formation energies of the fit 'standard'"
    )
    assert data.licence == "CC-BY 4.0"
    assert "Saal" in data.citation
    assert [step.text for step in data.steps] == ["range:-1:1"]


def test_units_of_all_targets() -> None:
    assert dict(source.OFFER.targets) == {
        "delta_e": "eV/atom",
        "stability": "eV/atom",
        "band_gap": "eV",
        "volume": "Å³",
    }


def test_entries_without_a_value_are_bad_rows(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        fetch(Query("oqmd", ("band_gap",)))
    assert caught.value.message == (
        "5 of 10 rows of oqmd cannot be used: entry 16002: band_gap is missing; "
        "entry 16004: band_gap is missing; entry 16006: band_gap is missing; and 2 more."
    )
    asked = len(server.asked)
    data = fetch(Query("oqmd", ("band_gap",)), rejects=tmp_path / "rejects.csv")
    assert len(data) == 5
    assert len((tmp_path / "rejects.csv").read_text().splitlines()) == 6
    assert len(server.asked) == asked  # the pages were still there


@pytest.mark.parametrize(
    "fault",
    [BROKEN, Reply(429), as_json({"data": []}, withheld=3), Reply(body=b'{"data": [')],
    ids=["500", "429", "cut", "half"],
)
def test_a_page_that_failed_is_asked_for_again(server: Server, fault: Reply) -> None:
    server.faults = [None, fault, fault]
    assert len(fetch(Query("oqmd"))) == 10
    assert offsets(server) == [0, 4, 4, 4, 8]


def test_a_time_out_in_the_middle(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_http, "TIMEOUT", 0.3)
    server.faults = [None, SILENCE]
    assert len(fetch(Query("oqmd"))) == 10
    assert offsets(server) == [0, 4, 4, 8]


def test_goes_on_where_it_broke_off(server: Server, tmp_path: Path) -> None:
    server.faults = [None, None, *[BROKEN] * 5]
    with pytest.raises(FesearchError, match="answers 500"):
        fetch(Query("oqmd"))
    assert pages(tmp_path) == ["00000000.json", "00000004.json"]
    assert [summary.name for summary in library.listing()] == ["miedema"]
    server.asked.clear()
    assert len(fetch(Query("oqmd"))) == 10
    assert offsets(server) == [8]


def test_pages_of_another_query_are_not_used(server: Server) -> None:
    server.faults = [None, *[BROKEN] * 5]
    with pytest.raises(FesearchError):
        fetch(Query("oqmd"))
    server.asked.clear()
    fetch(Query("oqmd", filter="stability<1"))
    assert offsets(server) == [0, 4, 8]
    assert server.asked[0].query["filter"] == "stability<1"


def test_a_changed_total_begins_anew(server: Server) -> None:
    server.faults = [None, *[BROKEN] * 5]
    with pytest.raises(FesearchError):
        fetch(Query("oqmd"))
    server.asked.clear()
    server.answer = oqmd(ENTRIES[:9])
    assert len(fetch(Query("oqmd"))) == 9
    assert offsets(server) == [4, 0, 4, 8]


def test_a_total_that_always_changes_is_given_up(server: Server) -> None:
    grown = iter(range(5, 100))
    server.answer = lambda request: oqmd((ENTRIES * 10)[: next(grown)])(request)
    with pytest.raises(FesearchError) as caught:
        fetch(Query("oqmd"))
    assert str(caught.value) == (
        "The number of entries of oqmd changed 3 times while they were fetched.\n"
        "The database is being filled; try again later."
    )


def test_a_server_that_gives_fewer_rows_than_asked_for(server: Server) -> None:
    def three(request: Request) -> Reply:
        return oqmd(ENTRIES)(request._replace(query={**request.query, "limit": "3"}))

    server.answer = three
    assert len(fetch(Query("oqmd"))) == 10
    assert offsets(server) == [0, 3, 6, 9]


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {},
        {"data": [], "meta": {}},
        {"data": [1], "meta": {"data_available": 1}},
        {"data": None, "meta": {"data_available": 1}},
        {"data": [{}], "meta": {"data_available": "1"}},
        {"error": "invalid filter"},
    ],
    ids=str,
)
def test_an_answer_of_another_form_is_refused(server: Server, answer: object) -> None:
    server.answer = lambda request: as_json(answer)
    with pytest.raises(FesearchError) as caught:
        fetch(Query("oqmd"))
    assert caught.value.message == (
        f"The answer of {source.URL} has not the form that its documentation gives."
    )


def test_entries_that_do_not_come_are_missed(server: Server) -> None:
    server.answer = lambda request: as_json({"data": [], "meta": {"data_available": 7}})
    with pytest.raises(FesearchError, match="gives no entries from 0 on, of 7 that there are"):
        fetch(Query("oqmd"))


def test_no_entry_at_all(server: Server) -> None:
    server.answer = oqmd([])
    with pytest.raises(InputError) as caught:
        fetch(Query("oqmd", filter="stability<-9"))
    assert str(caught.value) == ("No entry of oqmd is as asked.\nLook at --filter and --elements.")


def test_a_repeated_entry_is_named(server: Server) -> None:
    server.answer = oqmd([*ENTRIES, ENTRIES[0]])
    with pytest.raises(InputError, match="entry_id '16001' is on entry 16001 too"):
        fetch(Query("oqmd"))


def test_two_at_once(server: Server) -> None:
    server.faults = [None, SILENCE]
    first = threading.Thread(target=_fetch_quietly)
    first.start()
    while len(server.asked) < 2:
        first.join(0.01)
    with pytest.raises(InputError) as caught:
        fetch(Query("oqmd"))
    assert str(caught.value) == (
        "Another process is fetching the same entries of oqmd.\n"
        "Wait for it; then the data set is there: fesearch data list"
    )
    server.ending.set()
    first.join()
    assert library.load("oqmd").ids[0] == "16001"


def _fetch_quietly() -> None:
    fetch(Query("oqmd"))


KILLED = """
    from fesearch.datasets import oqmd
    from fesearch.fetch import fetch
    from fesearch.source import Query
    oqmd.URL, oqmd.ROWS, oqmd.PAUSE = {url!r}, 4, 0
    fetch(Query("oqmd"))
"""


def test_goes_on_after_a_kill(server: Server, tmp_path: Path) -> None:
    server.faults = [None, None, SILENCE]
    program = textwrap.dedent(KILLED).format(url=source.URL)
    with subprocess.Popen([sys.executable, "-c", program], env=os.environ.copy()) as process:
        while len(server.asked) < 3:
            assert process.poll() is None
            server.ending.wait(0.01)
        process.send_signal(signal.SIGKILL)
    assert pages(tmp_path) == ["00000000.json", "00000004.json"]
    server.asked.clear()
    assert len(fetch(Query("oqmd"))) == 10
    assert offsets(server) == [8]


def test_on_the_command_line(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "fetch", "oqmd", "--filter", "ntypes=2"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("name  oqmd\nrows  10\n")
    assert err.startswith("oqmd: 10 of 10 entries")


def test_without_a_network(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(oqmd(ENTRIES)) as gone:
        host = gone.host
    monkeypatch.setattr(source, "URL", f"http://{host}/oqmdapi/formationenergy")
    assert run(["-q", "data", "fetch", "oqmd"]) == 1
    assert capsys.readouterr() == (
        "",
        f"{host} cannot be reached, 5 times.\n"
        "Look at the network, or try again later; what has been fetched is kept.\n",
    )
