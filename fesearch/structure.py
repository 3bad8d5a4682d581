"""Crystal structures as texts: one spelling for each, known by its digest.

The text is JSON that pymatgen's ``Structure.from_dict`` reads, with the lattice and the occupied
sites and nothing else, so that two files of one structure have one digest.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

#: Texts of the rows of these numbers, in their order; "" where a row has none.
Read: TypeAlias = Callable[[Sequence[int]], Iterator[str]]


class Structures:
    """The structures of n rows; the texts are read only when asked for.

    Attributes:
        digests: SHA-256 of each text, hexadecimal; "" where a row has no structure.
    """

    def __init__(self, digests: Sequence[str], read: Read) -> None:
        self.digests = tuple(digests)
        self._read = read

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Structures":
        """Hold texts in memory, packed; "" is no structure."""
        digests, packed = [], []
        for text in texts:
            digests.append(digest(text))
            packed.append(zlib.compress(text.encode(), 1))

        def read(rows: Sequence[int]) -> Iterator[str]:
            return (zlib.decompress(packed[row]).decode() for row in rows)

        return cls(digests, read)

    def __len__(self) -> int:
        return len(self.digests)

    def texts(self, rows: Sequence[int]) -> Iterator[str]:
        """The texts of rows, in the order of ``rows``.

        Raises:
            InputError: the file they are in is missing or damaged.
        """
        return self._read(rows)

    def taken(self, order: Sequence[int]) -> "Structures":
        """The structures of some of the rows, in another order."""
        read, order = self._read, list(order)
        digests = [self.digests[row] for row in order]
        return Structures(digests, lambda rows: read([order[row] for row in rows]))


def digest(text: str) -> str:
    """SHA-256 of a structure's text; none has none."""
    return hashlib.sha256(text.encode()).hexdigest() if text else ""
