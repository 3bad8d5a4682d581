"""matminer's data sets: its list, files as it writes them, and a server that gives them."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from http_server import BROKEN, SILENCE, Reply, Server, serving
from matminer.datasets import dataset_retrieval, utils
from matminer.utils.io import load_dataframe_from_json, store_dataframe_as_json
from pymatgen.core import Composition, Lattice, Structure

from fesearch import library
from fesearch.cli.app import run
from fesearch.dataset import Dataset
from fesearch.datasets import _http
from fesearch.datasets import matminer_sets as source
from fesearch.errors import FesearchError, InputError
from fesearch.fetch import fetch
from fesearch.source import Query

SALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.6), ["Na", "Cl"], [[0] * 3, [0.5] * 3])
ALLOY = Structure(Lattice.cubic(3.0), [{"Fe": 0.5, "Ni": 0.5}], [[0, 0, 0]])

#: How the list spells each unit that the table has.
SPELLED = {
    "eV/atom": r"eV ?/ ?atom|eV per atom|per atom \(eV\)",
    "eV": r"\b[ei]n eV\b|\(eV\)|\(in eV\)|, in eV|eV from PBE",
    "meV/atom": "meV/atom",
    "Å³": "cubic angstroms",
    "Å³/atom": r"A\^3/atom",
    "GPa": "in GPa",
    "log10(GPa)": r"Base 10 logarithm of the DFT .* in GPa",
    "1/cm": "1/cm",
    "μB": "Bohr Magneton",
    "unitless": "unitless",
}
#: Where the table says more than the list; the reasons stand in the table.
ADDED = {("flla", "formation_energy_per_atom"), ("matbench_mp_e_form", "e_form")}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FESEARCH_ARTIFACTS", str(tmp_path / "kept"))
    monkeypatch.setenv("FESEARCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(_http.time, "sleep", lambda seconds: None)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(lambda request: Reply(404)) as running:
        yield running


@pytest.fixture
def listed(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a data set of the list other rows, at an address of this machine."""

    def put(name: str, rows: Mapping[str, list[Any]]) -> Path:
        path = tmp_path / f"{name}.json.gz"
        store_dataframe_as_json(pd.DataFrame(rows), str(path), compression="gz", pbar=False)
        body = path.read_bytes()
        known = utils._load_dataset_dict()
        sha256 = hashlib.sha256(body).hexdigest()
        known[name] |= {"url": f"{server.url}/{name}", "hash": sha256}
        monkeypatch.setattr(dataset_retrieval, "_dataset_dict", known)
        server.answer = lambda request: Reply(body=body)
        return path

    return put


def salts(listed: Any) -> Path:
    path: Path = listed("matbench_mp_e_form", {"structure": [SALT, ALLOY], "e_form": [-2.0, 0.5]})
    return path


def rows(data: Dataset) -> list[tuple[str, float]]:
    return list(zip(data.reduced, next(iter(data.targets.values())).tolist(), strict=True))


def test_names_columns_and_units_are_those_of_matminer() -> None:
    known = utils._load_dataset_dict()
    for name, offer in source.OFFERS.items():
        columns = known[name]["columns"]
        named = {*offer.targets, *filter(None, (offer.structure, offer.id))}
        assert named <= set(columns), name
        assert offer.formula in columns or offer.structure, name
        for target, unit in offer.targets.items():
            if (name, target) not in ADDED:
                assert re.search(SPELLED[unit], columns[target]), (name, target, columns[target])
                per_atom = re.search(r"(?<!5-)atom\b", columns[target])
                assert bool(per_atom) == ("atom" in unit), (name, target)


def test_formulas_are_taken_from_structures(listed: Any) -> None:
    salts(listed)
    data = fetch(Query("matbench_mp_e_form"))
    assert rows(data) == [("ClNa", -2.0), ("FeNi", 0.5)]
    assert data.formulas == ("Na4Cl4", "Fe0.5Ni0.5")
    assert dict(data.units) == {"e_form": "eV/atom"}
    assert data.structures is None
    assert library.load("matbench_mp_e_form").hash == data.hash


def test_what_is_said_about_a_data_set_is_what_matminer_says(listed: Any) -> None:
    path = salts(listed)
    data = fetch(Query("matbench_mp_e_form"), name="mine")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert data.name == "mine"
    assert data.title.startswith("Matbench v0.1 test dataset for predicting DFT formation energy")
    assert data.source.startswith("matminer matbench_mp_e_form, http://127.0.0.1:")
    assert data.source.endswith(f"/matbench_mp_e_form, sha256 {sha256[:12]}")
    assert "doi:10.1063/1.4812323" in data.citation
    assert data.licence == "not stated in matminer's list"


