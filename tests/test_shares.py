"""How families share a budget: who is next, and for how much."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fesearch.search.shares import (
    CHANCES,
    LAST,
    Standing,
    Turn,
    all_shares,
    next_turn,
    parts,
    rounds,
    shares_until_last,
)


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


def test_each_round_has_the_same_part_and_the_last_one_three_times_that() -> None:
    turns, _ = spend({"a": 0.3, "b": 0.1, "c": 0.2}, 120.0)
    assert turns == [Turn("a", 1, 10.0), Turn("b", 1, 10.0), Turn("c", 1, 10.0), Turn("b", 2, 90.0)]
    assert parts(13) == (1, 1, 1, 3)
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
    while (turn := next_turn([fast, slow], 160.0)) is not None and turn.family == "slow":
        taken.append(turn.amount)
        slow = replace(slow, spent=slow.spent + turn.amount)
    assert taken == [20.0] * CHANCES
    assert turn == Turn("fast", 2, 80.0)


def test_what_some_take_beyond_their_shares_is_missing_in_all_rounds_to_come() -> None:
    names = "abcdefghi"
    standings = [Standing(name, 10.0, 0.1 * place) for place, name in enumerate(names, 1)]
    turn = next_turn(standings, 450.0)  # 90, 90 and 270, as planned
    assert turn == Turn("a", 2, 30.0)
    slow = [*standings[:8], replace(standings[8], spent=100.0)]
    assert next_turn(slow, 450.0) == Turn("a", 2, 22.5)
    late = next_turn(standings, 420.0)  # 30 went by that nobody had
    assert late == Turn("a", 2, pytest.approx(27.0))


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


def test_networks_and_the_others_go_on_by_turns_until_one_is_chosen() -> None:
    trees = [Standing(f"tree{n}", 10.0, 0.1 + 0.01 * n) for n in range(6)]
    nets = [Standing(f"net{n}", 10.0, 0.15 + 0.01 * n, network=True) for n in range(7)]
    standings, budget = [*nets, *trees], 650.0  # five parts of 130 seconds
    turns: list[Turn] = []
    while (turn := next_turn(standings, budget)) is not None:
        turns.append(turn)
        place = [one.family for one in standings].index(turn.family)
        standings[place] = replace(standings[place], spent=standings[place].spent + turn.amount)
    by_round = {n: {turn.family for turn in turns if turn.round == n} for n in (2, 3, 4)}
    assert by_round == {
        2: {"tree0", "tree1", "tree2", "net0", "net1"},
        3: {"tree0", "net0"},
        4: {"tree0"},
    }


def test_a_network_without_a_value_takes_no_place_from_one_that_has() -> None:
    standings = [
        Standing("net", 10.0, None, network=True),
        *(Standing(f"tree{n}", 10.0, 0.1 + 0.01 * n) for n in range(4)),
    ]
    budget = 5 * 5 * 10.0
    net = next_turn(standings, budget)
    assert net == Turn("net", 1, 10.0)
    given_up = [replace(standings[0], spent=30.0), *standings[1:]]
    turn = next_turn(given_up, budget)
    assert turn is not None
    assert (turn.family, turn.round) == ("tree0", 2)


@given(families=st.integers(1, 40), budget=st.floats(60.0, 1e6))
def test_shares_until_the_last_round_are_all_but_that_one(families: int, budget: float) -> None:
    whole, before = all_shares(families, budget), shares_until_last(families, budget)
    if families == 1:
        assert before == whole == budget
    else:
        assert whole - before == pytest.approx(budget * LAST / sum(parts(families)))


@pytest.mark.parametrize(
    ("tree", "net", "last"), [(0.100, 0.112, "net"), (0.100, 0.115, "tree"), (-0.9, -0.89, "tree")]
)
def test_the_last_round_goes_to_a_network_that_is_likely_to_overtake(
    tree: float, net: float, last: str
) -> None:
    """Of 13 families it has four times what the network had, which takes its error down by 13 %."""
    others = [Standing(f"other{n}", 27.7, 5.0 + n) for n in range(11)]
    standings = [
        *others,
        Standing("tree", 279.7, tree),
        Standing("net", 279.7, net, network=True, narrowed=True),
    ]
    standings[0:3] = [replace(one, spent=99.7) for one in standings[0:3]]
    turn = next_turn(standings, 1800.0)
    assert turn is not None
    assert (turn.family, turn.round) == (last, 4)


def test_who_is_out_of_reach_has_no_place_for_being_of_another_kind() -> None:
    losses = {"irnet": 0.10, "dnn": 0.11, "attention": 0.12, "rnn": 0.13}
    nets = [Standing(name, 50.0, loss, network=True) for name, loss in losses.items()]
    standings = [*nets, Standing("ridge", 50.0, 0.5)]
    turn = next_turn(standings, 1000.0)
    assert turn is not None
    assert (turn.family, turn.round) == ("irnet", 2)
    alive = [
        replace(one, spent=175.0) if one.family in ("irnet", "dnn") else one for one in standings
    ]
    last = next_turn(alive, 1000.0)
    assert last is not None
    assert (last.family, last.round) == ("irnet", 3)  # and ridge has had its chance
    scores = [
        Standing("irnet", 50.0, -0.9, network=True),
        Standing("dnn", 50.0, -0.8, network=True),
    ]
    scores += [Standing("ridge", 50.0, -0.3), Standing("lasso", 50.0, -0.2)]
    second = next_turn([replace(scores[0], spent=150.0), *scores[1:]], 800.0)
    assert second is not None
    assert (second.family, second.round) == ("dnn", 2)


def test_a_network_that_time_has_not_narrowed_promises_no_more_than_it_has() -> None:
    standings = [Standing("tree", 100.0, 0.10), Standing("net", 100.0, 0.101, network=True)]
    turn = next_turn(standings, 600.0)
    assert turn is not None
    assert (turn.family, turn.round) == ("tree", 2)
    narrow = [standings[0], replace(standings[1], narrowed=True)]
    turn = next_turn(narrow, 600.0)
    assert turn is not None
    assert (turn.family, turn.round) == ("net", 2)
