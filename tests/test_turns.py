"""Whose turn it is, by itself."""

from fesearch.search.turns import Turns


def test_trials_go_on_in_the_order_in_which_they_were_interrupted() -> None:
    turns = Turns()
    for number in (3, 5):
        turns.interrupt(number)
    turns.interrupt(7, first=True)
    assert [turns.next() for _ in range(4)] == [7, 3, 5, None]


def test_a_trial_that_must_be_alone_waits_for_the_others_to_give_way() -> None:
    turns = Turns()
    for number in (0, 1, 2):
        turns.begin(number)
    turns.interrupt(1, alone=True)
    assert turns.clearing
    assert turns.blocked
    assert turns.next() is None
    assert [turns.gives_way(number) for number in (0, 2)] == [True, True]
    turns.interrupt(0)
    turns.end(2)
    assert turns.next() == 1
    assert turns.blocked
    assert not turns.clearing
    assert not turns.gives_way(1)
    assert turns.next() is None
    turns.end(1)
    assert not turns.blocked
    assert turns.next() == 0


def test_two_that_must_be_alone_take_turns() -> None:
    turns = Turns()
    turns.interrupt(4, alone=True)
    turns.interrupt(6, alone=True)
    assert turns.next() == 4
    assert not turns.gives_way(4)
    assert turns.next() is None
    turns.end(4)
    assert turns.next() == 6


def test_one_that_was_alone_and_is_interrupted_makes_room() -> None:
    turns = Turns()
    turns.interrupt(4, alone=True)
    assert turns.next() == 4
    turns.interrupt(4)
    assert not turns.blocked
    assert turns.next() == 4
