"""Drives a search over many families: one study after the other, each for its share.

Nothing of it is in memory alone: who is next follows from the studies in the store (``shares``),
and each of them has the keys of the whole, so ``go_on`` takes the same turns after any end.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from fesearch.duration import duration
from fesearch.errors import InputError, UnsuitedError
from fesearch.family import FAMILIES
from fesearch.portfolio import LIMIT, Portfolio, of_keys
from fesearch.registry import short_name
from fesearch.search import interrupt, resources
from fesearch.search.commonbudget import CommonBudget
from fesearch.search.core import LATE
from fesearch.search.driver import Outcome
from fesearch.search.extend import extend
from fesearch.search.halt import Halt
from fesearch.search.heartbeat import ON_REQUEST
from fesearch.search.held import Held
from fesearch.search.prepare import Progress
from fesearch.search.roles import Watcher
from fesearch.search.settle import Prospects
from fesearch.search.shares import Turn, all_shares, first_share, rounds, shares_until_last
from fesearch.search.standings import ahead, members, recorded, upcoming
from fesearch.search.start import resume, start
from fesearch.search.wider import LastTurn
from fesearch.store.outage import PATIENCE, LostError, Outage, UnreachableError
from fesearch.store.studies import BEGUN, PORTFOLIO
from fesearch.store.types import StudyState
from fesearch.study import PLACE, Study

T = TypeVar("T")
LEAST_SHARE = 15.0
"""Seconds of a family's first share from which on its epochs are measured."""
OF_TURNS = 0.8
"""Part of its turns that a family trains; in the rest data are loaded and workers begin."""


@dataclass(frozen=True)
class Looks:
    """How a run is followed.

    Attributes:
        progress: of the features.
        watching: gives the watchers of one study's run.
        turn: told before each.
        left_out: told of a family that cannot be trained on these data, and why.
        noted: told in a line of what happens between two turns.
    """

    progress: Progress | None = None
    watching: Callable[[], AbstractContextManager[Sequence[Watcher]]] = lambda: nullcontext(())
    turn: Callable[[Turn], None] = lambda turn: None
    left_out: Callable[[str, str], None] = lambda family, why: None
    noted: Callable[[str], None] = lambda line: None


@dataclass(frozen=True)
class Ended:
    """How a run of a portfolio ended.

    Attributes:
        studies: names of those in the store.
        left_out: family -> why it cannot be trained on these data.
        stopped: why it stopped before its budget was spent, or an empty text.
        deadline: ``time.monotonic()`` by which it was to end; infinite without a time limit.
    """

    portfolio: Portfolio
    studies: tuple[str, ...]
    left_out: Mapping[str, str]
    stopped: str
    deadline: float


def begin(
    portfolio: Portfolio, url: str, looks: Looks | None = None, *, or_resume: bool = False
) -> Ended:
    """Search all families until the budget is spent or it is stopped.

    Args:
        or_resume: go on with the portfolio of that name, where there is one with these keys.

    Raises:
        InputError: there is a portfolio or a study of a name already; what a study asks for is not
            there; or no family can be trained on these data.
    """
    there = members(portfolio.name, url)
    if there and or_resume:
        return _drive(_extended(portfolio, there[0].study.definition), url, looks or Looks())
    if there:
        raise InputError(
            f"There is a search '{portfolio.name}' already.",
            f"Type: fesearch study resume {portfolio.name} (or add --or-resume), or give another "
            "--name.",
        )
    return _drive(portfolio, url, looks or Looks())


def go_on(
    name: str,
    url: str,
    looks: Looks | None = None,
    *,
    seconds: float | None = None,
    take_over: bool = False,
    place: Mapping[str, Any] = MappingProxyType({}),
) -> Ended:
    """Go on with a portfolio: studies that ran keep their trials, the rest of the budget is spent.

    Args:
        seconds: of this run, if they are over before the budget is spent.
        take_over: from a driver that looks alive, but is known to be gone.
        place: keys of ``study.PLACE`` for this run, in place of those it was begun with.

    Raises:
        StudyNotFoundError: there is none of that name.
        InputError: it is being driven elsewhere, or what a study needs is no longer there.
    """
    portfolio = recorded(name, url)
    if place:
        portfolio = of_keys({**portfolio.keys, **place}, name)
    return _drive(portfolio, url, looks or Looks(), seconds, take_over)


