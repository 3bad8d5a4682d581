"""What a data set is: formulas with targets, stable row ids and a content hash.

The hash stands for the rows and nothing else: two people who import the same rows under different
names, in a different order, have the same data, and their results can be compared.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from fesearch import formula
from fesearch.errors import InputError, quoted
from fesearch.paths import checked_name
from fesearch.registry import unknown
from fesearch.structure import Structures

_Column: TypeAlias = "Sequence[Any] | np.ndarray"
LARGEST_NUMBER = float(np.finfo(np.float32).max)  # features are float32
_PIECE = 10_000  # texts that are written as JSON at a time


@dataclass(frozen=True)
class Step:
    """One step of cleaning that a data set went through, and the rows it took.

    Attributes:
        text: as it was asked for, such as "unique:lowest".
        before, after: number of rows.
    """

    text: str
    before: int
    after: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset:
    """Rows of formulas with their targets, sorted by id; ``make`` makes one, nothing changes it.

    Attributes:
        name: as typed after ``--data``; not part of the hash.
        ids: n distinct row ids, ascending.
        formulas: n formulas as given.
        reduced: n reduced formulas; equal where the composition is.
        targets: name -> (n,) float64, all finite, read-only.
        units: name of a target -> its unit, such as "eV/atom".
        columns: name -> n texts kept beside the rows, such as predefined divisions; "" is empty.
        numbers: name -> (n,) float64, read-only: features of the user's own; NaN where empty.
        structures: of the n rows, or None where no row has one.
        steps: how the rows were cleaned, in order; not part of the hash.
        title, source, licence, citation: for people; not part of the hash.
    """

    name: str
    ids: tuple[str, ...]
    formulas: tuple[str, ...]
    reduced: tuple[str, ...]
    targets: Mapping[str, np.ndarray]
    units: Mapping[str, str]
    columns: Mapping[str, tuple[str, ...]]
    numbers: Mapping[str, np.ndarray] = field(default_factory=lambda: MappingProxyType({}))
    structures: Structures | None = None
    steps: tuple[Step, ...] = ()
    title: str = ""
    source: str = ""
    licence: str = ""
    citation: str = ""

    def __len__(self) -> int:
        return len(self.ids)

    def target(self, name: str) -> np.ndarray:
        """One target, (n,) float64, in ``units[name]``.

        Raises:
            InputError: there is no target of that name.
        """
        if name not in self.targets:
            raise unknown("target", name, self.targets, f"fesearch data show {self.name}")
        return self.targets[name]

    @cached_property
    def hash(self) -> str:
        """SHA-256 of all rows and units, 64 hexadecimal digits."""
        digest = hashlib.sha256(b'"fesearch data 1"\n')
        _add(digest, '{"id": ', self.ids)
        _add(digest, ', "formula": ', self.formulas)
        _add(digest, ', "reduced": ', self.reduced)
        units = sorted(self.units.items())
        digest.update(f"}}\n{json.dumps(units)}\n[".encode())
        for place, (name, column) in enumerate(sorted(self.columns.items())):
            _add(digest, f"{', ' if place else ''}[{json.dumps(name)}, ", column)
            digest.update(b"]")
        digest.update(b"]\n")
        for name, _ in units:
            digest.update(self.targets[name].astype("<f8").tobytes())
        for name, numbers in sorted(self.numbers.items()):
            digest.update(json.dumps({"number": name}).encode() + numbers.astype("<f8").tobytes())
        if self.structures is not None:
            _add(digest, '{"structure": ', self.structures.digests)
            digest.update(b"}")
        return digest.hexdigest()


def _add(digest: "hashlib._Hash", before: str, texts: Sequence[str]) -> None:
    """Add ``before`` and the JSON of a list of texts, a piece at a time: a million are many."""
    digest.update(f"{before}[".encode())
    for start in range(0, len(texts), _PIECE):
        piece = json.dumps(texts[start : start + _PIECE])[1:-1]
        digest.update(f"{', ' if start else ''}{piece}".encode())
    digest.update(b"]")


def make(
    name: str,
    formulas: Sequence[str],
    targets: Mapping[str, Sequence[float] | np.ndarray],
    units: Mapping[str, str],
    *,
    ids: Sequence[str] | None = None,
    reduced: Sequence[str] | None = None,
    columns: Mapping[str, Sequence[str]] | None = None,
    numbers: Mapping[str, Sequence[float] | np.ndarray] | None = None,
    structures: Structures | None = None,
    steps: Sequence[Step] = (),
    **notes: str,
) -> Dataset:
    """A data set of n rows given in any order.

    Args:
        formulas: n formulas.
        targets: name -> n finite numbers.
        units: name of each target -> its unit.
        ids: n distinct row ids. Without them a row is called by its reduced formula, with #2, #3 …
            for the further rows of one reduced formula, ordered by what is in them.
        reduced: the n reduced formulas, where they are known already.
        columns: name -> n texts.
        numbers: name -> n numbers, NaN where there is none.
        structures: of the n rows.
        steps: how the rows were cleaned.
        notes: title, source, licence, citation.

    Raises:
        InputError: no rows or targets, unequal lengths, a wrong formula, a target that is not
            finite or has no unit, a number beyond float32, an id that is empty or given twice.
    """
    checked_name("data set", name)
    reduced = [formula.reduced(text) for text in formulas] if reduced is None else reduced
    arrays = {key: np.array(values, dtype=np.float64) for key, values in targets.items()}
    extra = {key: np.array(values, dtype=np.float64) for key, values in (numbers or {}).items()}
    columns = columns or {}
    others: list[_Column] = [formulas, reduced]
    others += [*columns.values(), *extra.values()]
    others += [structures.digests] if structures is not None else []
    _check(name, reduced if ids is None else ids, others, arrays, units)
    if ids is None:
        contents: list[_Column] = [formulas, *_values(arrays), *_values(extra), *_values(columns)]
        contents += [structures.digests] if structures is not None else []
        ids = _numbered(reduced, contents)
    _check_numbers(ids, extra)
    order = sorted(range(len(ids)), key=ids.__getitem__)
    _check_ids(name, [ids[row] for row in order])

    def in_order(texts: Sequence[str]) -> tuple[str, ...]:
        return tuple(texts[row] for row in order)

    return Dataset(
        name=name,
        ids=in_order(ids),
        formulas=in_order(formulas),
        reduced=in_order(reduced),
        targets=MappingProxyType({key: _frozen(array[order]) for key, array in arrays.items()}),
        units=MappingProxyType({key: units[key] for key in arrays}),
        columns=MappingProxyType({key: in_order(texts) for key, texts in columns.items()}),
        numbers=MappingProxyType({key: _frozen(array[order]) for key, array in extra.items()}),
        structures=None if structures is None else structures.taken(order),
        steps=tuple(steps),
        **notes,
    )


def renamed(dataset: Dataset, name: str) -> Dataset:
    """The same rows under another name.

    Raises:
        InputError: no data set can be called so.
    """
    return replace(dataset, name=checked_name("data set", name))


def _values(named: Mapping[str, _Column]) -> Iterator[_Column]:
    """The columns in the order of their names."""
    return (named[name] for name in sorted(named))


def _numbered(reduced: Sequence[str], contents: Sequence[_Column]) -> list[str]:
    """Row ids made of reduced formulas: Fe2O3, Fe2O3#2, Fe2O3#3 … ordered by what is in the rows.

    So the ids, the content hash and every division do not depend on the order of a file.
    """
    ids = list(reduced)
    count = Counter(reduced)
    repeated = [row for row, text in enumerate(reduced) if count[text] > 1]

    def content(row: int) -> tuple[Any, ...]:
        cells = (column[row] for column in contents)
        # A NaN has no place in an order: it comes after all numbers.
        return (reduced[row], *((True, 0) if cell != cell else (False, cell) for cell in cells))

    seen: Counter[str] = Counter()
    for row in sorted(repeated, key=content):
        seen[reduced[row]] += 1
        if seen[reduced[row]] > 1:
            ids[row] = f"{reduced[row]}#{seen[reduced[row]]}"
    return ids


def _check(
    name: str,
    ids: Sequence[str],
    others: Sequence[Sequence[str] | np.ndarray],
    arrays: Mapping[str, np.ndarray],
    units: Mapping[str, str],
) -> None:
    """Refuse what no data set can be made of."""
    if not ids or not arrays:
        lacks = "targets" if ids else "rows"
        raise InputError(f"The data set '{name}' has no {lacks}.", "Give at least one.")
    lengths = {len(ids), *map(len, others), *map(len, arrays.values())}
    if len(lengths) > 1:
        message = f"The data set '{name}' has columns of unequal length."
        raise InputError(message, "Give each a value per row.")
    for target, array in arrays.items():
        if not units.get(target):
            raise InputError(f"The target '{target}' has no unit.", "Say it, such as eV/atom.")
        wrong = np.flatnonzero(~np.isfinite(array))
        if wrong.size:
            raise InputError(
                f"The target '{target}' of row '{ids[wrong[0]]}' is {array[wrong[0]]}.",
                "Give finite numbers only.",
            )


def _check_ids(name: str, ids: Sequence[str]) -> None:
    """Refuse an id that is empty or repeated; they are in order."""
    for before, row_id in zip(("", *ids), ids, strict=False):
        if row_id == before:
            raise InputError(
                f"The data set '{name}' has the row id {quoted(row_id)}, empty or repeated.",
                "Give each row an id of its own, or none at all.",
            )


def _check_numbers(ids: Sequence[str], numbers: Mapping[str, np.ndarray]) -> None:
    for name, array in numbers.items():
        wrong = np.flatnonzero(np.abs(array) > LARGEST_NUMBER)
        if wrong.size:
            raise InputError(
                f"The number '{name}' of row '{ids[wrong[0]]}' is {array[wrong[0]]}.",
                f"Give numbers up to {LARGEST_NUMBER:.2g}, or nothing where there is none.",
            )


def _frozen(array: np.ndarray) -> np.ndarray:
    """The array, read-only, with one zero: -0.0 and 0.0 are the same data."""
    array = array + 0.0
    array.flags.writeable = False
    return array
