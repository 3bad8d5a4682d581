"""The Materials Project, through a stand-in for its client, and through the client where it is.

The client cannot be installed beside the pinned versions (botocore wants python-dateutil below 3),
so most tests have a stand-in with the part of its interface that is used.
"""

import json
import logging
import traceback
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from http_server import Reply, Request, Server, as_json, serving

from fesearch import library
from fesearch.cli.app import run
from fesearch.datasets import _http
from fesearch.datasets import materials_project as source
from fesearch.errors import FesearchError, InputError
from fesearch.fetch import fetch
from fesearch.source import Query

KEY = "K3yK3yK3yK3yK3yK3yK3yK3yK3yK3y32"
INSTALL = "no client: pip install mp-api, in an environment without constraints.txt"


def material(number: int) -> dict[str, Any]:
    cell = {
        "lattice": {"matrix": [[4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 4.0]]},
        "sites": [
            {"species": [{"element": "Na", "occu": 1}], "abc": [0.0, 0.0, 0.0]},
            {"species": [{"element": "Cl", "occu": 1}], "abc": [0.5, 0.5, 0.1 + number / 100]},
        ],
    }
    return {
        "material_id": f"mp-{number}",
        "formula_pretty": "NaCl",
        "formation_energy_per_atom": -2.0 - number / 10,
        "energy_above_hull": 0.0,
        "band_gap": 5.0,
        "density": 2.2,
        "total_magnetization": 0.0,
        "volume": 64.0,
        "structure": cell,
    }


