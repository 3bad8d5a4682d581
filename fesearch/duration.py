"""Lengths of time as people write them."""

import re

from fesearch.errors import InputError, quoted

SHARE, LEAST, MOST = 0.05, 30.0, 600.0
"""Of a time limit, and seconds: what is kept back of it, though never more than half."""
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def duration(text: str, what: str = "time limit") -> float:
    """Seconds of a length of time such as "90s", "30m", "2h", "1d" or "1h30m".

    Args:
        what: it is the length of, as the error calls it.

    Raises:
        InputError: it is none.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
    if not parts or "".join(a + b for a, b in parts) != text:
        raise InputError(f"The {what} is {quoted(text)}.", "Write it as 90s, 30m, 2h or 1h30m.")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if seconds <= 0:
        raise InputError(f"The {what} is {quoted(text)}.", "Give more than no time.")
    return seconds


def kept_back(limit: float) -> float:
    """Seconds of a time limit for the test part and the export, where they belong to it."""
    return min(max(SHARE * limit, LEAST), MOST, limit / 2)


def spelled(seconds: float) -> str:
    """A length of time that ``duration`` reads, such as "1h30m"."""
    parts: list[str] = []
    rest = seconds
    for unit, length in _UNITS.items():
        count, rest = (rest, 0.0) if unit == "s" else divmod(rest, length)
        if count or (unit == "s" and not parts):
            parts.append(f"{count:g}{unit}")
    return "".join(parts)
