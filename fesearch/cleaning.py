"""Cleaning: declared steps, taken in the order given and recorded with the rows each took.

========================  ==========================================================================
``unique:RULE``           one row a composition: RULE is lowest, first or mean
``entries:RULE``          one row an id, where an entry was calculated several times
``compounds``             no single elements
``elements:Li,O,Fe``      only compounds of these elements
``without:Xe,He``         none that contain one of these
``range:-5:5``            the first target from -5 to 5, in its unit; range:TARGET:-5:5 for another
``sigma:5``               the first target within 5 standard deviations of its mean
========================  ==========================================================================

Under *lowest* the row of the lowest first target stands for the others (as formation energies
mean: the ground state), of equal ones that of the first id, then of the first formula; under
*first* the one that comes first in the file; under *mean* targets and numbers are averaged, and
texts are those of the first id, then formula. Averaged rows of different structures have none.
Without ``unique`` all rows of a composition are kept, and divisions keep them together.

``sigma`` is the protocol of Huang and Ling (2020): mean and standard deviation are of all rows, so
they look at the targets of the test part. A division's own ``sigma=5`` takes them from the training
rows alone.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy as np

from fesearch import formula
from fesearch.dataset import Step
from fesearch.errors import InputError, quoted
from fesearch.registry import nearest
from fesearch.rows import Rows

#: Rows -> the rows that stay.
Clean: TypeAlias = Callable[[Rows], Rows]


class Cleaner(NamedTuple):
    """A step, as it was asked for and as a function."""

    text: str
    clean: Clean


def parse(texts: Sequence[str], *, targets: Collection[str], ids: bool) -> list[Cleaner]:
    """The steps of these texts.

    Args:
        targets: names of those the rows will have.
        ids: whether the rows will have ids.

    Raises:
        InputError: one is not a step of cleaning, or not one for such rows.
    """
    cleaners = [Cleaner(text, _parse(text)) for text in texts]
    for text, step in cleaners:
        if isinstance(step, _Range) and step.target not in {None, *targets}:
            message = f"The cleaning step '{text}' names no target of this data set."
            raise InputError(message, f"Its targets: {', '.join(targets)}")
        if isinstance(step, _OneEach) and step.kind == "entries" and not ids:
            message = f"The cleaning step '{text}' needs the ids of the entries."
            raise InputError(message, "Name their column: --id COL")
    return cleaners


def _parse(text: str) -> Clean:
    kind, _, argument = text.partition(":")
    if kind not in _STEPS:
        near = nearest(kind, _STEPS)
        raise InputError(
            f"There is no cleaning step {quoted(text)}.",
            f"{f'Did you mean {near}? ' if near else ''}There are: {', '.join(_STEPS)}",
        )
    made = _STEPS[kind].make(argument)
    if made is None:
        message = f"The cleaning step {quoted(text)} is not written as it must be."
        raise InputError(message, f"Write it like {_STEPS[kind].example}")
    return made


def settles_ids(cleaners: Sequence[Cleaner]) -> bool:
    """Whether ids may be repeated before these steps."""
    return any(isinstance(step, _OneEach) and step.kind == "entries" for _, step in cleaners)


def clean(rows: Rows, cleaners: Sequence[Cleaner]) -> tuple[Rows, list[Step]]:
    """The rows after all steps, and what each took.

    Raises:
        InputError: a step cannot be taken on these rows, or leaves none.
    """
    steps = []
    for text, step in cleaners:
        before = len(rows)
        rows = step(rows)
        if not len(rows):
            raise InputError(
                f"The cleaning step '{text}' leaves none of {before} rows.",
                "Give one that leaves some, or leave it out.",
            )
        steps.append(Step(text, before, len(rows)))
    return rows, steps


@dataclass(frozen=True)
class _OneEach:
    """One row of those that have the same composition or id."""

    kind: str
    rule: str

    def __call__(self, rows: Rows) -> Rows:
        keys = rows.reduced if self.kind == "unique" else rows.ids or ()
        numbers: dict[str, int] = {}
        groups = np.fromiter((numbers.setdefault(key, len(numbers)) for key in keys), np.int64)
        order = _preference(rows, self.rule)
        chosen = order[np.unique(groups[order], return_index=True)[1]]  # (groups,)
        if self.kind == "entries":
            _check_entries(rows, groups, chosen)
        if self.rule == "mean":
            return _averaged(rows, groups, chosen)
        return rows.taken(np.sort(chosen))


def _preference(rows: Rows, rule: str) -> np.ndarray:
    """Row numbers, those that stand for others first."""
    if rule == "first":
        return np.arange(len(rows))
    order = sorted(range(len(rows)), key=rows.formulas.__getitem__)
    if rows.ids is not None:
        order.sort(key=rows.ids.__getitem__)
    if rule == "lowest":
        order.sort(key=rows.first.tolist().__getitem__)
    return np.array(order)


def _check_entries(rows: Rows, groups: np.ndarray, chosen: np.ndarray) -> None:
    """Refuse an id with two compositions: that is no entry calculated twice."""
    for row, one in enumerate(chosen[groups].tolist()):
        if rows.reduced[row] != rows.reduced[one]:
            found = (rows.formulas[one], rows.formulas[row])
            raise InputError(
                f"The id {quoted((rows.ids or ())[row])} is that of {' and of '.join(found)}.",
                "Name the column of ids that tell entries apart: --id COL",
            )


def _averaged(rows: Rows, groups: np.ndarray, chosen: np.ndarray) -> Rows:
    """The chosen row of each group with the means of its group."""
    kept = rows.taken(chosen)
    structures = kept.structures
    if structures is not None and rows.structures is not None:
        found, own = rows.structures.digests, structures.digests
        pairs = enumerate(groups.tolist())
        structures = structures.without({group for row, group in pairs if found[row] != own[group]})
    return replace(
        kept,
        targets={name: _means(values, groups) for name, values in rows.targets.items()},
        numbers={name: _means(values, groups) for name, values in rows.numbers.items()},
        structures=structures,
    )


def _means(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Means over groups of what is there, NaN where nothing is; the order of rows is no matter."""
    order = np.argsort(values)
    order = order[~np.isnan(values[order])]
    total = int(groups.max()) + 1
    sums = np.bincount(groups[order], weights=values[order], minlength=total)
    counts = np.bincount(groups[order], minlength=total)
    means = np.full(total, math.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means


@dataclass(frozen=True)
class _Elements:
    """Rows whose elements have what it takes."""

    fits: Callable[[frozenset[str]], bool]

    def __call__(self, rows: Rows) -> Rows:
        fits = [self.fits(frozenset(formula.symbols(text))) for text in rows.reduced]
        return rows.taken(np.flatnonzero(fits))


@dataclass(frozen=True)
class _Range:
    """Rows with a target, the first one if none is named, from ``low`` to ``high``."""

    target: str | None
    low: float
    high: float

    def __call__(self, rows: Rows) -> Rows:
        values = rows.first if self.target is None else rows.targets[self.target]
        return rows.taken(np.flatnonzero((values >= self.low) & (values <= self.high)))


@dataclass(frozen=True)
class _Sigma:
    """Rows whose first target is within so many standard deviations (of n) of its mean."""

    times: float

    def __call__(self, rows: Rows) -> Rows:
        values = np.sort(rows.first)  # sums that do not depend on the order of rows
        far = np.abs(rows.first - np.mean(values)) > self.times * np.std(values)
        return rows.taken(np.flatnonzero(~far))


def _one_each(kind: str) -> "_Make":
    rules = ("lowest", "first", "mean")
    return lambda rule: _OneEach(kind, rule) if rule in rules else None


def _compounds(argument: str) -> Clean | None:
    return None if argument else _Elements(lambda found: len(found) > 1)


def _only(argument: str) -> Clean | None:
    named = _symbols(argument)
    return _Elements(lambda found: found <= named) if named else None


def _without(argument: str) -> Clean | None:
    named = _symbols(argument)
    return _Elements(lambda found: not found & named) if named else None


def _symbols(text: str) -> frozenset[str]:
    """The elements in a list with commas; none at all if one of them is unknown."""
    named = frozenset(symbol.strip() for symbol in text.split(","))
    return named if named <= frozenset(formula.ELEMENTS) else frozenset()


def _range(argument: str) -> Clean | None:
    *target, low, high = ["", *argument.rsplit(":", 2)][-3:]
    ends = _finite(low), _finite(high)
    if ends[0] is None or ends[1] is None or ends[0] > ends[1]:
        return None
    return _Range(target[0] or None, ends[0], ends[1])


def _sigma(argument: str) -> Clean | None:
    times = _finite(argument)
    return _Sigma(times) if times is not None and times > 0 else None


def _finite(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


_Make: TypeAlias = Callable[[str], Clean | None]


class _Kind(NamedTuple):
    """A kind of steps: how one is made of what stands behind the colon, and how it is written."""

    make: _Make
    example: str


_STEPS: Mapping[str, _Kind] = {
    "unique": _Kind(_one_each("unique"), "unique:lowest, unique:first or unique:mean"),
    "entries": _Kind(_one_each("entries"), "entries:lowest, entries:first or entries:mean"),
    "compounds": _Kind(_compounds, "compounds"),
    "elements": _Kind(_only, "elements:Li,O,Fe"),
    "without": _Kind(_without, "without:Xe,He"),
    "range": _Kind(_range, "range:-5:5, or range:TARGET:-5:5"),
    "sigma": _Kind(_sigma, "sigma:5"),
}
