"""The frame of the command line: errors in two lines, exit codes, formats, lazy commands."""

import importlib
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import typer

from fesearch.cli import app
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
