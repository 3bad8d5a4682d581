"""The features of a data set: what is asked for by name, from the cache or computed and cached.

Feature sets stand side by side as "magpie+element_fractions", and the options of one behind its
name, as in "element_sequence:longest=12". Each is cached by itself, so that other sums of the same
find it; the data set's own columns are not, for there is nothing to compute.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Self

import numpy as np

from fesearch import featurecache
from fesearch.dataset import Dataset
from fesearch.errors import InputError
from fesearch.featureset import (
    FEATURE_SETS,
    LISTING,
    NO_STRUCTURE,
    Computed,
    FeatureSet,
    Inputs,
    Needs,
    Progress,
)


@dataclass(frozen=True, eq=False)
class Combination:
    """Feature sets side by side, such as "magpie+columns": the columns of one after the other."""

    terms: tuple[FeatureSet, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """The feature sets of "NAME[:OPTION=VALUE,…][+NAME…]".

        Raises:
            InputError: a set or an option is unknown, or a set is named twice.
        """
        terms = tuple(_term(word.strip()) for word in text.split("+"))
        [(name, count)] = Counter(term.name for term in terms).most_common(1)
        if count > 1:
            raise InputError(
                f"The feature set '{name}' is named {count} times in '{text}'.",
                f"Name it once. Type: {LISTING}",
            )
        return cls(terms)

    @property
    def name(self) -> str:
        """As typed, but without options that say what is so anyway."""
        return "+".join(term.name for term in self.terms)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All column names; one that two sets have is prefixed by the set, as in "columns.x"."""
        count = Counter(name for term in self.terms for name in term.names())
        return tuple(
            name if count[name] == 1 else f"{term.name}.{name}"
            for term in self.terms
            for name in term.names()
        )

    @cached_property
    def digest(self) -> str:
        """Of a single set its own; of several the SHA-256 hex of their digests."""
        digests = [term.digest() for term in self.terms]
        return (
            digests[0]
            if len(digests) == 1
            else hashlib.sha256("+".join(digests).encode()).hexdigest()
        )

    @property
    def needs(self) -> frozenset[Needs]:
        """What all its sets together are computed from."""
        return frozenset(term.needs for term in self.terms)

    def bound(self, inputs: Inputs) -> Self:
        """The same, as it applies to these rows.

        Raises:
            InputError: they lack what one of the sets is computed from.
        """
        return replace(self, terms=tuple(term.bound(inputs) for term in self.terms))

    def compute(self, inputs: Inputs, progress: Progress | None = None) -> Computed:
        """The features of n rows, without the cache.

        Raises:
            InputError: the rows lack what a set is computed from, or a formula has no features.
        """
        bound = self.bound(inputs)
        matrix = np.empty((len(inputs), len(bound.names)), dtype=np.float32)
        lacking: dict[int, str] = {}
        for columns, term in bound.spans():
            matrix[:, columns], reasons = term.compute(inputs, progress)
            lacking = {**reasons, **lacking}
        return Computed(matrix, lacking)

    def spans(self) -> list[tuple[slice, FeatureSet]]:
        """Each set with the columns it has among all."""
        ends = np.cumsum([len(term.names()) for term in self.terms]).tolist()
        return [
            (slice(end - len(term.names()), end), term)
            for end, term in zip(ends, self.terms, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class Features:
    """The features of some rows, in their order.

    Attributes:
        combination: the feature sets they are of, bound to the rows.
        matrix: (n, d) float32, read-only; of a single set that was cached on disk, not in memory.
        constant: columns with one finite value in all rows that have them.
        non_finite: column -> number of such rows in which it is NaN or infinite, where there are.
        lacking: row -> why it has no features, wholly or in part.
    """

    combination: Combination
    matrix: np.ndarray
    constant: tuple[str, ...]
    non_finite: Mapping[str, int]
    lacking: Mapping[int, str]

    @property
    def name(self) -> str:
        """Of the combination."""
        return self.combination.name

    @property
    def digest(self) -> str:
        """Of the combination."""
        return self.combination.digest

    @property
    def names(self) -> tuple[str, ...]:
        """The d column names."""
        return self.combination.names


def build(name: str, inputs: Inputs, progress: Progress | None = None) -> Features:
    """The feature sets called ``name`` of n rows, each from the cache or computed and cached.

    Args:
        name: see `Combination.parse`.
        progress: told how far a set is; not called when the cache has it.

    Raises:
        InputError: no such feature set, the rows lack what it is computed from, or a formula has
            no features.
        FesearchError: the cache cannot be written.
    """
    combination = Combination.parse(name).bound(inputs)
    if len(combination.terms) == 1:
        found = _built(combination.terms[0], inputs, progress)
        matrix, reports = found.matrix, [found.report]
    else:
        matrix, reports = np.empty((len(inputs), len(combination.names)), dtype=np.float32), []
        for columns, term in combination.spans():
            found = _built(term, inputs, progress)
            matrix[:, columns] = found.matrix
            reports.append(found.report)
            del found  # before the next one is computed
    matrix.setflags(write=False)
    return _features(combination, matrix, reports)


def available(name: str, dataset: Dataset, progress: Progress | None = None) -> np.ndarray:
    """Which rows of a data set have all features called ``name``, (n,) bool; see `build`."""
    mask = np.ones(len(dataset), dtype=bool)
    mask[list(build(name, Inputs.of(dataset), progress).lacking)] = False
    return mask


def _term(word: str) -> FeatureSet:
    """The feature set of "NAME[:OPTION=VALUE,…]"."""
    name, _, texts = word.partition(":")
    options = {}
    for text in filter(None, texts.split(",")):
        option, equals, value = text.partition("=")
        if not equals or option.strip() in options:
            what = "is given twice" if equals else "has no value"
            raise InputError(
                f"The option '{option}' of the feature set '{name}' {what}.",
                "Write it like element_sequence:longest=12",
            )
        options[option.strip()] = value.strip()
    return FEATURE_SETS.get(name).with_options(options)


class _Report(NamedTuple):
    """What there is to say of the columns and rows of one feature set, by number."""

    constant: list[int]
    non_finite: list[tuple[int, int]]
    lacking: list[tuple[int, str]]


class _Built(NamedTuple):
    matrix: np.ndarray
    report: _Report


def _features(combination: Combination, matrix: np.ndarray, reports: Sequence[_Report]) -> Features:
    """A matrix with what there is to say of each of its sets, by the names of all columns."""
    spans = [columns for columns, _ in combination.spans()]
    named = [
        (combination.names[columns], report) for columns, report in zip(spans, reports, strict=True)
    ]
    non_finite = {
        names[column]: count for names, report in named for column, count in report.non_finite
    }
    lacking = {row: why for report in reversed(reports) for row, why in report.lacking}
    return Features(
        combination,
        matrix,
        constant=tuple(names[column] for names, report in named for column in report.constant),
        non_finite=MappingProxyType(non_finite),
        lacking=MappingProxyType(lacking),
    )


def _built(term: FeatureSet, inputs: Inputs, progress: Progress | None) -> _Built:
    """One feature set, from the cache or computed and cached.

    Rows that failed are tried again the next time, under another limit perhaps: their matrix is
    not cached. What was expensive in it is cached by the structure, where it is computed.
    """
    content = term.content(inputs)
    if content is None:
        return _reported(term.compute(inputs, progress))
    path = featurecache.place(term.name.partition(":")[0], term.digest(), content)
    found = _load(path, term, len(inputs))
    if found is None:
        featurecache.prepare(path)
        computed = term.compute(inputs, progress)
        found = _reported(computed)
        if all(reason == NO_STRUCTURE for reason in computed.lacking.values()):
            featurecache.save(path, found.matrix, found.report._asdict())
    return found


def _load(path: Path, term: FeatureSet, rows: int) -> _Built | None:
    found = featurecache.load(path, (rows, len(term.names())))
    if found is None:
        return None
    matrix, facts = found
    if facts.keys() != set(_Report._fields):
        return None  # of another version
    return _Built(matrix, _Report(**facts))


def _reported(computed: Computed) -> _Built:
    """A matrix, and which of its columns are constant or not finite in the rows that have them."""
    matrix, lacking = computed
    rows = np.delete(matrix, list(lacking), axis=0) if lacking else matrix
    bad = np.count_nonzero(~np.isfinite(rows), axis=0)
    same = (rows == rows[:1]).all(axis=0) & (bad == 0) & (len(rows) > 0)
    non_finite = [(column, int(bad[column])) for column in np.flatnonzero(bad).tolist()]
    report = _Report(np.flatnonzero(same).tolist(), non_finite, sorted(lacking.items()))
    return _Built(matrix, report)
