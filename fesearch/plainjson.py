"""JSON from outside that says one thing: each key of an object is there once, a number is one."""

import json
from collections import Counter
from typing import Any

from fesearch.errors import quoted


def loads(text: str | bytes) -> Any:
    """What is in a text.

    Raises:
        ValueError: it is not JSON, or two readers may understand it differently; in words.
    """
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, each of whose names is there once."""
    found = dict(pairs)
    if len(found) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {quoted(twice)} is there twice")
    return found


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number")
