"""JSON lines, good and bad: a line that is no JSON is a bad row, and named."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from fesearch import intake
from fesearch.dataset import Dataset
from fesearch.errors import InputError
from fesearch.intake import Wanted

GOOD = b'{"f": "Fe2O3", "e": -1.5}\n{"f": "NaCl", "e": -2, "gap": 8.5}\n'
REAL = Path(__file__).parents[2] / "shared" / "data" / "mp_structures.jsonl.gz"


def read(path: Path, content: bytes, **wanted: Any) -> Dataset:
    path.write_bytes(content)
    return intake.read(path, "mine", Wanted({"e": "eV/atom"}, **{"formula": "f", **wanted}))


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        GOOD.rstrip(b"\n"),
        GOOD.replace(b"\n", b"\r\n"),
        GOOD.replace(b"\n", b"\n\n  \n"),
        b"\xef\xbb\xbf" + GOOD,
        gzip.compress(GOOD, mtime=0),
        GOOD.replace(b"-1.5", b'" -1.5 "').replace(b'"f"', b'"\\u0066"'),
    ],
)
def test_the_same_rows_however_the_file_is_written(tmp_path: Path, content: bytes) -> None:
    data = read(tmp_path / "a.jsonl", content, numbers=("gap",))
    assert data.formulas == ("NaCl", "Fe2O3")
    assert data.target("e").tolist() == [-2.0, -1.5]
    assert str(data.numbers["gap"].tolist()) == "[8.5, nan]"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "it is not JSON: Expecting property name enclosed in double quotes: "
               "line 2 column 1 (char 2)"),
        (b'{"f": "FeO", "e": NaN}', "NaN is no number of JSON"),
        (b'{"f": "FeO", "e": -Infinity}', "-Infinity is no number of JSON"),
        (b'{"f": "FeO", "e": 1e999}', "e 'inf' is not finite"),
        (b'{"f": "FeO", "e": true}', "e is true, not a number"),
        (b'{"f": "FeO", "e": [1]}', "e is a list, not a number"),
        (b'{"f": {"a": 1}, "e": 1}', "f is an object, not a text"),
        (b'{"f": "FeO", "e": null}', "e is missing"),
        (b'{"f": "FeO"}', "e is missing"),
        (b'{"f": 12, "e": 1}', "'12' is not a formula: a part of it has no element"),
        (b'{"f": "FeO", "e": 1, "e": 2}', "it has the key 'e' twice"),
        (b'{"f": "FeO", "e": 1, "x": {"y": 1, "y": 1}}', "it has the key 'y' twice"),
        (b'{"f": "FeO", "e": 1, "x": "\\ud800"}',
         "it has half of a character that takes two escapes"),
        (b"[1]", "it is not a JSON object"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b'{"e": 1' + b"0" * 400 + b', "f": "FeO"}', f"e '1{'0' * 38}…' is not finite"),
    ],
)  # fmt: skip
def test_a_line_that_is_no_row_is_named(tmp_path: Path, line: bytes, reason: str) -> None:
    path = tmp_path / "bad.jsonl"
    with pytest.raises(InputError) as caught:
        read(path, GOOD + line + b"\n" + GOOD)
    assert caught.value.message == f"1 of 5 rows of {path} cannot be used: line 3: {reason}."


def test_a_column_no_row_has_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    with pytest.raises(InputError) as caught:
        read(path, GOOD, numbers=("gaps",))
    assert str(caught.value) == (
        f"{path} has no column 'gaps'.\nDid you mean 'gap'? Its columns: e, f, gap"
    )


def test_a_row_that_is_left_out_stands_whole_among_the_rejects(tmp_path: Path) -> None:
    path, rejects = tmp_path / "a.jsonl", tmp_path / "rejects.csv"
    path.write_bytes(GOOD + b'{"f": "Xx", "e": 1, "more": [1, "a"]}\n')
    intake.read(path, "mine", Wanted({"e": "eV"}, formula="f"), rejects=rejects)
    header, line = rejects.read_text().splitlines()
    assert header == "line,reason,row"
    assert line.startswith("3,'Xx' is not a formula: there is no element Xx,")
    row = {"f": "Xx", "e": 1, "more": [1, "a"]}
    assert json.loads(line.split(",", 2)[2][1:-1].replace('""', '"')) == row


@pytest.mark.parametrize("line", ['{"f": "FeO", "e": 1', '{"e": NaN}', "[1]", '{"e": 1, "e": 2}'])
def test_a_line_that_is_no_row_stands_as_it_is_among_the_rejects(tmp_path: Path, line: str) -> None:
    path, rejects = tmp_path / "a.jsonl", tmp_path / "rejects.csv"
    path.write_bytes(GOOD + line.encode() + b"\r\n")
    intake.read(path, "mine", Wanted({"e": "eV"}, formula="f"), rejects=rejects)
    with rejects.open(newline="") as file:
        assert [row["row"] for row in csv.DictReader(file)] == [line]


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fesearch.datasets._text.LONGEST", 1000)
    path = tmp_path / "a.jsonl"
    with pytest.raises(InputError) as caught:
        read(path, gzip.compress(b" " * 1001))
    assert caught.value.message == f"{path} has a line of 1000 characters or more."


@pytest.mark.skipif(not REAL.exists(), reason=f"needs {REAL.name} in ../shared/data")
def test_structures_of_the_materials_project() -> None:
    wanted = Wanted(
        {"e_form": "eV/atom"}, structure="structure", id="material_id", numbers=("band_gap",)
    )
    data = intake.read(REAL, "mp", wanted)
    assert len(data) == 818
    assert data.structures is not None
    assert all(data.structures.digests)
    with_formula = Wanted({"e_form": "eV/atom"}, "formula", "structure", "material_id")
    assert intake.read(REAL, "mp", with_formula).reduced == data.reduced
