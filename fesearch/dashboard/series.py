"""Studies that differ in their divisions alone, such as the points of a learning curve."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from fesearch.analysis import ANALYSES, Analysis
from fesearch.errors import InputError
from fesearch.splitspec import SplitSpec
from fesearch.store.results import Store
from fesearch.store.types import StudySummary


class Series(NamedTuple):
    """Studies that one picture compares.

    Attributes:
        digest: that stands for them in an address.
        title: what they have in common.
    """

    analysis: Analysis
    digest: str
    title: str
    names: tuple[str, ...]


def series(store: Store, studies: Sequence[StudySummary]) -> list[Series]:
    """Studies that differ in their divisions alone, as learning curves do, by their analysis."""
    usable = [one.study for one in studies if one.best is not None]
    keys = {row.key for row in usable}
    specs = {key: store.division(key.data, key.split).spec for key in keys}
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for row in usable:
        with suppress(InputError):  # a kind of division that is not known here
            spec = SplitSpec.parse(specs[row.key])
            for one in ANALYSES:
                if whole := one.whole(spec):
                    key = (one.name, row.key.data, row.key.target, row.key.metric, str(whole))
                    found.setdefault(key, {})[row.name] = str(spec)
    data = {row.key.data: str(row.definition["study"]["data"]) for row in usable}
    return [
        Series(
            analysis=ANALYSES.get(key[0]),
            digest=digest_of(key),
            title=f"{data[key[1]]}: {key[2]}, {key[4]}",
            names=tuple(members),
        )
        for key, members in found.items()
        if len(set(members.values())) > 1
    ]


def digest_of(words: Sequence[str]) -> str:
    """What words are in an address."""
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]
