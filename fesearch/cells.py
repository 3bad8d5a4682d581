"""The cells of a raw row as texts and numbers, or the reason why one is neither."""

import math
import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from fesearch import formula as formulas
from fesearch.dataset import LARGEST_NUMBER
from fesearch.errors import InputError, quoted

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)


class BadRowError(Exception):
    """Why a row cannot be used; one line."""


def cell(cells: Mapping[str, Any], name: str, missing: Collection[str] = ()) -> Any:
    """What is in a column, or None where there is nothing or a word that stands for it."""
    value = cells.get(name)
    if isinstance(value, str):
        value = value.strip()
        return value if value and value not in missing else None
    return value


def text(name: str, value: Any) -> str:
    """A cell as text; "" where there is nothing."""
    if value is None:
        return ""
    if isinstance(value, str):
        return _shared(value)
    if isinstance(value, int | float | Decimal):
        return "" if value != value else str(value)  # a table of pandas has NaN for nothing
    raise BadRowError(f"{name} is {kind(value)}, not a text")


def has(name: str, value: Any, wanted: str) -> bool:
    """Whether a cell has a value: numbers whatever their spelling, true and false in any case."""
    if isinstance(value, bool):
        return str(value).lower() == wanted.lower()
    if isinstance(value, int | float | Decimal) and _NUMBER.fullmatch(wanted):
        return value == (float(wanted) if isinstance(value, float) else Decimal(wanted))
    return text(name, value).strip() == wanted


@lru_cache(maxsize=4096)
def _shared(value: str) -> str:
    """One object for equal texts, such as the names of parts, that stand in many rows."""
    return value


def number(name: str, value: Any) -> float:
    """A cell as a finite number."""
    if value is None:
        raise BadRowError(f"{name} is missing")
    try:
        found = float(_digits(name, value))
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise BadRowError(f"{name} {quoted(str(value))} is not finite")
    return found


def number_or_nan(name: str, value: Any) -> float:
    """A cell as a number that a feature can be, or NaN where there is nothing."""
    if value is None or (isinstance(value, float | Decimal) and value != value):
        return math.nan
    found = number(name, value)
    if abs(found) > LARGEST_NUMBER:
        raise BadRowError(f"{name} {quoted(str(value))} is beyond {LARGEST_NUMBER:.2g}")
    return found


def _digits(name: str, value: Any) -> str | int | float | Decimal:
    """What ``float`` understands, and means by it what people mean."""
    if isinstance(value, str):
        if _NUMBER.fullmatch(value) or _NOT_FINITE.fullmatch(value):
            return value
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return value
    else:
        raise BadRowError(f"{name} is {kind(value)}, not a number")
    raise BadRowError(f"{name} {quoted(value)} is not a number")


def kind(value: Any) -> str:
    """What a cell is, in words."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if isinstance(value, list | tuple) else f"of the type {type(value).__name__}"


def reduced(name: str, formula: str) -> str:
    """The reduced formula of a cell."""
    if not formula:
        raise BadRowError(f"{name} is missing")
    try:
        return formulas.reduced(formula)
    except InputError as error:
        raise BadRowError(error.message.rstrip(".")) from None
