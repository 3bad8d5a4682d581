"""UBJSON as XGBoost writes it: https://ubjson.org, of which it uses a part, and no other way.

Strict, so that XGBoost cannot understand another thing: sizes are eight bytes, keys come once.
"""

import struct
from typing import Any

import numpy as np

from fesearch.arrays import broken

DEEPEST = 16
"""Objects and arrays within each other; XGBoost's own are eight."""

NUMBERS = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4"}


def read(content: bytes) -> dict[str, Any]:
    """The object that ``content`` is, an array of numbers of one type as a NumPy array.

    Raises:
        InputError: it is no object, or not written as XGBoost writes it.
    """
    try:
        reader = _Reader(content)
        found = reader.value(0)
        if reader.at != len(content) or not isinstance(found, dict):
            raise ValueError
    except (ValueError, KeyError, struct.error) as error:
        raise broken("XGBoost cannot read a booster.") from error
    return found


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content, self.at = content, 0

    def value(self, depth: int) -> Any:
        """The next value; a ValueError, KeyError or struct.error where there is none."""
        if depth > DEEPEST:
            raise ValueError
        mark = self._bytes(1)
        if mark == b"{":
            return self._object(depth)
        if mark == b"[":
            return self._array(depth)
        if mark == b"S":
            return self._text()
        return self._numbers(mark, 1)[0].item()

    def _object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not self._next(b"}"):
            key = self._text()
            if key in found:
                raise ValueError
            found[key] = self.value(depth + 1)
        return found

    def _array(self, depth: int) -> Any:
        mark = self._bytes(1) if self._next(b"$") else None
        self._expect(b"#")
        count = self._size()
        if mark is not None:
            return self._numbers(mark, count)
        return [self.value(depth + 1) for _ in range(count)]

    def _text(self) -> str:
        return self._bytes(self._size()).decode()

    def _size(self) -> int:
        self._expect(b"L")
        size: int = struct.unpack(">q", self._bytes(8))[0]
        if not 0 <= size <= len(self._content):
            raise ValueError
        return size

    def _numbers(self, mark: bytes, count: int) -> np.ndarray:
        kind = np.dtype(NUMBERS[mark])
        return np.frombuffer(self._bytes(count * kind.itemsize), kind)

    def _bytes(self, count: int) -> bytes:
        found = self._content[self.at : self.at + count]
        if len(found) != count:
            raise ValueError
        self.at += count
        return found

    def _next(self, mark: bytes) -> bool:
        found = self._content.startswith(mark, self.at)
        self.at += found
        return found

    def _expect(self, mark: bytes) -> None:
        if not self._next(mark):
            raise ValueError
