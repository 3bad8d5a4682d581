"""``fesearch data``: what was imported is listed, shown, deleted, and features are built of it."""

import json
from pathlib import Path

import pytest

from fesearch.cli.app import run


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own with the data set ``oxides`` in it."""
    monkeypatch.setenv("FESEARCH_ARTIFACTS", str(tmp_path / "kept"))
    file = tmp_path / "oxides.csv"
    file.write_text("compound,e_form,gap,fold\nFe2O3,-1.7,2.0,train\nAl2 O3,-3.4,6.0,test\n")
    words = ["--name", "oxides", "--formula", "compound", "--columns", "fold"]
    targets = ["--target", "e_form", "--target", "gap", "--unit", "e_form=eV/atom"]
    assert run(["data", "import", str(file), *words, *targets, "--unit", "gap=eV"]) == 0
    return file


def test_imported_data_are_listed_shown_and_deleted(
    imported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run(["data", "list", "--format", "json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == {"miedema", "oxides"}
    assert rows["oxides"]["rows"] == 2
    assert rows["oxides"]["targets"] == ["e_form (eV/atom)", "gap (eV)"]

    assert run(["data", "show", "oxides", "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["hash"] == rows["oxides"]["hash"]
    assert shown["elements"] == {"O": 2, "Al": 1, "Fe": 1}
    assert shown["targets"][0]["mean"] == pytest.approx(-2.55)

    assert run(["data", "show", "oxides"]) == 0
    assert "3: O 2, Al 1, Fe 1" in capsys.readouterr().out

    assert run(["data", "delete", "oxides"]) == 0
    assert capsys.readouterr().out == "Deleted the data set 'oxides'.\n"
    assert run(["data", "show", "oxides"]) == 2
    assert capsys.readouterr().err.startswith("There is no data set 'oxides'.\n")


def test_bad_rows_are_refused_in_two_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FESEARCH_ARTIFACTS", str(tmp_path / "kept"))
    file = tmp_path / "bad.csv"
    file.write_text("formula,e\nFe2O3,-1.7\nXx2O3,-3.4\n")
    words = ["--name", "bad", "--formula", "formula", "--target", "e", "--unit", "eV/atom"]
    assert run(["data", "import", str(file), *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 2
    assert "Xx" in err
    assert not (tmp_path / "kept").exists()


def test_data_that_come_with_the_package_cannot_be_deleted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["data", "delete", "miedema"]) == 2
    assert capsys.readouterr().err == (
        "'miedema' comes with fesearch and cannot be deleted.\nType: fesearch data list\n"
    )


def test_features_are_built_once_listed_and_cleared(
    imported: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FESEARCH_CACHE_DIR", str(imported.parent / "cache"))
    capsys.readouterr()
    build = ["features", "build", "oxides", "--format", "json"]
    assert run(build) == 0
    out, err = capsys.readouterr()
    built = json.loads(out)
    assert (built["rows"], built["columns"]) == (2, 145)
    assert "magpie: 2 of 2 rows" in err
    assert run(build) == 0
    assert capsys.readouterr() == (out, "")

    assert run(["features", "list", "--format", "json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["magpie"]["cached_bytes"] > 0
    assert run(["features", "clear"]) == 0
    assert capsys.readouterr().out.startswith("Freed 0.0 MB")
    assert run(["features", "list", "--format", "json"]) == 0
    assert {row["cached_bytes"] for row in json.loads(capsys.readouterr().out)} == {0}
