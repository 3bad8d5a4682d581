"""A report that is written again and again while its studies run, for colleagues to reload."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from fesearch.analysis import Analysis
from fesearch.errors import FesearchError, InputError, NoResultError, StudyNotFoundError
from fesearch.ranking.published import Publication
from fesearch.report.contents import Report, collect, named
from fesearch.report.page import write
from fesearch.search.prepare import Progress
from fesearch.store.results import Store

SHORTEST = 10.0
"""Seconds between two pages: each reads all of the studies."""


def rewrite(
    names: Sequence[str],
    url: str,
    to: Path,
    seconds: float,
    *,
    beside: Publication | None = None,
    progress: Progress | None = None,
    begin: Callable[[Analysis], None] = lambda analysis: None,
    tell: Callable[[str], None] = lambda line: None,
    wait: Callable[[float], None] = time.sleep,
) -> Report:
    """Write the page of some studies every so often, for the last time when all have ended.

    A page takes the place of the one before at once, so that whoever reads sees a whole one. Once
    there is one, an error is told and the next page is tried: it may pass, as a database that is
    locked does.

    Args:
        names: see ``collect``.
        seconds: from the beginning of one page to that of the next.
        beside, progress, begin: see ``collect``.
        tell: told of each page, and while there is nothing to show yet.

    Returns:
        what the last page says.

    Raises:
        InputError: the time is too short.
        StudyNotFoundError: there is no study of a name, or no longer.
        NoResultError: all have ended, and none has a usable trial.
        FesearchError: the first page cannot be made or written.
    """
    if seconds < SHORTEST:
        raise InputError(
            f"A page every {seconds:g} s is too often.", f"Type: --every {SHORTEST:.0f}s, or more"
        )
    written, alive = False, list[str]()
    while True:
        began = time.monotonic()
        try:
            alive = going(names, url)
            report = collect(names, url, beside=beside, progress=progress, begin=begin)
            write(report, to, datetime.now(UTC), seconds if alive else None)
            written = True
            tell(f"{to} is as of {datetime.now(UTC):%H:%M:%S} UTC; {len(alive)} running.")
            if not alive:
                return report
        except FesearchError as error:
            lasting = isinstance(error, NoResultError | StudyNotFoundError)
            soon = isinstance(error, NoResultError) and alive
            if not soon and (lasting or not written):
                raise
            tell(f"{error.message} The page waits.")
        wait(max(seconds - (time.monotonic() - began), 0.0))


def going(names: Sequence[str], url: str) -> list[str]:
    """The studies that a driver is at work on.

    Raises:
        StudyNotFoundError: there is none of a name.
    """
    if not (rows := named(names, url)):
        return []
    with Store.look(url) as store:
        return [row.name for row in rows if store.driven(row)]
