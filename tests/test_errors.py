"""An error is what happened and what to type."""

import pickle

import pytest

from fesearch.errors import (
    FesearchError,
    InputError,
    NoResultError,
    StudyNotFoundError,
    counted,
    printable,
    quoted,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [(FesearchError, 1), (InputError, 2), (NoResultError, 3), (StudyNotFoundError, 4)],
)
def test_exit_codes(error: type[FesearchError], code: int) -> None:
    assert error.exit_code == code


def test_it_prints_as_two_lines() -> None:
    assert str(InputError("The depth is 2.", "Give 3 or more.")) == (
        "The depth is 2.\nGive 3 or more."
    )


def test_it_comes_back_whole_from_another_process() -> None:
    error = pickle.loads(pickle.dumps(InputError("The depth is 2.", "Give 3 or more.")))
    assert type(error) is InputError
    assert (error.message, error.hint) == ("The depth is 2.", "Give 3 or more.")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("Fe2O3", "'Fe2O3'"), ("a\nb", r"'a\nb'"), ("x" * 41, f"'{'x' * 39}…'")],
)
def test_text_in_messages_stays_on_one_line(text: str, shown: str) -> None:
    assert quoted(text) == shown


def test_numbers_of_things_agree_with_their_words() -> None:
    assert [counted(n, "trial") for n in (0, 1, 2)] == ["0 trials", "1 trial", "2 trials"]
    assert [counted(n, "row", "has", "have") for n in (1, 3)] == ["1 row has", "3 rows have"]


def test_a_terminal_is_given_no_commands() -> None:
    text = "Å³/atom, two\tcolumns\nand lines: 鉄"
    assert printable(text) == text
    assert printable("a\x1b[31m\r\x7f\x85\u2066b") == r"a\x1b[31m\r\x7f\x85\u2066b"
