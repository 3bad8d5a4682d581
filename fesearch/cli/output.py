"""The one place that prints results: tables, pages of facts, JSON, CSV, and progress.

Results go to stdout, progress to stderr. Numbers have four significant digits in tables and all
their digits in JSON and CSV; what is missing is – in tables, null in JSON and empty in CSV.
"""

import json
import logging
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from fesearch.cli.fitting import GAP, blocks
from fesearch.csvrow import write_row
from fesearch.errors import printable

Format = Literal["table", "json", "csv"]
PaperFormat = Literal["table", "json", "csv", "markdown", "latex"]
Row = Mapping[str, Any]
Report = Callable[[int, int], None]

MISSING = "–"
MARKED = "\\|*_<>`[]"
"""Signs that mean something in Markdown."""
BAR = 40  # characters of the longest bar
SECONDS_BETWEEN_LINES = 10.0


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        key: of the value in each row, and the name in JSON and CSV.
        title: the heading; the key in words where left empty.
        unit: printed in the heading, such as "eV/atom".
        letters: of the text that a table shows, such as 12 of a hash; None shows all.
    """

    key: str
    title: str = ""
    unit: str = ""
    letters: int | None = None

    @property
    def heading(self) -> str:
        """Title and unit, as printed."""
        title = self.title or self.key.replace("_", " ")
        return printable(f"{title} ({self.unit})" if self.unit else title)


def show(
    rows: Sequence[Row], columns: Sequence[Column | str], format: PaperFormat = "table"
) -> None:
    """Print rows on stdout.

    Args:
        rows: each a mapping; keys that no column names are in JSON and CSV only.
        columns: of the table, in order; text stands for ``Column(text)``.
        format: "table" (with colours in a terminal, plain in a pipe), "json", "csv", or a table
            for a paper: "markdown" (as GitHub reads it) or "latex" (with the package booktabs).
    """
    shown = [Column(column) if isinstance(column, str) else column for column in columns]
    if format == "json":
        print(json.dumps([jsonable(row) for row in rows], indent=2, ensure_ascii=False))
    elif format == "csv":
        _print_csv(rows, [column.key for column in shown])
    else:
        cells = [[_cell(row.get(c.key))[: c.letters] for c in shown] for row in rows]
        right = [any(_is_number(row.get(column.key)) for row in rows) for column in shown]
        printers = {"markdown": _print_markdown, "latex": _print_latex}
        printers.get(format, _print_table)([column.heading for column in shown], cells, right)


def remark(format: PaperFormat, *lines: str) -> None:
    """Print what is said beside a table on stdout: as a comment in LaTeX, escaped in Markdown."""
    for line in (one for text in lines for one in printable(text).split("\n")):
        if format == "latex":
            print(f"% {line}".rstrip())
        elif format == "markdown":
            print(_escaped(line, MARKED), end="  \n" if line else "\n")  # each line its own
        else:
            print(line)


def detail(
    facts: Row, format: Format = "table", units: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Print what there is to say about one thing: a line a fact, or a JSON object.

    Args:
        units: key -> unit, printed behind the value in the table.
    """
    if format == "json":
        print(json.dumps(jsonable(facts), indent=2, ensure_ascii=False))
    elif format == "csv":
        _print_csv([facts], list(facts))
    else:
        width = max(map(len, facts), default=0)
        for key, value in facts.items():
            unit = f" {printable(units[key])}" if key in units else ""
            first, *more = f"{_cell(value)}{unit}".split("\n")
            print(f"{key.replace('_', ' '):<{width}}  {first}")
            for line in more:
                print(f"{'':<{width}}  {line}")


