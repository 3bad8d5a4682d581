"""Named arrays that may come from anywhere: checked before anything is computed with them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from fesearch.errors import InputError

if TYPE_CHECKING:
    import numpy as np

Arrays: TypeAlias = "Mapping[str, np.ndarray]"

COLUMNS = 16
"""Laid one behind the other at once: as many float32 numbers of a row as a processor fetches."""

HINT = (
    "Use the files as fesearch wrote them, with the config and the version of fesearch that they "
    "were written by."
)


@dataclass(frozen=True)
class Layout:
    """The shape and element type an array must have."""

    shape: tuple[int, ...]
    dtype: "np.dtype"

    def __str__(self) -> str:
        return f"{self.dtype} {self.shape}"


def layout(array: "np.ndarray") -> Layout:
    """The layout of an array."""
    return Layout(array.shape, array.dtype)


def broken(message: str) -> InputError:
    """The error for arrays that are not what they are said to be."""
    return InputError(message, HINT)


def check(arrays: Arrays, expected: Mapping[str, Layout], what: str) -> None:
    """Refuse arrays whose names, shapes or element types differ from the expected ones.

    Args:
        what: the noun in messages, such as "model" or "checkpoint".

    Raises:
        InputError: names the first array that is missing, unknown or of another layout.
    """
    for name in sorted(expected.keys() - arrays.keys()):
        raise broken(f"The {what} lacks the array '{name}'.")
    for name in sorted(arrays.keys() - expected.keys()):
        raise broken(f"The {what} has an array '{name}' that does not belong to its config.")
    for name, wanted in expected.items():
        found = layout(arrays[name])
        if found != wanted:
            raise broken(f"The array '{name}' of the {what} is {found}, not {wanted}.")


def check_finite(arrays: Arrays, what: str) -> None:
    """Refuse arrays with a NaN or an infinite number, with which nothing can be predicted.

    Raises:
        InputError: names the first such array.
    """
    import numpy as np

    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise broken(f"The array '{name}' of the {what} has a number that is not finite.")


def columns(x: "np.ndarray") -> "Iterator[np.ndarray]":
    """The columns (n,) of features (n, d), each contiguous: read where it lies it is slower."""
    import numpy as np

    for start in range(0, x.shape[1], COLUMNS):
        yield from np.ascontiguousarray(x[:, start : start + COLUMNS].T)


def section(arrays: Arrays, prefix: str) -> "dict[str, np.ndarray]":
    """The arrays whose names begin with ``prefix``, by the rest of their names."""
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def prefixed(arrays: Arrays, prefix: str) -> "dict[str, np.ndarray]":
    """The same arrays, every name begun with ``prefix``; the reverse of ``section``."""
    return {prefix + name: array for name, array in arrays.items()}
