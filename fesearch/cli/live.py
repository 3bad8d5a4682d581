"""A search as it goes: a page that renews itself in a terminal, lines elsewhere."""

import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fesearch.cli.output import MISSING
from fesearch.errors import counted
from fesearch.record import Report, TrialResult, TrialSpec, TrialState
from fesearch.space import Value

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.live import Live
    from rich.table import Table

    from fesearch.search.core import Core
    from fesearch.search.pruner import Standing
    from fesearch.search.roles import Watcher
    from fesearch.search.settings import Settings

_RECENT, _NOTES = 8, 3
_MOST_RUNNING = 12


class Tally:
    """What a view counts: ended trials by state, the best of them, those running."""

    def opened(self, core: "Core", results: Sequence[TrialResult]) -> None:
        """See ``core.Watcher``."""
        self.core = core
        self.began_at = time.monotonic()
        self.before = sum(result.state.finished for result in results)
        self.states = dict.fromkeys(TrialState, 0)
        self.best: TrialResult | None = None
        self.running: dict[int, TrialSpec] = {}
        self.last: dict[int, Report] = {}
        self.recent: deque[TrialResult] = deque(maxlen=_RECENT)
        self.notes: deque[str] = deque(maxlen=_NOTES)
        for result in results:
            if result.state.finished:
                self.count(result)

    def began(self, spec: TrialSpec, resumed: bool) -> None:
        """See ``core.Watcher``."""
        self.running[spec.number] = spec

    def reported(self, number: int, report: Report) -> None:
        """See ``core.Watcher``."""
        self.last[number] = report

    def ended(self, result: TrialResult) -> None:
        """See ``core.Watcher``."""
        self.running.pop(result.number, None)
        self.last.pop(result.number, None)
        self.recent.append(result)
        self.count(result)

    def noted(self, line: str) -> None:
        """See ``core.Watcher``."""
        self.notes.append(line)

    def count(self, result: TrialResult) -> None:
        """Add an ended trial."""
        self.states[result.state] += 1
        if result.value is None or not result.state.usable:
            return
        sign = 1 if self.settings.metric.direction == "minimize" else -1
        best = self.best.value if self.best else None
        if best is None or sign * result.value < sign * best:
            self.best = result

    @property
    def settings(self) -> "Settings":
        """Of the search; its budget may change on the way."""
        return self.core.settings

    @property
    def done(self) -> int:
        """Trials that have ended, before this run too."""
        return sum(self.states.values())

    @property
    def counts(self) -> str:
        """How the ended trials ended, in Optuna's words."""
        words = [f"{count} {state}" for state, count in self.states.items() if count]
        return ", ".join(words) or "none ended"

    @property
    def best_line(self) -> str:
        """The best value so far and whose it is."""
        if self.best is None:
            return f"no {self.settings.metric.title} yet"
        value = _number(self.best.value, self.settings.unit)
        return f"best {self.settings.metric.title} {value} (trial {self.best.number})"

    @property
    def pace(self) -> str:
        """Trials an hour since this run began, and the time the rest will take."""
        ended = self.done - self.before
        seconds = time.monotonic() - self.began_at
        if not ended:
            return f"{_clock(seconds)} gone"
        left = (self.core.budget - self.done) * seconds / ended
        if self.settings.deadline is not None:
            left = min(left, max(self.settings.deadline - time.monotonic(), 0.0))
        rate = counted(round(ended / seconds * 3600), "trial")
        return f"{_clock(seconds)} gone, {rate} an hour, about {_clock(left)} left"


class Lines(Tally):
    """A line for each trial that ends; what suits a pipe, a log file, a batch job."""

    def opened(self, core: "Core", results: Sequence[TrialResult]) -> None:
        super().opened(core, results)
        again = f", {self.done} ended before" if self.done else ""
        _say(f"study {self.settings.name}: {counted(self.core.budget, 'trial')}{again}")

    def began(self, spec: TrialSpec, resumed: bool) -> None:
        super().began(spec, resumed)
        if resumed:
            _say(f"trial {spec.number} goes on")
        elif spec.parent is not None:
            _say(f"trial {spec.number} goes on from trial {spec.parent}")

    def ended(self, result: TrialResult) -> None:
        super().ended(result)
        of_all = f"{self.done} of {self.core.budget}"
        _say(f"trial {result.number} {self._ending(result)}")
        _say(f"  {of_all}, {self.best_line}, {self.pace}")

    def noted(self, line: str) -> None:
        super().noted(line)
        _say(line)

    def _ending(self, result: TrialResult) -> str:
        value = "" if result.value is None else f" {_number(result.value, self.settings.unit)}"
        amount = self.settings.family.resource.amount(result.resource)
        reason = f": {result.reason}" if result.reason else ""
        return f"{result.state.value}{value} after {amount}, {result.seconds:.1f} s{reason}"


