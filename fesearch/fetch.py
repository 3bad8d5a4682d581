"""Data sets of public servers: which there are, and how one comes to be kept here."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fesearch import cleaning, library
from fesearch.dataset import Dataset
from fesearch.errors import InputError
from fesearch.formula import ELEMENTS
from fesearch.intake import Wanted, collect
from fesearch.registry import nearest, unknown
from fesearch.source import SOURCES, Offer, Query, Remote, Report

LISTING = "fesearch data fetch --help"


def offers() -> dict[str, Offer]:
    """All data sets that can be fetched, by name."""
    return {name: offer for remote in _remotes() for name, offer in remote.offers.items()}


def unit(name: str) -> str:
    """What the progress of fetching a data set is counted in, such as "entries".

    Raises:
        InputError: it is not one that can be fetched.
    """
    return _find(name).unit


def fetch(
    query: Query,
    *,
    name: str | None = None,
    steps: Sequence[str] = (),
    rejects: Path | None = None,
    report: Report = lambda done, total: None,
) -> Dataset:
    """Fetch a data set, clean it and keep it in the library.

    Args:
        query: what to fetch.
        name: what to call it here; as its source does where left out.
        steps: of cleaning, in order.
        rejects: CSV file for bad rows, which are then left out; without it any bad row refuses all.
        report: called with (done, in all) meanwhile, in ``unit(query.name)``.

    Raises:
        InputError: the query, a step or the name will not do, before anything is fetched; or rows
            are bad.
        FesearchError: the server cannot be reached, or gives nothing usable.
    """
    remote = _find(query.name)
    offer = remote.offers[query.name]
    query = _completed(query, remote, offer)
    name = library.free_name(name or query.name)
    wanted = Wanted(
        {target: offer.targets[target] for target in query.targets},
        formula=offer.formula,
        structure=offer.structure if query.structures else None,
        id=offer.id,
        nan_is_compound=True,
    )
    cleaning.parse(steps, targets=query.targets, ids=offer.id is not None)
    with remote.open(query, report) as found:
        data = collect(
            name,
            found.table,
            wanted,
            origin=query.name,
            steps=steps,
            rejects=rejects,
            title=found.title,
            source=found.source,
            licence=found.licence,
            citation=found.citation,
        )
        library.save(data)
    return data


def _remotes() -> list[Remote]:
    return [source for source in SOURCES if isinstance(source, Remote)]


def _find(name: str) -> Remote:
    """The source that has a data set."""
    for remote in _remotes():
        if name in remote.offers:
            return remote
    near = nearest(name, offers())
    hint = f"Did you mean '{near}'? " if near else ""
    raise InputError(
        f"There is no data set '{name}' to fetch.",
        f"{hint}There are: {', '.join(sorted(offers()))}",
    )


def _completed(query: Query, remote: Remote, offer: Offer) -> Query:
    """The query with its targets chosen, if its source can answer it."""
    for target in query.targets:
        if target not in offer.targets:
            raise unknown(f"target of {query.name}", target, offer.targets, LISTING)
        if query.targets.count(target) > 1:
            raise InputError(f"The target '{target}' is named twice.", "Name it once.")
    for symbol in query.elements:
        if symbol not in ELEMENTS:
            raise InputError(f"There is no element '{symbol}'.", "Write it like --elements Li,O")
    for choice in ("elements", "filter", "duplicates"):
        if getattr(query, choice) and choice not in remote.choices:
            hint = "Leave it out, and choose rows by --clean: elements:Li,O or range:-5:5"
            raise InputError(f"'{query.name}' knows no --{choice}.", hint)
    if query.structures and offer.structure is None:
        message = f"'{query.name}' gives no crystal structures."
        raise InputError(message, "Leave out --structures.")
    return replace(query, targets=query.targets or tuple(offer.targets)[:1])
