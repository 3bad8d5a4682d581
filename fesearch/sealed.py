"""The formulas of a test part as hashes: who has an exported model is told when he meets one.

The hashes name no compound that is not guessed first, and need no data set.
"""

import hashlib
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from fesearch.arrays import Arrays, Layout, broken, check

_BYTES = (
    8  # of a SHA-256: among a billion formulas asked for, a wrong hit is a one in 200,000 chance
)


@dataclass(frozen=True)
class Met:
    """Formulas of a test part that were asked for.

    Attributes:
        rows: compounds that have one, each as often as it was asked for.
        asked: which of them; bit i is the i-th of the hashes.
    """

    rows: int = 0
    asked: int = 0

    def __bool__(self) -> bool:
        return self.rows > 0

    def __or__(self, other: "Met") -> "Met":
        return Met(self.rows + other.rows, self.asked | other.asked)


@dataclass(frozen=True, eq=False)
class Sealed:
    """Reduced formulas that the rows of a test part have.

    Attributes:
        hashes: (n,) uint64, ascending, each once.
    """

    hashes: np.ndarray

    @classmethod
    def of(cls, reduced: Iterable[str]) -> "Sealed":
        """Those of some reduced formulas."""
        return cls(np.unique(_hashes(reduced)))

    @classmethod
    def from_arrays(cls, arrays: Arrays, *, formulas: int) -> "Sealed":
        """What ``arrays()`` gave.

        Raises:
            InputError: it is not the ascending hashes of so many formulas.
        """
        check(arrays, {"hashes": Layout((formulas,), np.dtype(np.uint64))}, "test formulas")
        hashes = arrays["hashes"]
        if (hashes[1:] <= hashes[:-1]).any():
            raise broken("The hashes of the test formulas are not ascending.")
        return cls(hashes)

    def arrays(self) -> dict[str, np.ndarray]:
        """Its array by name."""
        return {"hashes": self.hashes}

    def met(self, reduced: Iterable[str]) -> Met:
        """Which of the test part are among some reduced formulas."""
        there = _hashes(reduced)
        there = there[np.isin(there, self.hashes)]
        bits = np.packbits(np.isin(self.hashes, there), bitorder="little")
        return Met(len(there), int.from_bytes(bits.tobytes(), "little"))


def met_in(sealed: Sealed | None, reduced: Iterable[str]) -> Met:
    """As ``Sealed.met``; nothing of a model that knows of no test part."""
    return Met() if sealed is None else sealed.met(reduced)


def told(met: Met, fingerprint: str, record: str) -> str:
    """A sentence on compounds of the test part of a division, and on what is on record of them."""
    verb = "has a formula" if met.rows == 1 else "have formulas"
    return (
        f"{met.rows} of these compounds {verb} of the model's sealed test part "
        f"({fingerprint[:12]}): {record}."
    )


def meet_or_warn(met: Met, fingerprint: str, meet: Callable[[Met], None] | None) -> None:
    """Tell ``meet`` of compounds of the test part; where there is none, the caller's caller."""
    if met and meet:
        meet(met)
    elif met:
        warnings.warn(told(met, fingerprint, "not on record, see meet="), stacklevel=3)


def _hashes(reduced: Iterable[str]) -> np.ndarray:
    """The first bytes of the SHA-256 of each, (n,) uint64."""
    digests = b"".join(hashlib.sha256(text.encode()).digest()[:_BYTES] for text in reduced)
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)