class Page(Tally):
    """The page of a terminal: running and ended trials, best so far, rungs, time left.

    A thread draws it while trials begin and end, so it reads copies of what grows and shrinks.
    """

    _display: "Live | None" = None

    def opened(self, core: "Core", results: Sequence[TrialResult]) -> None:
        super().opened(core, results)
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True)
        self._display = Live(self, console=console, refresh_per_second=4, vertical_overflow="crop")
        self._display.start()

    def close(self) -> None:
        """Leave the page as it is and the terminal to others."""
        if self._display is not None:
            self._display.stop()

    def __rich_console__(
        self, console: "Console", options: "ConsoleOptions"
    ) -> "Iterator[RenderableType]":
        from rich.text import Text

        settings = self.settings
        head = Text(f"{settings.name}  ", style="bold")
        head.append(
            f"{self.done} of {counted(self.core.budget, 'trial')}: {self.counts}", style="default"
        )
        lines = [head, Text(self.best_line, style="green"), Text(self.pace, style="dim")]
        if self.core.stopping and self.core.stopped:
            lines.append(
                Text(f"stopping ({self.core.stopped}): checkpoints are being left", style="yellow")
            )
        lines += [Text(note, style="yellow") for note in list(self.notes)]
        yield from lines
        for table in self._tables(options.size.height - len(lines)):
            yield Text()
            yield table

    def _tables(self, height: int) -> "Iterator[Table]":
        """The tables, with as many rows as there is room for: a terminal may have 24 lines."""
        standings = self.core.rule.standings()
        # A blank line and a heading each, "and 188 more", and the line of the cursor.
        room = max(height - 2 * (1 + bool(standings) + bool(self.recent)) - 2, 3)
        recent = min(len(self.recent), max(room // 4, 1))
        shown = min(len(standings), max(room // 3, 1))
        yield self._running_table(min(_MOST_RUNNING, room - recent - shown))
        if standings:
            yield self._rung_table(standings[:shown])
        if self.recent:
            yield self._recent_table(recent)

    def _leading(self) -> "list[TrialSpec]":
        """The trials that run, the best so far first, those without a value last."""
        sign = 1 if self.settings.metric.direction == "minimize" else -1

        def rank(spec: TrialSpec) -> tuple[bool, float, int]:
            report = self.last.get(spec.number)
            best = report.best if report else None
            return best is None, sign * (best or 0.0), spec.number

        return sorted(self.running.values(), key=rank)

    def _running_table(self, most: int) -> "Table":
        unit, metric = self.settings.family.resource.unit, self.settings.metric.title
        table = _table("running", unit, f"{metric} now", "best", "seconds", "config")
        every = self._leading()
        for spec in every[:most]:
            report = self.last.get(spec.number)
            _add(
                table,
                str(spec.number),
                f"{report.resource if report else 0}/{spec.steps[-1]}",
                _number(report.raw if report else None),
                _number(report.best if report else None),
                f"{report.seconds:.0f}" if report else MISSING,
                varying(spec.config, self.settings.space.parameters),
            )
        if len(every) > most:
            _add(table, f"and {len(every) - most} more")
        return table

    def _rung_table(self, standings: "Sequence[Standing]") -> "Table":
        unit = self.settings.family.resource.unit
        table = _table(f"rung ({unit})", "trials seen", "goes on at or better than")
        sign = 1 if self.settings.metric.direction == "minimize" else -1
        for one in standings:
            bracket = "" if one.bracket is None else f" (bracket {one.bracket})"
            cutoff = None if one.cutoff is None else sign * one.cutoff
            _add(table, f"{one.resource}{bracket}", str(one.seen), _number(cutoff))
        return table

    def _recent_table(self, most: int) -> "Table":
        unit = self.settings.family.resource.unit
        table = _table("ended", "state", self.settings.metric.title, unit, "seconds", "reason")
        ended = list(self.recent)  # at once: an iterator over it may be overtaken
        for result in ended[::-1][:most]:
            _add(
                table,
                str(result.number),
                result.state.value,
                _number(result.value),
                str(result.resource),
                f"{result.seconds:.0f}",
                result.reason,
            )
        return table


@contextmanager
def watching(quiet: bool) -> Iterator[list["Watcher"]]:
    """The watchers that suit where stderr goes; none when quiet."""
    if quiet:
        yield []
    elif not sys.stderr.isatty():
        yield [Lines()]
    else:
        page = Page()
        try:
            yield [page]
        finally:
            page.close()


def varying(config: Mapping[str, Value], space: Mapping[str, object]) -> str:
    """A config in a line, without the parameters whose space is a single value."""
    from fesearch.space import Choice

    def fixed(name: str) -> bool:
        domain = space.get(name)
        return isinstance(domain, Choice) and len(domain.options) == 1

    return " ".join(f"{name}={_value(v)}" for name, v in config.items() if not fixed(name))


def _table(*headings: str) -> "Table":
    """A table whose last column takes what width the others leave, and is cut short there."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", expand=True)
    for heading in headings[:-1]:
        table.add_column(heading, no_wrap=True)
    table.add_column(headings[-1], no_wrap=True, overflow="ellipsis", ratio=1)
    return table


def _add(table: "Table", *cells: str) -> None:
    """Add a row of plain text: what an exception says may look like rich's markup."""
    from rich.text import Text

    table.add_row(*map(Text, cells))


def _value(value: Value) -> str:
    if value is None:
        return "none"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _number(value: float | None, unit: str = "") -> str:
    return MISSING if value is None else f"{value:.4g} {unit}".rstrip()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
