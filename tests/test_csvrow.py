"""Rows of CSV are read again as they were written, wherever they are written."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fesearch.cli import output
from fesearch.csvrow import write_row
from fesearch.rejects import rejects_file
from fesearch.source import RawRow

LONE = "a\rb"


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.lists(TEXTS, min_size=1))
def test_every_cell_is_found_again(cells: list[str]) -> None:
    text = io.StringIO(newline="")
    write_row(text, cells)
    assert read(text.getvalue()) == [cells]


def test_a_plain_row_has_no_quotes() -> None:
    text = io.StringIO()
    write_row(text, ["Fe2O3", 1.5, None])
    assert text.getvalue() == "Fe2O3,1.5,\n"


def test_rejected_rows_keep_a_lone_return_in_a_cell(tmp_path: Path) -> None:
    path = tmp_path / "rejects.csv"
    with rejects_file(path, ["formula"]) as rejects:
        assert rejects is not None
        rejects.add(RawRow("line 2", {"formula": LONE}), "no formula")
    with path.open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["line", "reason", "formula"],
            ["2", "no formula", LONE],
        ]


def test_printed_rows_keep_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    output.show([{"formula": LONE, "value": 1.0}], ["formula"], "csv")
    assert read(capsys.readouterr().out) == [["formula", "value"], [LONE, "1.0"]]