def prospects(portfolio: Portfolio) -> Prospects:
    """What a family is likely to get that is among the best to the end: the others matter less.

    Of a first share of a few seconds, none are to be spent on measuring what could follow it.
    """
    seconds, families = portfolio.seconds, len(portfolio.studies)
    if seconds is None or first_share(families, seconds) < LEAST_SHARE:
        return Prospects(portfolio.settled_for)
    first = OF_TURNS * shares_until_last(families, seconds)
    return Prospects(portfolio.settled_for, all_shares(families, seconds), first)


def of_each(
    portfolio: Portfolio, do: Callable[[Study], T], left_out: Callable[[str, str], None]
) -> list[T]:
    """What ``do`` makes of the study of each family that can be trained on these data.

    Args:
        left_out: told of each other one, and why.

    Raises:
        InputError: there is no other one; why the last of them is none.
    """
    found = []
    for family, study in portfolio.studies.items():
        try:
            found.append(do(study))
        except InputError as error:
            left_out(family, _why(family, error))
            why = error
    if not found:
        raise why
    return found


def _why(family: str, error: InputError) -> str:
    """Why a family is left out, and what to type of its own space so that it is not."""
    own = f"--set each.{short_name(family)}."
    theirs = (error.hint or "").replace("--set ", own).replace("--sampler ", f"{own}sampler=")
    return f"{error.message} {theirs}" if own in theirs else error.message


def _extended(portfolio: Portfolio, definition: Mapping[str, Any]) -> Portfolio:
    """A portfolio that is there already, given as it was begun: with the budget that it has now."""
    now, begun = definition[PORTFOLIO], definition.get(BEGUN, {})
    budget = {key: now[key] for key, old in begun.items() if portfolio.keys.get(key) == old}
    if budget:
        portfolio = of_keys({**portfolio.keys, **budget}, portfolio.name)
    _refuse_other(portfolio, now)
    return portfolio


def _refuse_other(portfolio: Portfolio, before: Mapping[str, Any]) -> None:
    """Refuse to take for a portfolio one of its name that was begun with other keys."""
    for key in sorted({*portfolio.keys, *before} - {*PLACE}):
        was, given = before.get(key), portfolio.keys.get(key)
        if was != given:
            raise InputError(
                f"The search '{portfolio.name}' was begun with {key} = {was}, not {given}.",
                f"Type: fesearch study resume {portfolio.name}; or give another --name.",
            )


def _drive(
    portfolio: Portfolio,
    url: str,
    looks: Looks,
    seconds: float | None = None,
    take_over: bool = False,
) -> Ended:
    for study in portfolio.studies.values():
        resources.check(study)
    left_out, stopped = dict[str, str](), None
    budget, halt = CommonBudget(portfolio, url, seconds), Halt()
    outage = Outage(PATIENCE, looks.noted, lambda: bool(halt.reason))
    held = Held(portfolio.name, url, budget.worked, halt, take_over)
    with interrupt.stops(halt), held, _ray_kept(portfolio):
        while stopped is None:
            try:
                held.begin()
                stopped = _turn(budget, url, looks, halt, left_out)
            except (LostError, UnreachableError) as error:
                outage.wait(error)  # whose turn it is will be asked again
            else:
                outage.over()
        if not stopped:
            _conclude(budget.portfolio, url, budget.deadline, looks, halt)
    begun = tuple(one.study.name for one in members(portfolio.name, url))
    return Ended(budget.portfolio, begun, left_out, stopped, budget.deadline)


def _turn(
    budget: CommonBudget, url: str, looks: Looks, halt: Halt, left_out: dict[str, str]
) -> str | None:
    """Take the next turn.

    Args:
        left_out: gets the family, if it is left out from now on.

    Returns:
        None where another one may follow; else why the search stops, an empty text where nothing
        is left to do.
    """
    portfolio = budget.renew()
    if (turn := upcoming(portfolio, url, left_out, budget.due)) is None:
        return ""
    if _is_last(portfolio, turn):
        _conclude(portfolio, url, budget.deadline, looks, halt, but=turn.family)
    if halt.reason or time.monotonic() >= budget.deadline:
        return halt.reason or (LATE if budget.limited else "")
    looks.turn(turn)
    try:
        outcome = _run(portfolio, turn, url, looks, budget.deadline, halt)
    except UnreachableError:
        raise
    except InputError as error:
        known = {one.study.name for one in members(portfolio.name, url)}
        trained = portfolio.studies[turn.family].name in known
        if trained and not isinstance(error, UnsuitedError):
            raise  # it could be trained before: something else is wrong now
        if not known and len(left_out) + 1 == len(portfolio.studies):
            raise
        left_out[turn.family] = error.message if trained else _why(turn.family, error)
        looks.left_out(turn.family, left_out[turn.family])
        return None
    if outcome.asked:  # of the whole, though its turn may have ended before it noticed
        return ON_REQUEST
    if outcome.hopeless:
        left_out[turn.family] = outcome.stopped
        looks.left_out(turn.family, outcome.stopped)
        return None
    return None if outcome.stopped in ("", LATE) else outcome.stopped


