"""The frame of the command line: errors in two lines, exit codes, formats, lazy commands."""

import csv
import importlib
import io
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from fesearch.cli import app, output
from fesearch.cli.app import COMMANDS, Line, run
from fesearch.errors import FesearchError, InputError, NoResultError, StudyNotFoundError

SCRIPT = [sys.executable, "-c", "from fesearch.cli.app import main; main()"]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], int]:
    """Runs a function as the command ``fesearch best``."""

    def as_command(function: Callable[[], None], *words: str) -> int:
        single = typer.Typer(add_completion=False)
        single.command("best")(function)
        monkeypatch.setattr(app, "_imported", lambda name: typer.main.get_command(single))
        return run(["best", *words])

    return as_command


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_listed_is_there(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module, attribute = COMMANDS[name].target.split(":")
    assert hasattr(importlib.import_module(module), attribute)
    assert run([name, "--help"]) == 0
    assert f"Usage: fesearch {name}" in capsys.readouterr().out


def test_help_has_a_line_for_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    printed = capsys.readouterr().out
    for name, line in COMMANDS.items():
        assert any(name in text and line.help in text for text in printed.splitlines())


@pytest.mark.parametrize("error", [FesearchError, InputError, NoResultError, StudyNotFoundError])
def test_an_error_is_two_lines_and_its_exit_code(
    error: type[FesearchError],
    typed: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        raise error("The depth is 2.", "Give 3 or more.")

    assert typed(fail) == error.exit_code
    out, err = capsys.readouterr()
    assert (out, err) == ("", "The depth is 2.\nGive 3 or more.\n")


@pytest.mark.parametrize("place", ["before", "after"])
def test_debug_shows_the_traceback(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["families", "show", "irnt"]
    assert run(["--debug", *words] if place == "before" else [*words, "--debug"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.endswith(
        "There is no family 'irnt'.\nDid you mean 'irnet'? Type: fesearch families list\n"
    )


def test_the_unexpected_is_two_lines_and_1(
    typed: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("a bug\nof two lines")

    assert typed(fail) == 1
    assert capsys.readouterr().err == (
        "ZeroDivisionError: a bug\nFor the traceback type: fesearch --debug best\n"
    )


@pytest.mark.parametrize("stop", [KeyboardInterrupt, typer.Abort])
def test_an_interrupt_is_130(
    stop: type[BaseException], typed: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        raise stop

    assert typed(interrupted) == 130
    assert capsys.readouterr().err == "Interrupted.\n"


ENDING = """
import signal, sys
from fesearch.cli import app

signal.signal(signal.SIGHUP, getattr(signal, sys.argv[2]))
app.run = lambda arguments: signal.raise_signal(int(sys.argv[1])) or 7
try:
    app.main()
except KeyboardInterrupt:
    sys.exit(3)
"""


@pytest.mark.parametrize(
    ("sent", "before", "code"),
    [
        (signal.SIGTERM, "SIG_DFL", 3),
        (signal.SIGHUP, "SIG_DFL", 3),
        (signal.SIGHUP, "SIG_IGN", 7),  # as under nohup
    ],
)
def test_sigterm_and_a_closed_terminal_end_a_command_as_ctrl_c_does(
    sent: signal.Signals, before: str, code: int
) -> None:
    words = [sys.executable, "-c", ENDING, str(int(sent)), before]
    assert subprocess.run(words).returncode == code


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (
            ["familes"],
            "No such command 'familes'. Did you mean 'families'?\nType: fesearch --help\n",
        ),
        (["families"], "Missing command.\nType: fesearch families --help\n"),
        (
            ["families", "show"],
            "Missing argument 'family'.\nType: fesearch families show --help\n",
        ),
        (
            ["families", "list", "--format", "xml"],
            "Invalid value for '--format': 'xml' is not one of 'table', 'json', 'csv'.\n"
            "Type: fesearch families list --help\n",
        ),
    ],
)
def test_wrong_usage_is_two_lines_and_2(
    words: list[str], lines: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    assert capsys.readouterr() == ("", lines)


@pytest.mark.parametrize(("flag", "level"), [("-q", 30), ("-v", 10), ("", 20)])
def test_flags_set_what_is_logged_and_may_stand_last(flag: str, level: int) -> None:
    assert run(["families", "list", *([flag] if flag else [])]) == 0
    assert logging.getLogger("fesearch").level == level


def test_words_after_two_dashes_are_left_alone() -> None:
    assert app._options_first(["best", "-q", "--", "-v"]) == ["-q", "best", "--", "-v"]


@pytest.mark.parametrize("words", [["--help"], ["families", "list"]], ids=" ".join)
def test_a_closed_pipe_is_quiet(words: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    buffered = {**os.environ, "PYTHONUNBUFFERED": ""}  # so that the last flush meets it too
    done = subprocess.run(
        [*SCRIPT, *words], stdout=write, stderr=subprocess.PIPE, text=True, env=buffered
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


TOLD = """
import sys
from fesearch.cli import app

def told(arguments):
    for _ in range(9):
        print("trial 1 COMPLETE", file=sys.stderr, flush=True)
    print("the ranking", sys.stderr.isatty())
    return 0

app.run = told
app.main()
"""


@pytest.mark.parametrize("to", ["closed pipe", "full disk", "nowhere"])
def test_nothing_ends_because_nobody_reads_its_progress(to: str) -> None:
    """A search of hours, say, whose terminal is gone."""
    words: dict[str, Any] = {"args": [sys.executable, "-c", TOLD], "stdout": subprocess.PIPE}
    if to == "closed pipe":
        read, write = os.pipe()
        os.close(read)
    elif to == "full disk":
        write = os.open("/dev/full", os.O_WRONLY)
    else:
        write, words["args"] = (
            os.open(os.devnull, os.O_WRONLY),
            ["sh", "-c", 'exec "$@" 2>&-', "sh", *words["args"]],
        )
    done = subprocess.run(**words, stderr=write, text=True)
    os.close(write)
    assert (done.returncode, done.stdout) == (0, "the ranking False\n")


def test_a_single_command_is_imported_when_typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = {"nothing": Line("fesearch.no_such_module:nothing", "Nothing.")}
    monkeypatch.setattr(app, "COMMANDS", listed)
    assert run(["--help"]) == 0
    assert "nothing  Nothing." in capsys.readouterr().out
    assert run(["nothing"]) == 1
    assert "No module named 'fesearch.no_such_module'" in capsys.readouterr().err


def test_families_list_has_the_promised_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["families", "list", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"irnet", "random_forest"} <= {row["name"] for row in rows}
    for row in rows:
        assert {"name", "title", "source"} <= set(row)


def test_families_show_has_both_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["families", "show", "irnet"]) == 0
    printed = capsys.readouterr().out
    assert "depth" in printed
    assert "17, 24, 48" in printed
    assert "3 … 48" in printed
    assert "fp32, tf32, bf16" in printed  # of a parameter that no space has
    assert run(["families", "show", "irnet", "--preset", "published", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert list(rows[0]) == ["parameter", "published", "source"]
    published = {row["parameter"]: row["published"] for row in rows}
    assert published["depth"].startswith("17, 24, 48")


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
