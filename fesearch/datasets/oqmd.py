"""The Open Quantum Materials Database, page by page through its REST API.

Each page is kept in the cache until the data set is saved, so that a download that broke off goes
on where it was. What the API calls ``stability`` is the distance to the convex hull.

Source of the interface, and of the meaning of its fields: static.oqmd.org/static/docs/restful.html;
energies are per atom, ``volume`` is that of the cell.
"""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from fesearch.datasets import _http, _pages
from fesearch.errors import FesearchError, InputError
from fesearch.source import Delivery, Offer, Query, RawRow, RawTable, Remote, Report

URL = "http://oqmd.org/oqmdapi/formationenergy"
FORMULA, ID = "name", "entry_id"
ROWS = 500  # asked for at a time
LARGEST = 64 * 2**20  # bytes of a page
PAUSE = 0.5  # seconds between two pages: the server is shared by all
RESTARTS = 3  # when the number of entries changes in the middle

OFFER = Offer(
    targets={
        "delta_e": "eV/atom",
        "stability": "eV/atom",
        "band_gap": "eV",
        "volume": "Å³",
    },
    formula=FORMULA,
    id=ID,
)
_CITATION = (
    "J. E. Saal et al., JOM 65, 1501 (2013), doi:10.1007/s11837-013-0755-4; "
    "S. Kirklin et al., npj Comput. Mater. 1, 15010 (2015), doi:10.1038/npjcompumats.2015.10"
)

log = logging.getLogger(__name__)


class _Page(NamedTuple):
    """Some of the entries.

    Attributes:
        total: of all entries that the query finds.
        date: when it was fetched, such as 2026-11-21.
    """

    total: int
    date: str
    rows: list[dict[str, Any]]


class _ChangedError(Exception):
    """The number of entries is another than it was."""


@contextmanager
def open_query(query: Query, report: Report) -> Iterator[Delivery]:
    """The entries that a query finds; ``report`` counts them.

    Raises:
        FesearchError: the server cannot be reached, or gives nothing usable.
        InputError: nothing is found, or the same is being fetched by another process.
    """
    asked = _asked(query)
    with _pages.kept_pages("oqmd", f"{URL}?{asked}") as folder:
        first = _fetch(folder, asked, report)
        yield Delivery(
            RawTable(asked["fields"].split(","), _rows(folder, first.total)),
            title="Open Quantum Materials Database",
            source=f"{URL}?{urlencode(asked)}, {first.total} entries, {first.date}; "
            "formation energies of the fit 'standard'",
            licence="CC-BY 4.0",
            citation=_CITATION,
        )


SOURCE = Remote(
    "Open Quantum Materials Database",
    offers={"oqmd": OFFER},
    choices=frozenset({"elements", "filter", "duplicates"}),
    unit="entries",
    open=open_query,
)


def _asked(query: Query) -> dict[str, str]:
    """The parameters of the URL, but for the place of the page."""
    condition = query.filter
    if query.elements:
        among = f"element_set={','.join(query.elements)}"
        condition = f"( {condition} ) AND {among}" if condition else among
    asked = {
        "fields": ",".join((FORMULA, ID, *query.targets)),
        "noduplicate": str(not query.duplicates),
    }
    return asked | ({"filter": condition} if condition else {})


def _fetch(folder: Path, asked: Mapping[str, str], report: Report) -> _Page:
    """Have all pages in ``folder``; the first of them."""
    for _ in range(RESTARTS):
        try:
            return _fetch_once(folder, asked, report)
        except _ChangedError as change:
            log.warning("OQMD has changed meanwhile (%s); all pages are fetched again.", change)
            for path in folder.glob("*.json"):
                path.unlink()
    raise FesearchError(
        f"The number of entries of oqmd changed {RESTARTS} times while they were fetched.",
        "The database is being filled; try again later.",
    )


def _fetch_once(folder: Path, asked: Mapping[str, str], report: Report) -> _Page:
    """Have all pages in ``folder``, those that are there already not fetched again.

    Raises:
        _ChangedError: pages disagree on the number of entries.
    """
    first = page = _page(folder, asked, 0)
    place = len(first.rows)
    report(place, first.total)
    while place < first.total:
        page = _page(folder, asked, place)
        if page.total != first.total:
            raise _ChangedError(f"{first.total} entries, then {page.total}")
        place += len(page.rows)
        report(place, first.total)
    return first


def _page(folder: Path, asked: Mapping[str, str], place: int) -> _Page:
    """The page that begins with entry number ``place``, fetched if it is not there."""
    path = folder / f"{place:08}.json"
    if path.exists():
        return _kept(path)
    if place:
        time.sleep(PAUSE)
    found = _http.get_json(
        URL,
        {**asked, "limit": str(ROWS), "offset": str(place), "format": "json"},
        most=LARGEST,
    )
    page = _checked(found, place)
    _pages.write(path, page._asdict())
    return page


def _kept(path: Path) -> _Page:
    return _Page(**_pages.read(path))


def _checked(found: Any, place: int) -> _Page:
    """A page, of the answer of the server."""
    try:
        total, rows = found["meta"]["data_available"], found["data"]
        usable = isinstance(total, int) and all(isinstance(row, dict) for row in rows)
    except (TypeError, LookupError):
        usable = False
    if not usable:
        message = f"The answer of {URL} has not the form that its documentation gives."
        raise FesearchError(message, "Look at --filter, or try again later.")
    if not total:
        raise InputError("No entry of oqmd is as asked.", "Look at --filter and --elements.")
    if not rows:
        message = f"{URL} gives no entries from {place} on, of {total} that there are."
        raise FesearchError(message, "Try again later; what has been fetched is kept.")
    return _Page(total, datetime.now(UTC).date().isoformat(), rows)


def _rows(folder: Path, total: int) -> Iterator[RawRow]:
    """The rows of all pages, in the order of the server."""
    place = 0
    while place < total:
        rows = _kept(folder / f"{place:08}.json").rows
        for cells in rows:
            yield RawRow(f"entry {cells.get('entry_id')}", cells)
        place += len(rows)
