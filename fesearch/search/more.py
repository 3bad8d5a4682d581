"""Budgets of searches over many families that change: more time, or more trials, to share."""

from collections.abc import Mapping
from typing import Any

from fesearch.errors import InputError
from fesearch.portfolio import Portfolio
from fesearch.search.extend import in_all, time_in_all
from fesearch.search.standings import members, recorded, spent
from fesearch.store.results import Store

Change = Mapping[str, Any]
"""A ``key`` with its ``old`` value and the ``new`` one."""


def extend_all(
    name: str,
    url: str,
    *,
    trials: str | None = None,
    time_limit: str | None = None,
    max_epochs: int | None = None,
) -> Change:
    """Change the budget that families share; a search that runs takes it up at its next turn.

    Args:
        trials: how many in all, such as "150", or how many more, such as "+50".
        time_limit: in all, such as "8h", or how much more, such as "+2h".
        max_epochs: is refused, since every family has an end of its own.

    Returns:
        the one change.

    Raises:
        StudyNotFoundError: there is none of that name.
        InputError: it is not what they share, less than is spent, or no change; nothing was
            changed.
    """
    whole = recorded(name, url)
    key = "trials" if whole.seconds is None else "time_limit"
    _refuse_others(whole, key, {"trials": trials, "time_limit": time_limit}, max_epochs)
    old, new = whole.keys[key], _wanted(whole, trials, time_limit, spent(whole, url))
    if new == old:
        raise InputError(
            f"The budget of '{name}' is that already: {key} = {old}.",
            f"Give more, as in {_HOW[key]}.",
        )
    with Store.open(url, create=False) as store:
        store.amend_portfolio([one.study for one in members(name, url)], {key: new})
    return {"key": key, "old": old, "new": new}


_HOW = {"trials": "--trials +50", "time_limit": "--time-limit +2h"}


def _refuse_others(
    whole: Portfolio, key: str, given: Mapping[str, str | None], max_epochs: int | None
) -> None:
    """Refuse what is not the budget that the families share."""
    if max_epochs is not None:
        raise InputError(
            f"'{whole.name}' is a search over many families, each with an end of its own trials.",
            f"Extend one of them: fesearch study extend {whole.name}-… --max-epochs {max_epochs}",
        )
    if given[key] is None or any(given[other] is not None for other in {*given} - {key}):
        shared = "trials" if key == "trials" else "a time limit"
        raise InputError(f"The families of '{whole.name}' share {shared}.", f"Give {_HOW[key]}.")


def _wanted(
    whole: Portfolio, trials: str | None, time_limit: str | None, spent: float
) -> int | str:
    """The new budget, as a key has it."""
    if trials is not None:
        return in_all(whole.name, whole.trials or 0, int(spent), trials)
    assert time_limit is not None
    return time_in_all(whole.name, whole.keys["time_limit"], spent, time_limit)
