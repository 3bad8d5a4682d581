"""The ``fesearch`` command: every command in one line each, and what happens when one fails."""

import importlib
import logging
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, TextIO

import typer
from typer.core import TyperCommand, TyperGroup

from fesearch import __version__
from fesearch.errors import FesearchError, printable

INTERRUPTED = 130


class Line(NamedTuple):
    """A command as ``fesearch --help`` lists it.

    Attributes:
        target: "module:attribute"; a ``typer.Typer`` is a group, a function a single command.
            It is imported when the command is typed, never to list it.
        help: one line.
    """

    target: str
    help: str


COMMANDS: Mapping[str, Line] = MappingProxyType(
    {
        "data": Line(
            "fesearch.cli.data:app", "Data sets: list, show, import, fetch, plot, split, delete."
        ),
        "features": Line("fesearch.cli.features:app", "Feature sets: list, build, export, clear."),
        "families": Line("fesearch.cli.families:app", "Model families: list, show, check."),
        "study": Line("fesearch.cli.study:app", "Searches: start, resume, list, show and more."),
        "trials": Line("fesearch.cli.trials:app", "The trials of a study, or one of them."),
        "best": Line("fesearch.cli.best:best", "The best trial of a study."),
        "rank": Line("fesearch.cli.rank:rank", "Compare what was trained on identical divisions."),
        "analyse": Line(
            "fesearch.cli.analyse:analyse", "Where models fail and why: numbers and pictures."
        ),
        "report": Line("fesearch.cli.report:report", "All there is to see of studies, on a page."),
        "holdout": Line(
            "fesearch.cli.holdout:holdout", "Score finalists on the test part, on record."
        ),
        "export": Line("fesearch.cli.export:export", "Write a trained model to a folder."),
        "predict": Line("fesearch.cli.predict:predict", "Predict formulas with an exported model."),
        "simulate": Line(
            "fesearch.cli.simulate:simulate", "Compare ways to search on recorded curves."
        ),
        "store": Line("fesearch.cli.store:app", "The study database: backup, upgrade, copy."),
        "cluster": Line(
            "fesearch.cli.cluster:app", "Scripts for clusters: slurm, ray; and what they ask."
        ),
        "doctor": Line(
            "fesearch.cli.doctor:doctor", "What a search finds here, and what is wrong."
        ),
        "dashboard": Line("fesearch.cli.dashboard:dashboard", "Look at studies in the browser."),
    }
)


class Doorway(TyperGroup):
    """Lists each command by its line in ``COMMANDS`` and imports the one that is typed."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {
            name: TyperCommand(name, help=line.help) for name, line in COMMANDS.items()
        }

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that ``args`` begin with, imported, and the arguments left for it."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, listed and _imported(name or ""), rest


app = typer.Typer(cls=Doorway, add_completion=False, rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def fesearch(
    ctx: typer.Context,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Warnings only.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log every step.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of errors.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Fair hyperparameter search for formation energies of inorganic compounds."""
    # --debug is declared here for --help; ``run`` looks for it, as errors end there.
    _log_to_stderr(logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO)
    if version:
        typer.echo(f"fesearch {__version__}")
    elif ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def main() -> None:
    """The entry point of the ``fesearch`` script.

    SIGTERM, which batch systems send before they kill, and SIGHUP, which a terminal sends that is
    closed, end any command as Ctrl-C does; what is under ``nohup`` hears no SIGHUP.
    """
    for one in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(one) is not signal.SIG_IGN:
            signal.signal(one, signal.default_int_handler)
    # There is none at all where a shell has closed it (2>&-).
    sys.stderr = _Unheard(sys.stderr or Path(os.devnull).open("w"))  # noqa: SIM115
    sys.exit(run(sys.argv[1:]))


class _Unheard:
    """stderr, at which nothing ends because nobody reads it any more.

    The pipe may be closed, as by ``2>&1 | head``, the disk of a log full, the terminal gone.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def run(arguments: Sequence[str]) -> int:
    """Do what a command line asks for, its errors printed on stderr in two lines.

    Returns:
        the exit code: 0, the error's own, 1 for the unexpected, 130 when interrupted.
    """
    arguments = _options_first(arguments)
    command = typer.main.get_command(app)
    try:
        code = command.main(arguments, prog_name="fesearch", standalone_mode=False)
        sys.stdout.flush()
    except FesearchError as error:
        return _failed(error.message, error.hint, error.exit_code, arguments)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "fesearch"
        message = error.format_message().replace("Value error, ", "")  # pydantic's, within typer
        return _failed(message, f"Type: {path} --help", error.exit_code, arguments)
    except typer.Abort:
        return _interrupted()
    except BrokenPipeError:
        # The reader has gone, as in `| head`. Python flushes stdout once more at exit, which must
        # not complain; 1 is what typer answers where it meets the closed pipe first.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001  the last resort, so that no user meets a traceback
        message = f"{type(error).__name__}: {error}".splitlines()[0]
        again = shlex.join(["fesearch", "--debug", *arguments])
        return _failed(message, f"For the traceback type: {again}", 1, arguments)
    if code == INTERRUPTED:
        return _interrupted()
    return code if isinstance(code, int) else 0


def _imported(name: str) -> Any:
    """The command called ``name``, from its module."""
    line = COMMANDS[name]
    module, attribute = line.target.split(":")
    declared = getattr(importlib.import_module(module), attribute)
    if not isinstance(declared, typer.Typer):
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(name)(declared)
        declared = single
    command = typer.main.get_command(declared)
    command.name, command.help = name, command.help or line.help
    return command


def _options_first(arguments: Sequence[str]) -> list[str]:
    """The arguments with ``--debug``, ``-q`` and ``-v`` in front, so that they may stand last."""
    end = list(arguments).index("--") if "--" in arguments else len(arguments)
    ours = {"--debug", "-q", "--quiet", "-v", "--verbose"}
    first = [word for word in arguments[:end] if word in ours]
    return [*first, *(word for word in arguments[:end] if word not in ours), *arguments[end:]]


def _failed(message: str, hint: str, code: int, arguments: Sequence[str]) -> int:
    if "--debug" in arguments:
        traceback.print_exc()
    print(printable(message), printable(hint), sep="\n", file=sys.stderr)
    return code


def _interrupted() -> int:
    print("Interrupted.", file=sys.stderr)
    return INTERRUPTED


class _Printable(logging.Formatter):
    """Lines of a log without what a terminal would obey."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def _log_to_stderr(level: int) -> None:
    """Send the package's log to stderr, from ``level`` on."""
    logger = logging.getLogger("fesearch")
    logger.setLevel(level)
    handler = logging.StreamHandler()
    handler.setFormatter(_Printable("%(message)s"))
    logger.handlers = [handler]
