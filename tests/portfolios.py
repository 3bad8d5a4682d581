"""Searches over three quick families, for tests."""

from typing import Any

import searched

from fesearch.portfolio import Portfolio, of_keys
from fesearch.search import standings

FAMILIES = ["decision_tree", "ridge", "k_neighbors"]


def many(name: str, **keys: Any) -> Portfolio:
    """Twelve trials of three quick families."""
    given = {"families": FAMILIES, "data": searched.DATA, "runner": "inline", "trials": 12}
    given |= {"seed": 3, "preset": "full"}
    return of_keys({"name": name, **given, **keys}, name)


def spent(name: str, url: str) -> dict[str, int]:
    """How many trials each family of a search has."""
    found = standings.members(name, url)
    return {one.study.definition["study"]["family"]: sum(one.trials.values()) for one in found}
