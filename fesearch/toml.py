"""Writing TOML; the standard library only reads it."""

import json
import re
from collections.abc import Mapping
from typing import Any

from fesearch.errors import InputError

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def dumps(table: Mapping[str, Any]) -> str:
    """TOML that ``tomllib`` reads as ``table`` again, without its keys that are None.

    Args:
        table: of text, bool, int, float, lists of these, and tables. A table in a table stands on
            the line of its key, so that the text reads like a study file.

    Raises:
        InputError: a list holds None, for which TOML has no word, or a value is of another type.
    """
    return "".join(
        f"{_key(key)} = {_value(value)}\n" for key, value in table.items() if value is not None
    )


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _text(text: str) -> str:
    """TOML's basic strings have JSON's escapes; JSON leaves U+007F as it is, TOML does not."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        given = {name: entry for name, entry in value.items() if entry is not None}
        inside = ", ".join(f"{_key(name)} = {_value(entry)}" for name, entry in given.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    raise InputError(f"TOML has no word for {value!r}.", "Leave it out of the study.")
