"""Where the families of a search stand, as the studies in its store tell: whose turn it is."""

import math
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from fesearch.errors import NoDatabaseError, StudyNotFoundError
from fesearch.portfolio import Portfolio, of_keys
from fesearch.record import TrialResult, TrialState
from fesearch.search import sources
from fesearch.search.extend import narrowed
from fesearch.search.shares import Standing, Turn, next_turn
from fesearch.store.results import Store
from fesearch.store.studies import PORTFOLIO
from fesearch.store.types import StudyState, StudySummary


def recorded(name: str, url: str) -> Portfolio:
    """A portfolio as it was begun.

    Raises:
        StudyNotFoundError: there is none of that name.
        InputError: a file of the user's own is gone or not what a family was searched with.
    """
    there = members(name, url)
    for summary in there:
        sources.refuse_changed(summary.study)
    if there:
        return of_keys(there[0].study.definition[PORTFOLIO], name)
    with Store.open(url, create=False) as store:
        store.study(name)  # names the nearest
    raise StudyNotFoundError(f"'{name}' is a single study.", f"See: fesearch study show {name}")


def members(name: str, url: str) -> list[StudySummary]:
    """The studies of a portfolio that are in the store; none where there is no such portfolio."""
    try:
        with Store.open(url, create=False) as store:
            return store.portfolio(name)
    except NoDatabaseError:
        return []


def upcoming(
    portfolio: Portfolio,
    url: str,
    left_out: Mapping[str, str] = MappingProxyType({}),
    due: float = math.inf,
) -> Turn | None:
    """Whose turn is next; None where nothing is left to do.

    Args:
        left_out: families that cannot be trained on these data.
        due: ``time.monotonic()`` by which the time they share is over: some of it goes by between
            their turns.
    """
    there = standings(portfolio, url, left_out)
    left = due - time.monotonic() + sum(one.spent for one in there)
    whole = portfolio.seconds is None
    return next_turn(there, min(portfolio.budget, left), whole=whole)


def spent(portfolio: Portfolio, url: str) -> float:
    """What is spent of the budget: trials, or seconds, those between two turns included."""
    if portfolio.seconds is not None:
        return worked(portfolio.name, url)
    return sum(one.spent for one in standings(portfolio, url, {}))


def worked(name: str, url: str) -> float:
    """Seconds that a search was driven so far, those between two turns included."""
    theirs = sum(one.study.seconds for one in members(name, url))
    if not theirs:
        return 0.0
    with Store.open(url, create=False) as store:
        return max(theirs, store.worked_for(name))


def standings(portfolio: Portfolio, url: str, left_out: Mapping[str, str]) -> list[Standing]:
    """Where each family stands, in the order given, whatever the store lists first."""
    there = {one.study.name: one for one in members(portfolio.name, url)}
    found = []
    going = _going(list(there.values()), url)
    for family, study in portfolio.studies.items():
        declared = study.declared_family()
        network = declared.resource.unit == "epochs" and declared.capacity is not None
        summary = there.get(study.name)
        if summary is None:
            found.append(Standing(family, 0.0, None, family in left_out, network))
            continue
        row = summary.study
        trials = sum(count for state, count in summary.trials.items() if state.finished)
        sign = 1.0 if row.direction == "minimize" else -1.0
        halted = going[row.name]
        values = [summary.best, halted.value if halted else None]
        loss = min((sign * value for value in values if value is not None), default=None)
        size = study.search_space().size()
        if portfolio.seconds is None:
            spent, over = float(trials), size is not None and trials >= size
        else:
            spent, over = row.seconds, row.state is StudyState.COMPLETE
        over = over or family in left_out
        found.append(Standing(family, spent, loss, over, network, narrowed(row)))
    return found


def _going(there: Sequence[StudySummary], url: str) -> dict[str, TrialResult | None]:
    """The best of the trials that a turn's end has halted, by study.

    A family whose first trial takes longer than its first turns is chosen by what that has reached.
    """
    if not there:
        return {}
    with Store.open(url, create=False) as store:
        found = {}
        for one in there:
            halted = store.some_trials(
                one.study, states=[TrialState.RUNNING], best_first=True, count=1
            )
            found[one.study.name] = halted[0] if halted else None
    return found


def ahead(name: str, url: str) -> list[tuple[str, TrialResult]]:
    """The trials that were halted and are better than all of their family that have ended.

    They are not ranked: they go on when the search does, and whoever had looked at such a model on
    the test part would have looked at another one.

    Returns:
        each with the name of its study, the best first.
    """
    there = members(name, url)
    bests = {one.study.name: one.best for one in there}
    found = [
        (study, trial)
        for study, trial in _going(there, url).items()
        if trial is not None and trial.value is not None
    ]
    sign = -1.0 if there and there[0].study.direction == "maximize" else 1.0
    losses = {study: sign * (trial.value or 0.0) for study, trial in found}
    leading = [
        (study, trial)
        for study, trial in found
        if (best := bests[study]) is None or losses[study] < sign * best
    ]
    return sorted(leading, key=lambda one: losses[one[0]])
