"""How families share one budget: successive halving over them.

Jamieson and Talwalkar, AISTATS 2016, "Non-stochastic Best Arm Identification and Hyperparameter
Optimization", with families for arms. Each round has the same part of what is left of the budget,
in equal shares for the families still in it; the best third, by best value so far, are in the next.
Of a network that has hardly begun to train, that value says little beside those of trees: up to the
last round, places go by turns to the best networks and the best of the others within reach.
The last round, which one family has to itself, has three times that part: it is what counts.
It goes to whoever is likely to be the best at its end, since what the others have stays theirs.
Pure: what comes next follows from what each family has spent and reached, so an interrupted search
goes on.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

REDUCTION = 3
LAST = 3
"""Parts of the budget that the last round has."""
CHANCES = 3
"""Shares of the first round that a family may take until it has a value at all."""
GROWTH = 0.1
"""By which power of the time, at least, the error of a network falls that was narrowed for it.

Of two attention networks on fold 0 of mp_e_form one was trained for 410 seconds of a core (0.103
eV/atom) and one for 1,290 (0.088), which makes 0.14. Trees are taken to gain nothing: the error of
LightGBM fell by 1 % from 280 to 930 seconds of its search.
"""
FARTHEST = 4.0
"""Times longer for which that is believed."""
REACH = 2.0
"""Times the best error, beyond which a family has no place for being a network, or none."""
_LEAST = 0.02  # of its share: a family that close to it has had it


@dataclass(frozen=True)
class Standing:
    """Where a family stands.

    Attributes:
        spent: seconds, or trials.
        loss: best so far, smaller is better; None where no trial has a value.
        over: it cannot go on: its space is exhausted, or it cannot be trained on these data.
        network: it counts epochs, and with more time its models may be larger.
        narrowed: they are smaller than they would be without a limit of time.
    """

    family: str
    spent: float
    loss: float | None
    over: bool = False
    network: bool = False
    narrowed: bool = False


@dataclass(frozen=True)
class Turn:
    """Who goes on, and for how much.

    Attributes:
        round: from 1.
        amount: seconds, or trials, at least one.
    """

    family: str
    round: int
    amount: float


def rounds(families: int) -> tuple[int, ...]:
    """How many families are in each round, down to one."""
    found = [families]
    while found[-1] > 1:
        found.append(-(-found[-1] // REDUCTION))
    return tuple(found)


def parts(families: int) -> tuple[int, ...]:
    """How much of the budget each round has, as multiples of what the first one has."""
    *others, _ = rounds(families)
    return (*(1 for _ in others), LAST if others else 1)


def first_share(families: int, budget: float, *, whole: bool = False) -> float:
    """What each family gets in the first round; see ``next_turn``."""
    share = budget / (sum(parts(families)) * families)
    return max(1.0, share // 1) if whole else share


def all_shares(families: int, budget: float) -> float:
    """What a family gets in all that is in every round."""
    return sum(_shares(families, budget))


def shares_until_last(families: int, budget: float) -> float:
    """What a family gets before the last round, for which the best one is chosen; all of one."""
    *before, last = _shares(families, budget)
    return sum(before) or last


def _shares(families: int, budget: float) -> list[float]:
    """What a family gets in each round."""
    each = parts(families)
    shares = (part / count for part, count in zip(each, rounds(families), strict=True))
    return [budget * share / sum(each) for share in shares]


def next_turn(standings: Sequence[Standing], budget: float, *, whole: bool = False) -> Turn | None:
    """Who is next, or None: the budget is spent, or nobody can go on.

    A family that can go on is never better off for having waited: values of those left behind do
    not change, so later rounds find the same families that earlier calls found. What families
    have taken beyond their shares, or have left, is missing or added in all rounds to come: in the
    last one alone, the best would have to pay for it.

    Args:
        standings: of all families, in a fixed order, which settles ties.
        budget: of all together, in the unit of ``Standing.spent``; less than before where time went
            by that no family had.
        whole: amounts are whole numbers, as of trials.
    """
    left = budget - sum(one.spent for one in standings)
    if left < (1 if whole else _LEAST * budget / len(standings)):
        return None
    alive, due = list(standings), 0.0
    counts, to_come = rounds(len(standings)), list(parts(len(standings)))
    for number, count in enumerate(counts, 1):
        alive = _best(alive, count, len(standings))
        had = sum(due if one in alive and not one.over else one.spent for one in standings)
        share = max(budget - had, 0.0) * to_come[0] / (sum(to_come) * count)
        del to_come[0]
        due += max(1.0, share // 1) if whole else share
        for one in (standing for standing in standings if standing in alive):
            more = _more(one, due, share if number == 1 else None)
            if more and not one.over:
                return Turn(one.family, number, min(more, left))
    for one in sorted(standings, key=_order):
        if not one.over:
            return Turn(one.family, len(counts), left)
    return None


def _more(one: Standing, due: float, chance: float | None) -> float:
    """What is left of a family's share up to now; another share if it has no value to show."""
    if one.spent < due * (1 - _LEAST):
        return due - one.spent
    if chance is not None and one.loss is None and one.spent < CHANCES * due * (1 - _LEAST):
        return due
    return 0.0


def _best(standings: Sequence[Standing], count: int, families: int) -> list[Standing]:
    """So many, by turns of networks and of others within reach; or the one of most promise.

    Args:
        families: that there were at first.
    """
    ordered = sorted(standings, key=_order)
    if count == 1:
        return sorted(ordered, key=lambda one: _order(_promised(one, families)))[:1]
    places = Counter[bool]()
    by_turns = []
    for one in ordered:
        far = one.loss is None or not _within_reach(one.loss, ordered[0].loss or 0.0)
        by_turns.append((far, 0 if far else places[one.network], one))
        places[one.network] += 1
    return [one for *_, one in sorted(by_turns, key=lambda place: place[:2])][:count]


def _within_reach(loss: float, best: float) -> bool:
    """Whether more time may make it the best: of scores that are maximized, half the best."""
    return loss <= (best * REACH if best > 0 else best / REACH)


def _promised(one: Standing, families: int) -> Standing:
    """What is likely of a family once it has had the last round; it changes errors alone."""
    if not one.narrowed or one.loss is None or one.loss <= 0:
        return one
    longer = all_shares(families, 1.0) / shares_until_last(families, 1.0)
    return replace(one, loss=one.loss * min(longer, FARTHEST) ** -GROWTH)


def _order(one: Standing) -> tuple[bool, float]:
    return one.loss is None, one.loss or 0.0
