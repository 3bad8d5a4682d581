"""Searches over many families, as ``study start`` and ``study resume`` run and show them."""

from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from fesearch.cli.afterwards import Afterwards
from fesearch.cli.app import INTERRUPTED
from fesearch.cli.live import watching
from fesearch.cli.output import Format, progress, quiet, say
from fesearch.cli.rank import rank
from fesearch.duration import duration, spelled
from fesearch.errors import NoResultError, counted
from fesearch.portfolio import Portfolio, of_keys
from fesearch.registry import short_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fesearch.search.portfolio import Ended, Looks
    from fesearch.search.shares import Turn


class LeftOut:
    """Families that cannot be trained on these data.

    Attributes:
        why: family -> the reason.
    """

    def __init__(self) -> None:
        self.why: dict[str, str] = {}

    def note(self, family: str, why: str) -> None:
        """Say and keep it."""
        self.why[short_name(family)] = why
        say(f"{short_name(family)} is left out: {why}")


def start(
    keys: Mapping[str, Any],
    source: str,
    url: str,
    or_resume: bool,
    afterwards: Afterwards,
    format: Format,
) -> None:
    """Begin a search over many families, or go on with it."""
    from fesearch.search import portfolio

    made, kept = of_keys(keys, source), 0.0
    if made.seconds is not None and afterwards.asked:
        left = afterwards.left(made.seconds)
        kept = made.seconds - left
        made = of_keys({**keys, "time_limit": f"{left:.3f}s"}, source)
    afterwards.refuse_foreign([study.name for study in made.studies.values()])
    with _looks(made) as looks:
        ended = portfolio.begin(made, url, looks, or_resume=or_resume)
    _conclude(ended, url, afterwards, kept, format)


def resume(
    name: str,
    url: str,
    time_limit: str | None,
    take_over: bool,
    place: Mapping[str, Any],
    afterwards: Afterwards,
    format: Format,
) -> bool:
    """Go on with the search over many families of that name; False where there is none."""
    from fesearch.search import portfolio, standings

    if not standings.members(name, url):
        return False
    made = standings.recorded(name, url)
    afterwards.refuse_foreign([study.name for study in made.studies.values()])
    limit = made.seconds if time_limit is None else duration(time_limit)
    kept = 0.0 if limit is None else limit - afterwards.left(limit)
    seconds = None if time_limit is None or limit is None else limit - kept
    with _looks(made) as looks:
        ended = portfolio.go_on(name, url, looks, seconds=seconds, take_over=take_over, place=place)
    _conclude(ended, url, afterwards, kept, format)
    return True


@contextmanager
def _looks(made: Portfolio) -> "Iterator[Looks]":
    from fesearch.search.portfolio import Looks
    from fesearch.search.shares import rounds

    last = len(rounds(len(made.studies)))

    def turn(turn: "Turn") -> None:
        amount = (
            counted(round(turn.amount), "trial")
            if made.seconds is None
            else spelled(round(max(turn.amount, 1.0)))
        )
        say(f"round {turn.round} of {last}: {short_name(turn.family)}, {amount}")

    with progress("features", "compounds") as report:
        yield Looks(report, lambda: watching(quiet()), turn, LeftOut().note, say)


def _conclude(
    ended: "Ended", url: str, afterwards: Afterwards, kept: float, format: Format
) -> None:
    """The ranking of the families, what to type next, and the exit code.

    Args:
        kept: seconds beyond the search for what comes afterwards.
    """
    from fesearch.ranking.rank import tables
    from fesearch.search import core

    again = f"Go on with:  fesearch study resume {ended.portfolio.name}"
    if not ended.studies:
        again = "Nothing of it is on record: type the command again"
        again += "." if ended.stopped else ", with a longer --time-limit."
    try:
        if not ended.studies:
            said = f"No family of '{ended.portfolio.name}' has been trained yet."
            raise NoResultError(said, again)
        [table] = tables(url, studies=ended.studies)
    except NoResultError as error:
        if ended.stopped == core.INTERRUPTED:
            say(f"Stopped: {ended.stopped}.", again)
            raise typer.Exit(INTERRUPTED) from None
        if not ended.studies:
            raise
        if ended.stopped:
            said = f"Stopped: {ended.stopped}; no trial is usable yet."
            raise NoResultError(said, again) from error
        said = f"The budget of '{ended.portfolio.name}' is spent, and no trial is usable yet."
        raise NoResultError(said, f"Give it more:  {_more(ended.portfolio)}\n{again}") from error
    best = table.entries[0].trial.study
    try:
        if ended.stopped in ("", core.LATE):  # the best as a model first: time may be short
            afterwards.look([best], url)
            others = [entry.trial.study for entry in table.entries[1:]]
            try:
                afterwards.write(best, url)
            finally:
                afterwards.look(others, url, ended.deadline + kept)
    finally:
        rank(study=list(ended.studies), storage=url, format=format)
        _tell_of_unranked(ended, url)
    if ended.stopped:
        say(f"Stopped: {ended.stopped}.", again)
        if ended.stopped == core.INTERRUPTED:
            raise typer.Exit(INTERRUPTED)
        return
    _tell_of_halted(ended.portfolio.name, url)
    say(
        "Next:",
        f"  fesearch export {best} --to model   the best as a model",
        f"  fesearch trials {best}   every trial of its family, and why it ended",
        f"  {_more(ended.portfolio)}   more for all to share",
    )


def _more(portfolio: Portfolio) -> str:
    """What to type for a larger budget."""
    budget = "--trials +50" if portfolio.seconds is None else "--time-limit +1h"
    return f"fesearch study extend {portfolio.name} {budget}"


def _tell_of_unranked(ended: "Ended", url: str) -> None:
    """Say what families got that have nothing to rank; the others' share is in the ranking."""
    from fesearch.search.standings import members

    for one in members(ended.portfolio.name, url):
        if one.best is None:
            begun, taken = counted(sum(one.trials.values()), "trial"), round(one.study.seconds)
            say(f"{one.study.name} is not ranked: {begun} in {spelled(taken)}, none of use yet.")
    for family, study in ended.portfolio.studies.items():
        if study.name not in ended.studies and family not in ended.left_out:
            say(f"{study.name} is not ranked: it has had no turn yet.")


def _tell_of_halted(name: str, url: str) -> None:
    """Say which trials were halted, and so are not ranked, that are the best of their families."""
    from fesearch.search.standings import ahead

    for study, trial in ahead(name, url):
        say(
            f"Trial {trial.number} of {study} was halted at {trial.value:.4g}, better than all of "
            "its family that have ended; when the search goes on it does, and is ranked at its end."
        )
