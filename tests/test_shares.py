"""How families share a budget: who is next, and for how much."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fesearch.search.shares import CHANCES, Standing, Turn, next_turn, rounds


def spend(
    losses: dict[str, float], budget: float, *, whole: bool = False, over: tuple[str, ...] = ()
) -> tuple[list[Turn], list[Standing]]:
    """All turns until the budget is spent; each family reaches its loss in its first one."""
    standings = [Standing(name, 0.0, None, name in over) for name in losses]
    turns = []
    while (turn := next_turn(standings, budget, whole=whole)) is not None:
        turns.append(turn)
        place = [one.family for one in standings].index(turn.family)
        before = standings[place]
        standings[place] = replace(
            before, spent=before.spent + turn.amount, loss=losses[turn.family]
        )
        assert len(turns) < 1000
    return turns, standings


def test_thirds_go_on_down_to_one() -> None:
    assert rounds(1) == (1,)
    assert rounds(13) == (13, 5, 2, 1)
    assert rounds(23) == (23, 8, 3, 1)


def test_each_round_has_the_same_part_and_the_best_go_on() -> None:
    turns, _ = spend({"a": 0.3, "b": 0.1, "c": 0.2}, 120.0)
    assert turns == [Turn("a", 1, 20.0), Turn("b", 1, 20.0), Turn("c", 1, 20.0), Turn("b", 2, 60.0)]


def test_whole_trials_are_shared() -> None:
    turns, standings = spend({"a": 0.3, "b": 0.1, "c": 0.2, "d": 0.4}, 20, whole=True)
    assert [turn.family for turn in turns][:4] == ["a", "b", "c", "d"]
    assert all(float(turn.amount).is_integer() for turn in turns)
    assert sum(one.spent for one in standings) == 20
    assert max(standings, key=lambda one: one.spent).family == "b"


def test_a_family_without_a_value_has_three_chances_in_the_first_round() -> None:
    fast = Standing("fast", 20.0, 0.5)
    slow = Standing("slow", 0.0, None)
    taken = []
    while (turn := next_turn([fast, slow], 80.0)) is not None and turn.family == "slow":
        taken.append(turn.amount)
        slow = replace(slow, spent=slow.spent + turn.amount)
    assert taken == [20.0] * CHANCES
    assert turn is None  # nothing is left


def test_who_cannot_go_on_leaves_its_share_to_the_best() -> None:
    turns, standings = spend({"a": 0.1, "b": 0.2, "c": 0.3}, 90.0, over=("a",))
    assert {turn.family for turn in turns} == {"b", "c"}
    assert sum(one.spent for one in standings) == pytest.approx(90.0)
    assert max(standings, key=lambda one: one.spent).family == "b"


def test_nothing_is_next_where_nobody_can_go_on() -> None:
    assert next_turn([Standing("a", 0.0, None, True)], 60.0) is None


@given(
    losses=st.lists(st.floats(0.01, 1.0), min_size=1, max_size=30),
    budget=st.floats(60.0, 1e5),
)
def test_the_budget_is_spent_and_the_best_gets_most(losses: list[float], budget: float) -> None:
    named = {str(place): loss for place, loss in enumerate(losses)}
    turns, standings = spend(named, budget)
    assert sum(one.spent for one in standings) == pytest.approx(budget, rel=0.03)
    best = min(named, key=named.__getitem__)
    most = max(one.spent for one in standings)
    assert next(one.spent for one in standings if one.family == best) == most
    assert [turn.round for turn in turns] == sorted(turn.round for turn in turns)
    assert {turn.family for turn in turns} == set(named)  # each has its first chance