def page(
    facts: Row,
    name: str,
    rows: Sequence[Row],
    columns: Sequence[Column | str],
    format: Format = "table",
    units: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Print facts about one thing and the rows that belong to it.

    Args:
        name: of the rows in JSON, where they are part of the one object; CSV has the rows alone.
    """
    if format == "json":
        detail({**facts, name: list(rows)}, format)
    elif format == "csv":
        show(rows, columns, format)
    else:
        detail(facts, format, units)
        print()
        show(rows, columns, format)


def quiet() -> bool:
    """Whether only warnings are wanted (``fesearch -q``)."""
    return not logging.getLogger("fesearch").isEnabledFor(logging.INFO)


def say(*lines: str) -> None:
    """Print lines for a person on stderr, after an empty one; nothing when quiet."""
    if not quiet():
        print("", *lines, sep="\n", file=sys.stderr)


def histogram(low: float, high: float, counts: Sequence[int]) -> str:
    """Bars of text, a line for each of the equal bins between ``low`` and ``high``."""
    step, most = (high - low) / len(counts), max(max(counts), 1)
    ends = [(_cell(low + step * i), _cell(low + step * (i + 1))) for i in range(len(counts))]
    wide = max(len(text) for pair in ends for text in pair)
    return "\n".join(
        f"{left:>{wide}} … {right:>{wide}}  {'█' * math.ceil(BAR * count / most)} {count}"
        for (left, right), count in zip(ends, counts, strict=True)
    )


def covered(coverage: Mapping[str, Sequence[float]], level: str = "0.9") -> str | None:
    """The share of test rows within their prediction intervals of a level, as a table shows it."""
    return f"{coverage[level][0]:.1%}" if level in coverage else None


def low_high(interval: tuple[float, float] | None) -> str | None:
    """An interval as a table shows it."""
    return None if interval is None else " … ".join(map(_cell, interval))


@contextmanager
def progress(label: str, unit: str) -> Iterator[Report]:
    """Show on stderr how far a long step is, with its rate and the time left; nothing under -q.

    Yields:
        what to call with (done, total), as often as wanted.
    """
    if not logging.getLogger("fesearch").isEnabledFor(logging.INFO):
        yield lambda done, total: None
        return
    start = time.monotonic()

    def pace(done: int, total: int) -> str:
        return _pace(done, total, time.monotonic() - start, unit)

    if sys.stderr.isatty():
        with _bar(label, pace) as report:
            yield report
    else:
        yield _sparse_lines(label, pace)


def _print_table(headings: list[str], cells: list[list[str]], right: list[bool]) -> None:
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table

        console = Console(markup=False, highlight=False)
        for number, block in enumerate(blocks(headings, cells, console.width)):
            table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
            for place, width in zip(block.columns, block.widths, strict=True):
                side: Literal["left", "right"] = "right" if right[place] else "left"
                table.add_column(headings[place], justify=side, overflow="fold", width=width)
            for row in cells:
                table.add_row(*(row[place] for place in block.columns))
            console.print(*([""] if number else []), table, sep="\n")
        return
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    for row in [headings, *cells]:
        padded = [
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, right, strict=True)
        ]
        print("  ".join(padded).rstrip())


def _print_markdown(headings: list[str], cells: list[list[str]], right: list[bool]) -> None:
    for row in [headings, ["--:" if one else ":--" for one in right], *cells]:
        special = "" if row[0] in ("--:", ":--") else MARKED
        print("|", " | ".join(_escaped(cell, special) for cell in row), "|")


def _escaped(text: str, special: str) -> str:
    """A text of one line, with a backslash before each special sign."""
    return "".join(f"\\{sign}" if sign in special else sign for sign in " ".join(text.split()))


def _print_latex(headings: list[str], cells: list[list[str]], right: list[bool]) -> None:
    print("\\begin{tabular}{", *("r" if one else "l" for one in right), "}", sep="")
    head, *body = ([_tex(cell) for cell in row] for row in [headings, *cells])
    lines = [" & ".join(row) + " \\\\" for row in body]
    print("\\toprule", " & ".join(head) + " \\\\", "\\midrule", *lines, sep="\n")
    print("\\bottomrule", "\\end{tabular}", sep="\n")


def _tex(text: str) -> str:
    """A text as LaTeX prints it: its own signs are escaped, other alphabets stay."""
    words = {
        "\\": "\\textbackslash{}",
        "~": "\\textasciitilde{}",
        "^": "\\textasciicircum{}",
        "|": "\\textbar{}",
        "<": "\\textless{}",
        ">": "\\textgreater{}",
        "±": "$\\pm$",
        "²": "$^2$",
        "µ": "$\\mu$",  # two signs that look alike, and two for Å
        "μ": "$\\mu$",
        "\u212b": "\\AA{}",
        "⁻": "$^-$",
        "−": "$-$",
        "–": "--",
        "…": "--",
    }
    escaped = {sign: f"\\{sign}" for sign in "&%$#_{}"}
    return "".join({**words, **escaped}.get(sign, sign) for sign in " ".join(text.split()))


def _print_csv(rows: Sequence[Row], keys: list[str]) -> None:
    every = list(dict.fromkeys([*keys, *(key for row in rows for key in row)]))
    write_row(sys.stdout, every)
    for row in rows:
        values = [jsonable(row.get(key)) for key in every]
        write_row(sys.stdout, (json.dumps(v) if isinstance(v, dict | list) else v for v in values))


def _is_number(value: object) -> bool:
    return hasattr(value, "__float__") and not isinstance(value, bool)


def _cell(value: Any) -> str:
    """A value as a table shows it."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_inner(entry)}" for key, entry in value.items()) or MISSING
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value)) or MISSING
    if isinstance(value, float):
        return f"{value:.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"
    return printable(str(value))


def _inner(value: Any) -> str:
    """A value inside a mapping, which has commas of its own."""
    if isinstance(value, list | tuple):
        return "|".join(map(_inner, value))
    return "none" if value is None else _cell(value)


def jsonable(value: Any) -> Any:
    """A value in JSON's types; numbers that JSON has no word for are null."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(entry) for entry in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value)


def _pace(done: int, total: int, seconds: float, unit: str) -> str:
    rate = done / seconds if seconds > 0 else 0.0
    left = f"{_duration((total - done) / rate)} left" if rate and done < total else ""
    parts = [f"{done} of {total} {unit}", f"{_cell(rate)}/s" if rate else "", left]
    return ", ".join(part for part in parts if part)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _sparse_lines(label: str, pace: Callable[[int, int], str]) -> Report:
    """A line at the end, and before it one every ten seconds: what suits a log file."""
    printed = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal printed
        if done == total or time.monotonic() - printed >= SECONDS_BETWEEN_LINES:
            printed = time.monotonic()
            print(f"{label}: {pace(done, total)}", file=sys.stderr, flush=True)

    return report


@contextmanager
def _bar(label: str, pace: Callable[[int, int], str]) -> Iterator[Report]:
    """A bar from the first report to the last, and not beyond: the terminal is then another's."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[pace]}"))
    shown = Progress(*columns, console=Console(stderr=True), transient=True)
    task = shown.add_task(label, total=None, pace="")

    def report(done: int, total: int) -> None:
        shown.start()
        shown.update(task, completed=done, total=total, pace=pace(done, total))
        if done >= total:
            shown.stop()

    try:
        yield report
    finally:
        shown.stop()