def test_structures_are_those_that_matminer_loads(listed: Any) -> None:
    path = salts(listed)
    data = fetch(Query("matbench_mp_e_form", structures=True))
    assert data.structures is not None
    found = [Structure.from_dict(json.loads(text)) for text in data.structures.texts([0, 1])]
    assert found == list(load_dataframe_from_json(str(path), pbar=False)["structure"])


def test_compositions_are_formulas(listed: Any) -> None:
    listed(
        "jarvis_dft_3d",
        {
            "composition": [Composition("Na4Cl4"), Composition("Fe0.5Ni0.5")],
            "structure": [SALT, ALLOY],
            "e_form": [-2.0, 0.5],
            "gap opt": [5.0, float("nan")],
        },
    )
    assert rows(fetch(Query("jarvis_dft_3d"))) == [("ClNa", -2.0), ("FeNi", 0.5)]
    with pytest.raises(InputError, match=r"1 of 2 rows .*: row 2: gap opt is missing"):
        fetch(Query("jarvis_dft_3d", ("gap opt",)), name="gaps")


def test_rows_without_anything_to_take_a_formula_from_are_named(
    listed: Any, tmp_path: Path
) -> None:
    listed(
        "jarvis_dft_3d",
        {
            "composition": ["NaCl", None, {"Xx": 1}, {"Fe": "a"}],
            "structure": [None, None, None, None],
            "e_form": [1.0, 2.0, 3.0, 4.0],
        },
    )
    with pytest.raises(InputError) as caught:
        fetch(Query("jarvis_dft_3d"))
    assert caught.value.message.startswith(
        "3 of 4 rows of jarvis_dft_3d cannot be used: "
        "row 2: it has no formula, composition or structure; row 3: "
    )


def test_one_of_several_targets(listed: Any) -> None:
    listed(
        "wolverton_oxides",
        {"formula": ["BaTiO3"], "e_form": [-1.0], "e_hull": [0.0], "gap pbe": [2.0], "vpa": [13.0]},
    )
    data = fetch(Query("wolverton_oxides", ("vpa", "gap pbe")))
    assert dict(data.units) == {"vpa": "Å³/atom", "gap pbe": "eV"}
    with pytest.raises(InputError) as caught:
        fetch(Query("wolverton_oxides", ("vpn",)))
    assert str(caught.value) == (
        "There is no target of wolverton_oxides 'vpn'.\n"
        "Did you mean 'vpa'? Type: fesearch data fetch --help"
    )


def test_a_file_is_fetched_once(listed: Any, server: Server) -> None:
    salts(listed)
    fetch(Query("matbench_mp_e_form"))
    fetch(Query("matbench_mp_e_form", structures=True), name="with_structures")
    assert len(server.asked) == 1


def test_a_damaged_file_is_fetched_again(listed: Any, server: Server, tmp_path: Path) -> None:
    salts(listed)
    fetch(Query("matbench_mp_e_form"))
    (kept,) = (tmp_path / "cache").rglob("*.json.gz")
    kept.write_bytes(kept.read_bytes()[:-1])
    fetch(Query("matbench_mp_e_form"))
    assert len(server.asked) == 2


def test_a_wrong_checksum_is_refused(listed: Any, server: Server, tmp_path: Path) -> None:
    salts(listed)
    server.answer = lambda request: Reply(body=b"something else")
    with pytest.raises(FesearchError) as caught:
        fetch(Query("matbench_mp_e_form"))
    assert str(caught.value) == (
        f"The file at {server.url}/matbench_mp_e_form has not the checksum that matminer knows.\n"
        "It was damaged or replaced: try again later, or with another version of matminer."
    )
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_a_download_that_fails_is_tried_again(
    listed: Any, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_http, "TIMEOUT", 0.3)
    path = salts(listed)
    server.faults = [BROKEN, Reply(429), Reply(body=path.read_bytes(), withheld=5), SILENCE]
    assert len(fetch(Query("matbench_mp_e_form"))) == 2
    assert len(server.asked) == 5


def test_two_at_once(listed: Any, server: Server) -> None:
    salts(listed)
    both = threading.Barrier(2)
    answer = server.answer

    def together(request: Any) -> Reply:
        both.wait(30)
        return answer(request)

    server.answer = together
    other = threading.Thread(target=lambda: fetch(Query("matbench_mp_e_form")))
    other.start()
    data = fetch(Query("matbench_mp_e_form"))
    other.join()
    assert len(server.asked) == 2
    assert library.load("matbench_mp_e_form").hash == data.hash


def test_on_the_command_line(listed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    salts(listed)
    assert (
        run(["data", "fetch", "matbench_mp_e_form", "--structures", "--clean", "range:-3:0"]) == 0
    )
    out, err = capsys.readouterr()
    assert out.startswith("name  matbench_mp_e_form\nrows  1\n")
    assert "range:-3:0" in out
    assert err.startswith("matbench_mp_e_form: 1 of 1 kB")
    assert library.load("matbench_mp_e_form").structures is not None
