"""The composition as a sequence of elements, as networks read it from ``element_sequence``."""

from typing import NamedTuple

import numpy as np
import torch

from fesearch.errors import InputError

ELEMENTS = 100
"""Atomic numbers in a sequence are 1 … 100; 0 is padding."""


class Elements(NamedTuple):
    """A batch of n compounds of L elements at most.

    Attributes:
        number: (n, L) int64, 0 behind the last element.
        fraction: (n, L) float32, 0 there.
        present: (n, L) bool; the first is always present, so that no compound is empty.
    """

    number: torch.Tensor
    fraction: torch.Tensor
    present: torch.Tensor

    @classmethod
    def of(cls, x: torch.Tensor) -> "Elements":
        """The elements in features (n, 2 L): number, fraction, number, fraction …"""
        pairs = x.view(x.shape[0], x.shape[1] // 2, 2)
        number = pairs[:, :, 0].round().clamp(0, ELEMENTS).long()
        present = number > 0
        present[:, 0] = True
        return cls(number, pairs[:, :, 1] * present, present)


def require_sequences(x: np.ndarray, family: str) -> None:
    """Refuse features that are not sequences of elements.

    Raises:
        InputError: says which feature set the family reads.
    """
    numbers = x[:, ::2]
    known = numbers[np.isfinite(numbers)]
    whole = bool(np.all((known == np.round(known)) & (known >= 0) & (known <= ELEMENTS)))
    if x.shape[1] % 2 or not whole:
        raise InputError(
            f"The family {family} reads sequences of elements, and these features are none.",
            "Leave --features out, or give --features element_sequence:longest=12.",
        )
