"""The Materials Project, through its own client ``mp-api``.

Materials are asked for by their ids, some at a time, and kept in the cache until the data set is
saved, so that a download that broke off goes on where it was; of another version of the database
nothing is taken.

The key comes from MP_API_KEY or PMG_MAPI_KEY and goes to the client alone: what the client or the
server say in an error is shown without it, and their exceptions are not carried along.

Source of the fields and their units: docs.materialsproject.org, and the ``SummaryDoc`` of
emmet-core; ``volume`` and ``total_magnetization`` are those of the cell.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from fesearch.datasets._http import AgainError, patiently
from fesearch.datasets._pages import kept_pages, read, write
from fesearch.errors import FesearchError, InputError, quoted
from fesearch.optional import require
from fesearch.source import Delivery, Offer, Query, RawRow, RawTable, Remote, Report

T = TypeVar("T")

HOST = "api.materialsproject.org"
KEYS = ("MP_API_KEY", "PMG_MAPI_KEY")
KEY_LENGTH = 32  # characters
KEY_PAGE = "https://materialsproject.org/api"
ID, FORMULA, STRUCTURE = "material_id", "formula_pretty", "structure"
ROWS = 200  # materials asked for at a time: more ids make a URL that servers refuse

OFFER = Offer(
    targets={
        "formation_energy_per_atom": "eV/atom",
        "energy_above_hull": "eV/atom",
        "band_gap": "eV",
        "density": "g/cm³",
        "total_magnetization": "μB",
        "volume": "Å³",
    },
    structure=STRUCTURE,
    formula=FORMULA,
    id=ID,
)
_HINT = "Look at the key in MP_API_KEY and at the network, or try again later."
_CITATION = "A. Jain et al., APL Materials 1, 011002 (2013), doi:10.1063/1.4812323"


@contextmanager
def open_query(query: Query, report: Report) -> Iterator[Delivery]:
    """The materials that a query finds, none that is deprecated; ``report`` counts them.

    Raises:
        InputError: there is no key, no client, or no such material.
        FesearchError: the server cannot be reached, or refuses.
    """
    client = _Client(_key())
    # Without any condition mp-api would load the whole database into the user's home folder.
    wish = {"deprecated": False} | ({"elements": list(query.elements)} if query.elements else {})
    ids = sorted(str(found[ID]) for found in client.search(fields=[ID], **wish))
    if not ids:
        raise InputError("No material of materials_project is as asked.", "Look at --elements.")
    fields = [ID, FORMULA, *query.targets]
    fields += [STRUCTURE] if query.structures else []
    chosen = f" with {', '.join(query.elements)}" if query.elements else ""
    with kept_pages(query.name, f"{client.version} {ROWS} {fields} {ids}") as folder:
        yield Delivery(
            RawTable(fields, _rows(client, folder, ids, fields, report)),
            title="Materials Project",
            source=f"Materials Project, database {client.version}, {len(ids)} materials{chosen}",
            licence="CC-BY 4.0",
            citation=_CITATION,
        )


SOURCE = Remote(
    "Materials Project",
    offers={"materials_project": OFFER},
    choices=frozenset({"elements"}),
    unit="materials",
    open=open_query,
)


def _key() -> str:
    """The key to the server."""
    for name in KEYS:
        if key := os.environ.get(name, "").strip():
            if len(key) == KEY_LENGTH:
                return key
            message = f"The key in {name} has {len(key)} characters, not {KEY_LENGTH}."
            raise InputError(message, f"Copy it again from {KEY_PAGE}")
    raise InputError(
        "The Materials Project wants a key, and there is none in MP_API_KEY.",
        f"Get yours at {KEY_PAGE}, then type: export MP_API_KEY=…",
    )


class _Client:
    """The summaries of all materials; nothing that leaves this class contains the key."""

    def __init__(self, key: str) -> None:
        module = require("mp_api.client", "materials-project")
        self._key = key
        self._rester = self._patiently(
            lambda: module.MPRester(key, use_document_model=False, mute_progress_bars=True)
        )

    @property
    def version(self) -> str:
        """Of the database, such as 2026.10.1."""
        return self._without_key(str(getattr(self._rester, "db_version", "") or "unknown"))

    def search(self, **wish: Any) -> list[dict[str, Any]]:
        """The fields of the materials of a search of ``mp-api``."""
        found = self._patiently(lambda: list(self._rester.materials.summary.search(**wish)))
        if self._key in repr(found):
            raise FesearchError(f"{HOST} sends the key back among its data.", _HINT)
        return found

    def _patiently(self, call: Callable[[], T]) -> T:
        """What ``call`` returns, tried again where it may help."""

        def once() -> T:
            try:
                return call()
            except Exception as error:  # noqa: BLE001  mp-api lets those of all its parts through
                reason = f"{type(error).__name__}: {error}".splitlines()[0]
            # Raised here, not above: the exception, whose text may contain the key, stays behind.
            said = quoted(self._without_key(reason), 200)
            if re.search(r"status code 4(?!08|25|29)", said):
                raise FesearchError(f"{HOST} refuses: {said}.", _HINT)
            raise AgainError(f"gives nothing usable: {said}")

        return patiently(HOST, once)

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "…")


def _rows(
    client: _Client, folder: Path, ids: Sequence[str], fields: Sequence[str], report: Report
) -> Iterator[RawRow]:
    """The materials of these ids, those in ``folder`` not asked for again."""
    for start in range(0, len(ids), ROWS):
        some = list(ids[start : start + ROWS])
        path = folder / f"{start:08}.json"
        if not path.exists():
            found = client.search(material_ids=some, deprecated=False, fields=fields)
            if len(found) != len(some):
                message = f"{HOST} gives {len(found)} of {len(some)} materials that it has named."
                raise FesearchError(message, "Try again later; the database may be changing.")
            write(path, [{name: one.get(name) for name in fields} for one in found])
        for material in read(path):
            yield RawRow(str(material[ID]), material)
        report(start + len(some), len(ids))
