"""FlatBuffers without a schema: tables of numbered fields, https://flatbuffers.dev/internals.

A place outside the bytes is a ValueError. Overlapping places are allowed, as in FlatBuffers.
"""

import struct
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Table:
    """A table of a buffer, which stands at byte ``at``."""

    content: bytes
    at: int

    @classmethod
    def root(cls, content: bytes) -> "Table":
        """The table that a buffer is about."""
        return cls(content, _number(content, "<I", 0))

    def place(self, field: int) -> int | None:
        """The byte at which a field stands; None where it has its default."""
        fields = self.at - _number(self.content, "<i", self.at)
        entry = 4 + 2 * field
        if entry >= _number(self.content, "<H", fields):
            return None
        found = _number(self.content, "<H", fields + entry)
        return self.at + found if found else None

    def number(self, field: int, kind: str, default: int) -> int:
        """A number of the ``struct`` format ``kind``."""
        place = self.place(field)
        return default if place is None else _number(self.content, kind, place)

    def vector(self, field: int, kind: str | np.dtype) -> np.ndarray:
        """Numbers of the NumPy type ``kind``, (n,)."""
        start = self._target(field)
        if start is None:
            return np.zeros(0, kind)
        count = _number(self.content, "<I", start)
        if count * np.dtype(kind).itemsize > len(self.content):
            raise ValueError
        return np.frombuffer(self.content, kind, count, start + 4)

    def table(self, field: int) -> "Table":
        """A table that a field leads to; a ValueError where there is none."""
        start = self._target(field)
        if start is None:
            raise ValueError
        return Table(self.content, start)

    def tables(self, field: int) -> "list[Table]":
        """The tables that a field lists."""
        steps = self.vector(field, "<u4")
        start = self._target(field) or 0
        return [
            Table(self.content, start + 4 + 4 * index + int(step))
            for index, step in enumerate(steps)
        ]

    def _target(self, field: int) -> int | None:
        place = self.place(field)
        return None if place is None else place + _number(self.content, "<I", place)


def _number(content: bytes, kind: str, at: int) -> int:
    if not 0 <= at <= len(content) - struct.calcsize(kind):
        raise ValueError
    found: int = struct.unpack_from(kind, content, at)[0]
    return found