class StandIn:
    """``MPRester`` as far as it is used, over a few materials; it writes down what it is asked.

    Attributes:
        failures: the exceptions that the next calls raise; None is no failure.
    """

    def __init__(self, materials: Sequence[dict[str, Any]]) -> None:
        self.stored = {found["material_id"]: found for found in materials}
        self.asked: list[dict[str, Any]] = []
        self.failures: list[Exception | None] = []
        self.db_version = "2026.10.1"
        self.materials = types.SimpleNamespace(summary=self)

    def __call__(self, api_key: str, **options: Any) -> "StandIn":
        assert api_key == KEY
        assert options == {"use_document_model": False, "mute_progress_bars": True}
        return self

    def search(self, *, fields: Sequence[str], **wish: Any) -> list[dict[str, Any]]:
        self.asked.append(wish | {"fields": list(fields)})
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        assert wish["deprecated"] is False
        ids = wish.get("material_ids", list(self.stored))
        return [{name: self.stored[key][name] for name in fields} for key in ids]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FESEARCH_ARTIFACTS", str(tmp_path / "kept"))
    monkeypatch.setenv("FESEARCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MP_API_KEY", KEY)
    monkeypatch.delenv("PMG_MAPI_KEY", raising=False)
    monkeypatch.setattr(_http.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(source, "ROWS", 2)


@pytest.fixture
def rester(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    rester = StandIn([material(number) for number in range(1, 6)])
    module = types.SimpleNamespace(MPRester=rester)
    monkeypatch.setattr(source, "require", lambda name, extra: module)
    return rester


def test_materials_are_fetched_by_and_by(rester: StandIn) -> None:
    reports: list[tuple[int, int]] = []
    data = fetch(
        Query("materials_project"), report=lambda done, total: reports.append((done, total))
    )
    assert data.ids == ("mp-1", "mp-2", "mp-3", "mp-4", "mp-5")
    assert data.targets["formation_energy_per_atom"].tolist() == [-2.1, -2.2, -2.3, -2.4, -2.5]
    assert data.structures is None
    assert reports == [(2, 5), (4, 5), (5, 5)]
    assert rester.asked[0] == {"deprecated": False, "fields": ["material_id"]}
    assert rester.asked[1] == {
        "deprecated": False,
        "material_ids": ["mp-1", "mp-2"],
        "fields": ["material_id", "formula_pretty", "formation_energy_per_atom"],
    }


def test_what_is_asked_for_is_on_record(rester: StandIn) -> None:
    query = Query("materials_project", ("density",), structures=True, elements=("Na", "Cl"))
    data = fetch(query, name="salts")
    assert rester.asked[0]["elements"] == ["Na", "Cl"]
    assert data.structures is not None
    assert len(set(data.structures.digests)) == 5
    assert data.source == ("Materials Project, database 2026.10.1, 5 materials with Na, Cl")
    assert data.licence == "CC-BY 4.0"
    assert "10.1063/1.4812323" in data.citation


def test_units_of_all_targets() -> None:
    assert dict(source.OFFER.targets) == {
        "formation_energy_per_atom": "eV/atom",
        "energy_above_hull": "eV/atom",
        "band_gap": "eV",
        "density": "g/cm³",
        "total_magnetization": "μB",
        "volume": "Å³",
    }


def test_the_other_name_of_the_key(rester: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MP_API_KEY")
    monkeypatch.setenv("PMG_MAPI_KEY", KEY)
    assert len(fetch(Query("materials_project"))) == 5


def test_without_a_key(rester: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MP_API_KEY")
    with pytest.raises(InputError) as caught:
        fetch(Query("materials_project"))
    assert str(caught.value) == (
        "The Materials Project wants a key, and there is none in MP_API_KEY.\n"
        "Get yours at https://materialsproject.org/api, then type: export MP_API_KEY=…"
    )


def test_a_key_that_cannot_be_one(rester: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MP_API_KEY", KEY[:-1])
    with pytest.raises(InputError) as caught:
        fetch(Query("materials_project"))
    assert str(caught.value) == (
        "The key in MP_API_KEY has 31 characters, not 32.\n"
        "Copy it again from https://materialsproject.org/api"
    )


def test_without_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mp_api.client", None)
    with pytest.raises(InputError) as caught:
        fetch(Query("materials_project"))
    assert caught.value.hint == "Type: pip install 'fesearch[materials-project]'"


def test_a_failure_that_may_pass_is_tried_again(rester: StandIn) -> None:
    passing: list[Exception | None] = [OSError("reset"), ValueError("status code 503")]
    rester.failures = [*passing, None, *passing]
    assert len(fetch(Query("materials_project"))) == 5
    assert len(rester.asked) == 8


def test_a_refusal_is_not_repeated(rester: StandIn) -> None:
    rester.failures = [ValueError("REST query returned with error status code 403 on URL …")]
    with pytest.raises(FesearchError) as caught:
        fetch(Query("materials_project"))
    assert str(caught.value) == (
        "api.materialsproject.org refuses: "
        "'ValueError: REST query returned with error status code 403 on URL …'.\n"
        "Look at the key in MP_API_KEY and at the network, or try again later."
    )
    assert len(rester.asked) == 1


def test_a_server_that_stays_away(rester: StandIn) -> None:
    rester.failures = [OSError("no route")] * 5
    with pytest.raises(FesearchError) as caught:
        fetch(Query("materials_project"))
    assert caught.value.message == (
        "api.materialsproject.org gives nothing usable: 'OSError: no route', 5 times."
    )


def test_materials_that_do_not_come_are_missed(rester: StandIn) -> None:
    whole = rester.search

    def fewer(**wish: Any) -> list[dict[str, Any]]:
        return whole(**wish)[: None if "material_ids" not in wish else 1]

    rester.materials = types.SimpleNamespace(summary=types.SimpleNamespace(search=fewer))
    with pytest.raises(FesearchError, match="gives 1 of 2 materials that it has named"):
        fetch(Query("materials_project"))


def test_goes_on_where_it_broke_off(rester: StandIn, tmp_path: Path) -> None:
    rester.failures = [None, None, *[OSError("no route")] * 5]
    with pytest.raises(FesearchError, match="no route"):
        fetch(Query("materials_project", structures=True))
    [page] = (tmp_path / "cache").rglob("*.json")
    assert page.name == "00000000.json"
    rester.asked.clear()
    data = fetch(Query("materials_project", structures=True))
    asked = [wish.get("material_ids") for wish in rester.asked]
    assert asked == [None, ["mp-3", "mp-4"], ["mp-5"]]
    assert data.ids == ("mp-1", "mp-2", "mp-3", "mp-4", "mp-5")
    assert data.structures is not None
    assert not list((tmp_path / "cache").rglob("*.json"))
    assert fetch(Query("materials_project", structures=True), name="whole").hash == data.hash


@pytest.mark.parametrize("change", ["version", "elements", "target"])
def test_what_was_kept_of_another_query_is_not_used(rester: StandIn, change: str) -> None:
    rester.failures = [None, None, *[OSError("no route")] * 5]
    with pytest.raises(FesearchError, match="no route"):
        fetch(Query("materials_project"))
    rester.asked.clear()
    query = Query("materials_project")
    if change == "version":
        rester.db_version = "2026.11.1"
    elif change == "elements":
        del rester.stored["mp-2"]  # as a server does that has fewer with these
    else:
        query = Query("materials_project", ("density",))
    fetch(query)
    assert "mp-1" in rester.asked[1]["material_ids"]


def test_no_such_material(rester: StandIn) -> None:
    rester.stored.clear()
    with pytest.raises(InputError, match="No material of materials_project is as asked"):
        fetch(Query("materials_project", elements=("Og",)))


def echoes(rester: StandIn, where: str) -> None:
    """Have the key come back from the server."""
    if where == "refusal":
        rester.failures = [ValueError(f"status code 401: no such key {KEY}\nheader {KEY}")]
    elif where == "failures":
        rester.failures = [OSError(f"{KEY} {number}") for number in range(5)]
    elif where == "batch":
        rester.failures = [None, *[OSError(f"{KEY} {number}") for number in range(5)]]
    elif where == "version":
        rester.db_version = f"2026 {KEY}"
    elif where == "formula":
        rester.stored["mp-1"]["formula_pretty"] = KEY
    else:
        rester.stored[KEY] = material(9) | {"material_id": KEY}


@pytest.mark.parametrize(
    ("where", "code"),
    [("refusal", 1), ("failures", 1), ("batch", 1), ("version", 0), ("formula", 1), ("id", 1)],
)
def test_the_key_is_nowhere(
    rester: StandIn,
    tmp_path: Path,
    where: str,
    code: int,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    echoes(rester, where)
    caplog.set_level(logging.DEBUG)
    rejects = str(tmp_path / "rejects.csv")
    command = ["--debug", "-v", "data", "fetch", "materials_project", "--drop-bad", rejects]
    assert run(command) == code
    out, err = capsys.readouterr()
    assert KEY not in out + err + caplog.text
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()
    if code == 0:
        assert KEY not in library.load("materials_project").source


@pytest.mark.parametrize("where", ["refusal", "failures", "batch", "formula"])
def test_no_exception_has_the_key(rester: StandIn, where: str) -> None:
    echoes(rester, where)
    with pytest.raises(FesearchError) as caught:
        fetch(Query("materials_project"))
    error: BaseException | None = caught.value
    assert KEY not in "".join(traceback.format_exception(caught.value))
    while error is not None:
        assert KEY not in repr(error)
        error = error.__cause__ or error.__context__


@pytest.fixture
def server() -> Iterator[Server]:
    """The part of the API that the client asks, over five materials."""
    materials = [material(number) for number in range(1, 6)]

    def answer(request: Request) -> Reply:
        if request.path.endswith("/heartbeat"):
            about = {"version": "0.90.0", "db_version": "2026.10.1"}
            return as_json(about | {"access_controlled_batch_ids": []})
        if request.headers.get("x-api-key") != KEY:
            return Reply(403, body=json.dumps({"detail": f"no {request.headers}"}).encode())
        ids = request.query.get("material_ids")
        found = [one for one in materials if ids is None or one["material_id"] in ids.split(",")]
        fields = request.query["_fields"].split(",")
        return as_json(
            {
                "data": [{name: one[name] for name in fields} for one in found],
                "meta": {"total_doc": len(found)},
            }
        )

    with serving(answer) as running:
        yield running


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_through_the_client_itself(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    client = pytest.importorskip("mp_api.client", reason=INSTALL)

    class Here(client.MPRester):  # type: ignore[misc,name-defined]
        def __init__(self, key: str, **options: Any) -> None:
            super().__init__(key, endpoint=f"{server.url}/", **options)

    module = types.SimpleNamespace(MPRester=Here)
    monkeypatch.setattr(source, "require", lambda name, extra: module)
    data = fetch(Query("materials_project", structures=True))
    assert data.ids == ("mp-1", "mp-2", "mp-3", "mp-4", "mp-5")
    assert "database 2026.10.1, 5 materials" in data.source
    monkeypatch.setenv("MP_API_KEY", KEY[::-1])
    with pytest.raises(FesearchError, match=r"refuses: .*403") as caught:
        fetch(Query("materials_project"), name="again")
    assert KEY[::-1] not in str(caught.value)
