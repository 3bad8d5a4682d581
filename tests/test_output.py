"""How results are printed: as tables, JSON and CSV, facts, and progress in a log."""

import csv
import io
import json
import re
import sys

import pytest

from fesearch.cli import output
from fesearch.cli.app import run

ROWS = [
    {"name": "a", "mae": 0.123456789, "trials": 12, "config": {"depth": 3, "norm": None}},
    {"name": "b, c", "mae": float("nan"), "trials": None, "more": ["x", "y"]},
]
COLUMNS = ["name", output.Column("mae", "MAE", "eV/atom"), "trials"]


def test_a_table_has_units_in_its_headings_and_four_digits(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.show(ROWS, COLUMNS)
    assert capsys.readouterr().out == (
        "name  MAE (eV/atom)  trials\n"
        "a            0.1235      12\n"
        "b, c              –       –\n"
    )  # fmt: skip


def test_json_has_all_keys_all_digits_and_null(capsys: pytest.CaptureFixture[str]) -> None:
    output.show(ROWS, COLUMNS, "json")
    assert json.loads(capsys.readouterr().out) == [ROWS[0], {**ROWS[1], "mae": None}]


def test_csv_has_all_keys_and_all_digits(capsys: pytest.CaptureFixture[str]) -> None:
    output.show(ROWS, COLUMNS, "csv")
    first, second = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert first["mae"] == "0.123456789"
    assert json.loads(first["config"]) == ROWS[0]["config"]
    assert (second["name"], second["mae"], second["more"]) == ("b, c", "", '["x", "y"]')


@pytest.mark.parametrize("format", ["table", "json", "csv"])
def test_nothing_to_show_is_shown(
    format: output.Format, capsys: pytest.CaptureFixture[str]
) -> None:
    output.show([], COLUMNS, format)
    expected = {
        "table": "name  MAE (eV/atom)  trials\n",
        "json": "[]\n",
        "csv": "name,mae,trials\n",
    }
    assert capsys.readouterr().out == expected[format]


def test_a_terminal_gets_the_same_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    output.show([{"name": "[red]a[/red]", "mae": 0.5}], COLUMNS)
    printed = capsys.readouterr().out
    assert "MAE (eV/atom)" in printed
    assert "[red]a[/red]" in printed


@pytest.mark.parametrize("width", [80, 120, 200])
def test_a_terminal_breaks_no_number_and_no_word(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(width))
    config = {f"a_rather_long_name_{i}": 0.001234 for i in range(9)}
    row = {f"mean absolute error {i}": 0.12345 + i for i in range(12)} | {"config": config}
    rows = [{"study": f"study-{i}", **row} for i in range(3)]
    output.show(rows, list(rows[0]))
    out = re.sub(r"\x1b\[\d+m", "", capsys.readouterr().out)
    assert max(map(len, out.splitlines())) <= width
    words = out.split()
    for i in range(12):
        assert words.count(f"{0.12345 + i:.4g}") == 3
    for name in config:
        assert out.count(f"{name}=0.001234") == 3
    assert words.count("absolute") == 12
    assert words.count("study-1") == words.count("study")  # in each block
    assert (words.count("study") > 1) is (width < 200)
    output.show([], COLUMNS)
    assert "trials" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567, "1234567"), (0.00012345, "0.0001234"), (123456.7, "123457"), (True, "yes"),
        (float("inf"), "inf"), ([], "–"), ({"depth": 3, "norm": None}, "depth=3, norm=none"),
    ],
)  # fmt: skip
def test_values_in_tables(value: object, text: str) -> None:
    assert output._cell(value) == text


def test_facts_are_a_line_each_with_units(capsys: pytest.CaptureFixture[str]) -> None:
    output.detail({"val_mae": 0.5, "note": "two\nlines"}, units={"val_mae": "eV/atom"})
    assert capsys.readouterr().out == "val mae  0.5 eV/atom\nnote     two\n         lines\n"


def test_progress_in_a_log_is_sparse_and_has_rate_and_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(output.time, "monotonic", lambda: now[0])
    run(["families", "list"])
    capsys.readouterr()
    with output.progress("magpie", "compounds") as report:
        for second in range(1, 31):
            now[0] = float(second)
            report(second * 100, 3000)
    assert capsys.readouterr() == (
        "",
        "magpie: 1000 of 3000 compounds, 100/s, 20 s left\n"
        "magpie: 2000 of 3000 compounds, 100/s, 10 s left\n"
        "magpie: 3000 of 3000 compounds, 100/s\n",
    )


def test_progress_is_silent_when_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    run(["-q", "families", "list"])
    capsys.readouterr()
    with output.progress("magpie", "compounds") as report:
        report(1, 1)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("seconds", "text"), [(8, "8 s"), (61, "1 min 1 s"), (7260, "2 h 1 min")])
def test_durations(seconds: float, text: str) -> None:
    assert output._duration(seconds) == text


def test_a_terminal_obeys_no_unit(capsys: pytest.CaptureFixture[str]) -> None:
    unit = "\x1b[2J"
    output.show([{"a": 1}], [output.Column("a", unit=unit)])
    output.detail({"a": 1}, units={"a": unit})
    output.remark("table", f"in {unit}")
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert out.count(r"\x1b[2J") == 3