def _last_turn(portfolio: Portfolio, turn: Turn) -> LastTurn | None:
    """What a family that others were left behind for has to itself; None of any other turn."""
    if turn.round == 1 or not _is_last(portfolio, turn):
        return None
    each = portfolio.keys.get("each", {})
    own = [each[name] for name in each if FAMILIES.full_name(name) == turn.family]
    return LastTurn(turn.amount, any(LIMIT in keys for keys in (portfolio.keys, *own)))


def _is_last(portfolio: Portfolio, turn: Turn) -> bool:
    """Whether time is shared and the others have had theirs: one has the last round to itself."""
    return portfolio.seconds is not None and turn.round == len(rounds(len(portfolio.studies)))


def _conclude(
    portfolio: Portfolio, url: str, deadline: float, looks: Looks, halt: Halt, but: str = ""
) -> None:
    """End the trial of each family that time has interrupted and that is its best so far.

    So what it has reached is ranked, and of use. To load its data takes seconds, so it is done
    before the last turn of all for those that have had theirs; at the end, when the time is over,
    for the best alone, however late it is.

    Args:
        but: the family whose turn it is: it goes on.
    """
    studies = {study.name: study for study in portfolio.studies.values()}
    names = [name for name, _ in ahead(portfolio.name, url) if studies[name].family != but]
    for index, name in enumerate(names):
        if halt.reason or ((index or but) and time.monotonic() >= deadline):
            return
        try:
            done = resume(name, url, seconds=0.0, concluding=True, place=_place(studies[name]))
        except UnreachableError:
            raise
        except InputError as error:  # such as of memory that others have taken
            looks.noted(f"What {name} has reached is not ranked: {error.message}")
        else:
            if done.stopped not in ("", LATE):
                halt.stop(done.stopped)


def _place(study: Study) -> dict[str, Any]:
    """Where a study is searched in this run, which may be elsewhere than where it was begun."""
    return {key: getattr(study, key) for key in PLACE}


def _run(
    portfolio: Portfolio, turn: Turn, url: str, looks: Looks, deadline: float, halt: Halt
) -> Outcome:
    """One turn of one family: its study is begun, or goes on, for the amount.

    Until the family has a value, a trial that is beyond it without a report may go on as long as
    a trial may take: it would begin anew in each turn.
    """
    study = portfolio.studies[turn.family]
    there = [one for one in members(portfolio.name, url) if one.study.name == study.name]
    amount = math.inf if portfolio.seconds is None else turn.amount
    left = max(deadline - time.monotonic(), 0.001)
    amount = min(amount, left)
    seconds = None if math.isinf(amount) else amount
    limit = math.inf if study.trial_time_limit is None else duration(study.trial_time_limit)
    overrun = 0.0 if seconds is None else min(left - seconds, limit)
    with looks.watching() as lookers:
        watchers = [*lookers, halt]
        if there:
            if portfolio.seconds is None and there[0].study.state is StudyState.COMPLETE:
                extend(study.name, url, trials=f"+{int(turn.amount)}")
            return resume(
                study.name,
                url,
                seconds=seconds,
                overrun=overrun,
                afford=True,
                widen=_last_turn(portfolio, turn),
                place=_place(study),
                progress=looks.progress,
                watchers=watchers,
            )
        if portfolio.seconds is None:
            study = study.model_copy(update={"trials": int(turn.amount)})
        return start(
            study,
            url,
            seconds=seconds,
            overrun=overrun,
            progress=looks.progress,
            watchers=watchers,
            noted={PORTFOLIO: dict(portfolio.keys)},
            prospects=prospects(portfolio),
        )


@contextmanager
def _ray_kept(portfolio: Portfolio) -> Iterator[None]:
    """Ray for all turns, where the studies want one: to start it takes seconds."""
    studies = tuple(portfolio.studies.values())
    if any(study.runner == "inline" for study in studies):
        yield
        return
    from fesearch import raysession

    cpus = [study.cpus for study in studies if study.cpus is not None]
    every = max(cpus) if len(cpus) == len(studies) else None  # None takes all there are
    with raysession.session(every, max(study.gpus for study in studies), studies[0].address):
        yield
