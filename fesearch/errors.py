"""Errors a person can act on: what happened, with which value, and what to type next."""

import re

_COMMANDS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and line feed, and those that turn the direction of writing."""


class FesearchError(Exception):
    """A failure with its remedy.

    Args:
        message: what happened, with the value that caused it; one line.
        hint: what to do or type next; one line.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}"


class InputError(FesearchError):
    """Wrong usage or bad input; nothing was started or written."""

    exit_code = 2


class UnsuitedError(InputError):
    """Data that a family cannot be trained on, here and now."""


class NotInstalledError(InputError):
    """A package that an extra brings is not there; the hint is the pip line."""


class NoDatabaseError(InputError):
    """No database at a URL, or none with studies in it."""


class NoResultError(FesearchError):
    """A search or ranking without a single usable result."""

    exit_code = 3


class OustedError(FesearchError):
    """Another process drives the study now; this one may write nothing more."""


class StudyNotFoundError(FesearchError):
    """No study of that name in the store."""

    exit_code = 4


def quoted(text: str, width: int = 40) -> str:
    """``text`` in quotes on one line, cut to ``width`` characters, for use in a message."""
    return repr(text if len(text) <= width else f"{text[: width - 1]}…")


def printable(text: str) -> str:
    """``text`` without what a terminal would obey: names and units may come from anywhere."""
    return _COMMANDS.sub(lambda found: repr(found[0])[1:-1], text)


def counted(count: int, noun: str, one: str = "", several: str = "") -> str:
    """A number of things in words: 1 trial, 2 trials; with a verb, 1 row has, 2 rows have.

    Args:
        noun: of one of them, whose plural ends in s.
        one, several: verb for one of them, and for any other number.
    """
    said = f"{noun} {one}" if count == 1 else f"{noun}s {several}"
    return f"{count} {said}".rstrip()


def first_line(error: BaseException) -> str:
    """What an exception says, on one line."""
    said = (str(error).strip() or "no message").splitlines()[0][:300]
    return f"{type(error).__name__}: {said}"
