"""How families share a budget: who is next, and for how much."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fesearch.search.shares import CHANCES, Standing, Turn, next_turn, parts, rounds


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


def test_each_round_has_the_same_part_and_the_last_one_twice_that() -> None:
    turns, _ = spend({"a": 0.3, "b": 0.1, "c": 0.2}, 90.0)
    assert turns == [Turn("a", 1, 10.0), Turn("b", 1, 10.0), Turn("c", 1, 10.0), Turn("b", 2, 60.0)]
    assert parts(13) == (1, 1, 1, 2)
    assert parts(1) == (1,)


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
    while (turn := next_turn([fast, slow], 120.0)) is not None and turn.family == "slow":
        taken.append(turn.amount)
        slow = replace(slow, spent=slow.spent + turn.amount)
    assert taken == [20.0] * CHANCES
    assert turn == Turn("fast", 2, 40.0)


def test_what_some_take_beyond_their_shares_is_missing_in_all_rounds_to_come() -> None:
    names = "abcdefghi"
    standings = [Standing(name, 10.0, 0.1 * place) for place, name in enumerate(names, 1)]
    turn = next_turn(standings, 360.0)  # 90, 90 and 180, as planned
    assert turn == Turn("a", 2, 30.0)
    slow = [*standings[:8], replace(standings[8], spent=100.0)]
    assert next_turn(slow, 360.0) == Turn("a", 2, 20.0)
    late = next_turn(standings, 330.0)  # 30 went by that nobody had
    assert late == Turn("a", 2, pytest.approx(26.11, abs=0.01))


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
