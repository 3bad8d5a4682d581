"""``fesearch features``: list, build, export, clear."""

import json
from pathlib import Path

import pytest
from toy_sets import TOY_STRUCTURES, install

from fesearch import dataset, library
from fesearch.cli.app import run
from fesearch.structure import Structures


@pytest.fixture(autouse=True)
def _house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache and a data set ``salts`` of its own."""
    monkeypatch.setenv("FESEARCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("FESEARCH_ARTIFACTS", str(tmp_path / "artifacts"))
    made = dataset.make(
        "salts",
        ["NaCl", "Fe2O3", "XeF2"],
        {"e": [1.0, 2.0, 3.0]},
        {"e": "eV"},
        numbers={"age": [1.0, 1.0, 2.0]},
        structures=Structures.of(["salt", "slow", ""]),
    )
    library.save(made)


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    assert run(["features", "list", "--format", "json"]) == 0
    rows: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    return rows


def test_the_list_says_what_each_set_needs(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["name"]: row for row in told(capsys)}
    kinds = {name: (row["columns"], row["needs"]) for name, row in rows.items()}
    assert kinds == {
        "columns": (None, "columns"),
        "element_fractions": (100, "formula"),
        "element_grid": (100, "formula"),
        "element_sequence": (16, "formula"),
        "magpie": (145, "formula"),
        "magpie_voronoi": (273, "structure"),
    }


def test_sets_are_built_together_and_counted_apart(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["features", "build", "salts", "--features", "element_sequence:longest=3+columns"]
    assert run([*words, "--format", "json"]) == 0
    built = json.loads(capsys.readouterr().out)
    assert (built["features"], built["rows"], built["columns"]) == (words[-1], 3, 7)
    assert built["rows_lacking"] == 0
    assert built["constant"] == ["number 3", "fraction 3"]
    sizes = {row["name"]: row["cached_bytes"] for row in told(capsys)}
    assert sizes.pop("element_sequence") > 0  # type: ignore[operator]
    assert set(sizes.values()) == {0}
    assert run(["features", "clear"]) == 0
    assert capsys.readouterr().out.startswith("Freed 0.0 MB")
    assert {row["cached_bytes"] for row in told(capsys)} == {0}


def test_rows_that_lack_features_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch, TOY_STRUCTURES)
    words = ["-q", "features", "build", "salts", "--features", "toy_structures"]
    assert run([*words, "--format", "json"]) == 0
    out, err = capsys.readouterr()
    built = json.loads(out)
    assert built["rows_lacking"] == 2
    assert built["lacking"] == {"F2Xe": "no structure", "Fe2O3": "too slow"}
    assert err == (
        "Warning: 2 of 3 rows lack features, 1 failed and 1 have no structure: "
        "Fe2O3 (too slow); F2Xe (no structure).\n"
    )


def test_features_are_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to = tmp_path / "out.csv"
    words = ["-q", "features", "export", "salts", "--features", "columns+element_sequence"]
    assert run([*words, "--to", str(to)]) == 0
    assert capsys.readouterr() == ("", f"Wrote 17 features of 3 rows to {to}.\n")
    first = to.read_text().splitlines()[1]
    assert first == '"ClNa","NaCl",1,11,0.5,17,0.5,0,0,0,0,0,0,0,0,0,0,0,0'


def test_a_wrong_name_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["features", "export", "nobody", "--to", str(tmp_path / "out.xls")]) == 2
    assert "does not say how to write it" in capsys.readouterr().err
    words = ["features", "build", "salts", "--features", "magpie+element_fraction"]
    assert run(words) == 2
    assert capsys.readouterr().err == (
        "There is no feature set 'element_fraction'.\n"
        "Did you mean 'element_fractions'? Type: fesearch features list\n"
    )
