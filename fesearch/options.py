"""Options of a division in one line, ``seed=0,group=formula``, and the values they may have.

A comma in a value, such as the name of a column, is written %2C, and % itself %25.
"""

import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any
from urllib.parse import quote, unquote

from fesearch.errors import InputError


def read(text: str, listing: str) -> dict[str, str]:
    """The options in a text, their values still texts.

    Args:
        listing: what tells all options, for the hint of an error.

    Raises:
        InputError: an option has no value, or is given twice.
    """
    options: dict[str, str] = {}
    for option in filter(None, text.split(",")):
        name, equals, value = option.partition("=")
        if not equals:
            raise InputError(
                f"The split option '{option}' has no value.", f"Write NAME=VALUE: {listing}"
            )
        if name.strip() in options:
            raise InputError(f"The split option '{name.strip()}' is given twice.", listing)
        options[name.strip()] = unescaped(value)
    return options


def written(value: Any) -> str:
    """A value so that ``read`` and its option's check make the same of it; tuples with colons."""
    if isinstance(value, tuple):
        return ":".join(map(written, value))
    return escaped(value) if isinstance(value, str) else repr(value).removesuffix(".0")


def escaped(text: str, also: str = "") -> str:
    """A text with % escapes where it would be read as something else."""
    special = rf"[%,{re.escape(also)}]|^\s+|\s+\Z"
    return re.sub(special, lambda found: quote(found[0], safe=""), text)


def unescaped(text: str) -> str:
    """What ``escaped`` made this of; blanks around it do not count."""
    return unquote(text.strip())


def whole(option: str, value: object, *, least: int | None = None, example: int) -> int:
    """A whole number, given as one or as a text.

    Raises:
        InputError: it is none, or less than ``least``.
    """
    try:
        if isinstance(value, int | str) and not isinstance(value, bool):
            number = int(value)
            if least is None or number >= least:
                return number
    except ValueError:
        pass
    floor = "" if least is None else f" from {least} on"
    raise InputError(
        f"The split {option} is {value!r}.",
        f"Give a whole number{floor}, such as {option}={example}.",
    )


def number(option: str, value: object, within: Callable[[float], bool], wanted: str) -> float:
    """A finite number, given as one or as a text.

    Args:
        within: whether a number is allowed.
        wanted: what is allowed, in words with an example.

    Raises:
        InputError: it is none, or not allowed.
    """
    try:
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            found = float(value)
            if math.isfinite(found) and within(found):
                return found
    except (ValueError, OverflowError):
        pass
    raise InputError(f"The split {option} is {value!r}.", f"Give {wanted}.")


def exact(share: float) -> Fraction:
    """A share as it is written: 0.1 is a tenth, on every platform."""
    return Fraction(str(share))
