"""What can be fetched, and what is refused before anything is."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fesearch import library
from fesearch.cli.app import run
from fesearch.datasets import matminer_sets, oqmd
from fesearch.errors import InputError
from fesearch.fetch import fetch, offers, unit
from fesearch.source import Delivery, Query, RawRow, RawTable, Report

HEAVY = ("torch", "ray", "optuna", "matminer", "pymatgen", "pandas", "pyarrow", "requests")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FESEARCH_ARTIFACTS", str(tmp_path / "kept"))
    monkeypatch.setenv("FESEARCH_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What became of a delivery of OQMD: "begun", then "kept" where its block ended well."""
    events: list[str] = []

    @contextmanager
    def deliver(query: Query, report: Report) -> Iterator[Delivery]:
        events.append("begun")
        values = {"delta_e": -3.4, "stability": None, "band_gap": 5.0}
        row = RawRow("entry 1", {"name": "Al2O3", "entry_id": 1, **values})
        yield Delivery(RawTable(list(row.cells), iter([row])), "t", "s", "l", "c")
        events.append("kept")

    changed = type(oqmd.SOURCE)("OQMD", oqmd.SOURCE.offers, oqmd.SOURCE.choices, "rows", deliver)
    monkeypatch.setattr(oqmd, "SOURCE", changed)
    return events


def refused(query: Query, **rest: Any) -> str:
    with pytest.raises(InputError) as caught:
        fetch(query, **rest)
    return str(caught.value)


def test_a_data_set_is_kept_with_all_that_is_said_about_it(opened: list[str]) -> None:
    data = fetch(Query("oqmd"))
    kept = library.load("oqmd")
    assert kept.hash == data.hash
    assert (kept.title, kept.source, kept.licence, kept.citation) == ("t", "s", "l", "c")
    assert opened == ["begun", "kept"]


@pytest.mark.parametrize("name", ["oqmd", "matbench_mp_e_form"])
def test_what_was_not_fetched_says_how_it_is(name: str) -> None:
    with pytest.raises(InputError) as caught:
        library.load(name)
    assert str(caught.value) == (
        f"The data set '{name}' has not been fetched.\nType: fesearch data fetch {name}"
    )


def test_what_is_offered() -> None:
    assert {"oqmd", "materials_project", *matminer_sets.OFFERS} == set(offers())
    assert {"matbench_perovskites", "jarvis_dft_3d", "flla", "expt_formation_enthalpy"} < set(
        offers()
    )
    assert all(all(offer.targets.values()) for offer in offers().values())
    assert (unit("oqmd"), unit("flla")) == ("entries", "kB")


def test_an_unknown_name_gets_the_nearest_and_all() -> None:
    message, hint = refused(Query("matbench_mp_eform")).splitlines()
    assert message == "There is no data set 'matbench_mp_eform' to fetch."
    assert hint.startswith("Did you mean 'matbench_mp_e_form'? There are: castelli_perovskites, ")
    assert all(name in hint for name in offers())
    with pytest.raises(InputError, match="There is no data set 'qqq' to fetch"):
        unit("qqq")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (Query("flla", elements=("Li",)), "'flla' knows no --elements."),
        (Query("flla", filter="x"), "'flla' knows no --filter."),
        (Query("flla", duplicates=True), "'flla' knows no --duplicates."),
        (Query("materials_project", filter="x"), "'materials_project' knows no --filter."),
        (Query("oqmd", structures=True), "'oqmd' gives no crystal structures."),
        (Query("oqmd", ("delta",)), "There is no target of oqmd 'delta'."),
        (Query("oqmd", ("delta_e", "delta_e")), "The target 'delta_e' is named twice."),
        (Query("oqmd", elements=("Li", "Xx")), "There is no element 'Xx'."),
    ],
    ids=str,
)
def test_what_a_source_does_not_know_is_refused_first(
    opened: list[str], query: Query, message: str
) -> None:
    assert refused(query).splitlines()[0] == message
    assert opened == []


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ({"name": "a/b"}, "A data set cannot be called 'a/b'."),
        ({"name": "miedema"}, "'miedema' is the name of data that comes with fesearch."),
        ({"steps": ["uniq"]}, "There is no cleaning step 'uniq'."),
        ({"steps": ["range:stability:0:1"]}, "The cleaning step 'range:stability:0:1' names no "
         "target of this data set."),
    ],
    ids=str,
)  # fmt: skip
def test_what_could_not_be_kept_is_not_fetched(
    opened: list[str], rest: dict[str, Any], message: str
) -> None:
    assert refused(Query("oqmd"), **rest).splitlines()[0] == message
    assert opened == []


def test_other_data_of_the_name_are_not_written_over(opened: list[str]) -> None:
    data = fetch(Query("oqmd"))
    assert fetch(Query("oqmd")).hash == data.hash  # the same once more is no harm
    opened.clear()
    message = refused(Query("oqmd", ("band_gap",)))
    assert message.startswith("There is another data set called 'oqmd' already.\n")
    assert opened == ["begun"]
    assert library.load("oqmd").hash == data.hash


def test_bad_rows_keep_what_was_fetched(opened: list[str]) -> None:
    assert "entry 1: stability is missing" in refused(Query("oqmd", ("stability",)))
    assert opened == ["begun"]
    assert [summary.name for summary in library.listing()] == ["miedema"]


def test_help_lists_all_with_units_and_loads_nothing_heavy() -> None:
    program = (
        "import sys; from fesearch.cli.app import run\n"
        "code = run(['data', 'fetch', '--help'])\n"
        f"print('LOADED', [name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "LOADED []"
    assert all(name in done.stdout for name in offers())
    assert "delta_e (eV/atom), stability (eV/atom)" in done.stdout


def test_the_command_passes_everything_on(
    opened: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from fesearch.cli import fetch as command

    asked: dict[str, Any] = {}

    def spied(query: Query, **rest: Any) -> Any:
        asked.update(query=query, **rest)
        return fetch(Query("oqmd"))

    monkeypatch.setattr(command, "fetch", spied)
    words = "--name mine --target delta_e --target band_gap --structures --elements Li,O"
    more = "--filter a<1 --duplicates --clean compounds --clean unique:lowest --drop-bad r.csv"
    assert run(["data", "fetch", "oqmd", *words.split(), *more.split()]) == 0
    assert asked.pop("report") is not None
    assert asked == {
        "query": Query("oqmd", ("delta_e", "band_gap"), True, ("Li", "O"), "a<1", True),
        "name": "mine",
        "steps": ["compounds", "unique:lowest"],
        "rejects": Path("r.csv"),
    }


def test_an_error_of_the_command_is_two_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "fetch", "oqdm"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("There is no data set 'oqdm' to fetch.\nDid you mean 'oqmd'? There are: ")
    assert len(err.splitlines()) == 2
