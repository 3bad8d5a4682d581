"""How families share one budget: successive halving over them.

Jamieson and Talwalkar, AISTATS 2016, "Non-stochastic Best Arm Identification and Hyperparameter
Optimization", with families for arms. Each round has the same part of what is left of the budget,
in equal shares for the families still in it; the best third, by best value so far, are in the next.
The last round, which one family has to itself, has twice that part: it is the search that counts.
Pure: what comes next follows from what each family has spent and reached, so an interrupted search
goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

REDUCTION = 3
LAST = 2
"""Parts of the budget that the last round has."""
CHANCES = 3
"""Shares of the first round that a family may take until it has a value at all."""
_LEAST = 0.02  # of its share: a family that close to it has had it


@dataclass(frozen=True)
class Standing:
    """Where a family stands.

    Attributes:
        spent: seconds, or trials.
        loss: best so far, smaller is better; None where no trial has a value.
        over: it cannot go on: its space is exhausted, or it cannot be trained on these data.
    """

    family: str
    spent: float
    loss: float | None
    over: bool = False


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
    each = parts(families)
    shares = (part / count for part, count in zip(each, rounds(families), strict=True))
    return budget * sum(shares) / sum(each)


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
        alive = sorted(alive, key=_order)[:count]
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


def _order(one: Standing) -> tuple[bool, float]:
    return one.loss is None, one.loss or 0.0
