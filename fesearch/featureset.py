"""What a feature set is: columns computed from formulas, structures or the user's own numbers.

A feature set is one file in ``featuresets/`` that declares ``FEATURE_SET``: a `FormulaFeatureSet`,
a `StructureFeatureSet` or a `ColumnFeatureSet`. It says how distinct formulas or structures become
rows; repeated rows and progress are done here. ``features.py`` puts sets side by side, and keeps
them in a cache.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import ClassVar, Literal, NamedTuple, Self, TypeAlias

import numpy as np

from fesearch import formula
from fesearch.dataset import Dataset
from fesearch.errors import InputError
from fesearch.registry import Registry
from fesearch.structure import Structures

#: Called with (distinct rows done, distinct rows in all) as a computation goes on.
Progress: TypeAlias = Callable[[int, int], None]
Needs: TypeAlias = Literal["formula", "structure", "columns"]

CHUNK = 2000  # formulas at a time: a tenth of a second, and some 20 MB while they are computed
LISTING = "fesearch features list"
NO_STRUCTURE = "no structure"


@dataclass(frozen=True, eq=False)
class Inputs:
    """All that features can be computed from, for n rows.

    Attributes:
        formulas: n reduced formulas.
        structures: of the n rows, or None where no row has one.
        numbers: name -> (n,) numbers of the user's own, NaN where there is none.
    """

    formulas: Sequence[str]
    structures: Structures | None = None
    numbers: Mapping[str, np.ndarray] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """The rows of a data set, in its order."""
        return cls(dataset.reduced, dataset.structures, dataset.numbers)

    @classmethod
    def of_formulas(
        cls,
        formulas: Sequence[str],
        structures: Structures | None = None,
        numbers: Mapping[str, np.ndarray] | None = None,
    ) -> Self:
        """Rows of formulas in any spelling.

        Raises:
            InputError: a formula cannot be read.
        """
        return cls([formula.reduced(text) for text in formulas], structures, numbers or {})

    def __len__(self) -> int:
        return len(self.formulas)


class Computed(NamedTuple):
    """What a feature set gives for n rows.

    Attributes:
        matrix: (n, d) float32.
        lacking: row -> why it could not be computed; such rows are NaN.
    """

    matrix: np.ndarray
    lacking: Mapping[int, str]


@dataclass(frozen=True, kw_only=True)
class FeatureSet(ABC):
    """Columns of one origin; the three kinds below say what they are computed from.

    Attributes:
        name: of its module; with options as typed behind it.
        title: one line for people.
        source: where the features are described.
        version: of our own code for it; another one makes another digest.
        names: the d distinct column names.
        tables: all it reads besides its rows, such as tables of the elements, as bytes.
        configure: options -> the same set with these; None where it has none.
    """

    needs: ClassVar[Needs]

    name: str
    title: str
    source: str
    version: str
    names: Callable[[], tuple[str, ...]]
    tables: Callable[[], Mapping[str, bytes]] = dict
    configure: "Callable[[Mapping[str, str]], FeatureSet] | None" = None

    def digest(self) -> str:
        """SHA-256 hex of name, version and tables: another one, other features."""
        digest = hashlib.sha256(f"{self.name}\x1f{self.version}".encode())
        for table, content in sorted(self.tables().items()):
            digest.update(f"\x1f{table}\x1f{hashlib.sha256(content).hexdigest()}".encode())
        return digest.hexdigest()

    def with_options(self, options: Mapping[str, str]) -> "FeatureSet":
        """The set with options, as typed behind its name.

        Raises:
            InputError: it has no such option, or the value is wrong.
        """
        if not options:
            return self
        if self.configure is None:
            raise InputError(
                f"The feature set '{self.name}' has no option '{next(iter(options))}', nor any.",
                f"Type: --features {self.name}",
            )
        return self.configure(options)

    def called(self, name: str) -> "FeatureSet":
        """The same set under another name, with options too: its digest then is another."""
        configure = self.configure
        if configure is None:
            return replace(self, name=name)

        def configured(options: Mapping[str, str]) -> FeatureSet:
            made = configure(options)
            return replace(made, name=f"{name}{made.name.removeprefix(self.name)}")

        return replace(self, name=name, configure=configured)

    def bound(self, inputs: Inputs) -> "FeatureSet":
        """The set as it applies to these rows.

        Raises:
            InputError: they lack what it is computed from.
        """
        return self

    @abstractmethod
    def content(self, inputs: Inputs) -> Sequence[str] | None:
        """What each row is computed from, for the cache; None where a cache would not pay."""

    @abstractmethod
    def compute(self, inputs: Inputs, progress: Progress | None = None) -> Computed:
        """Features of n rows; what is computed from the same is computed once.

        Raises:
            InputError: a formula has no features, such as for an element that is unknown.
        """


@dataclass(frozen=True, kw_only=True)
class FormulaFeatureSet(FeatureSet):
    """Columns that a formula determines.

    Attributes:
        rows: m reduced formulas -> (m, d) numbers, each row from its formula alone. NaN where a
            table lacks an element.
    """

    needs = "formula"

    rows: Callable[[Sequence[str]], np.ndarray]

    def content(self, inputs: Inputs) -> Sequence[str]:
        return inputs.formulas

    def compute(self, inputs: Inputs, progress: Progress | None = None) -> Computed:
        place = _places(inputs.formulas)
        distinct = list(place)
        matrix = np.empty((len(distinct), len(self.names())), dtype=np.float32)
        tell = progress or (lambda done, total: None)
        tell(0, len(distinct))
        for start in range(0, len(distinct), CHUNK):
            chunk = distinct[start : start + CHUNK]
            matrix[start : start + CHUNK] = self.rows(chunk)
            tell(start + len(chunk), len(distinct))
        if len(distinct) < len(inputs):  # else a copy could be the larger part of all memory
            matrix = matrix[[place[text] for text in inputs.formulas]]
        return Computed(matrix, {})


@dataclass(frozen=True, kw_only=True)
class StructureFeatureSet(FeatureSet):
    """Columns that a crystal structure determines.

    Attributes:
        structure_rows: m distinct structures, as texts, and whom to tell of progress -> (m, d)
            numbers, and of those that failed place -> reason; their rows are NaN.
    """

    needs = "structure"

    structure_rows: Callable[[Sequence[str], Progress | None], tuple[np.ndarray, Mapping[int, str]]]

    def bound(self, inputs: Inputs) -> "FeatureSet":
        if inputs.structures is None:
            raise InputError(
                f"The feature set '{self.name}' reads structures, and these data have none.",
                "Import them again with --structure COL, or choose other --features.",
            )
        return self

    def content(self, inputs: Inputs) -> Sequence[str]:
        assert inputs.structures is not None, "bound refuses them"
        return inputs.structures.digests

    def compute(self, inputs: Inputs, progress: Progress | None = None) -> Computed:
        assert inputs.structures is not None, "bound refuses them"
        digests = inputs.structures.digests
        first: dict[str, int] = {}
        for row, digest in enumerate(digests):
            if digest:
                first.setdefault(digest, row)
        place = _places(first)
        texts = list(inputs.structures.texts(list(first.values())))
        rows, failed = self.structure_rows(texts, progress)
        matrix = np.full((len(digests), len(self.names())), np.nan, dtype=np.float32)
        lacking = {}
        for row, digest in enumerate(digests):
            if not digest:
                lacking[row] = NO_STRUCTURE
            elif place[digest] in failed:
                lacking[row] = failed[place[digest]]
            else:
                matrix[row] = rows[place[digest]]
        return Computed(matrix, lacking)


@dataclass(frozen=True, kw_only=True)
class ColumnFeatureSet(FeatureSet):
    """The data set's own numbers, by name; an empty cell is NaN, as magpie's unknown values are.

    It has no columns of its own before it is `bound` to rows, or to names by `naming`.
    """

    needs = "columns"

    names: Callable[[], tuple[str, ...]] = tuple

    def naming(self, columns: Sequence[str]) -> "ColumnFeatureSet":
        """The set of exactly these columns, which its digest then covers."""
        chosen = tuple(columns)
        content = json.dumps(chosen).encode()
        return replace(self, names=lambda: chosen, tables=lambda: {"columns": content})

    def bound(self, inputs: Inputs) -> "ColumnFeatureSet":
        missing = [name for name in self.names() if name not in inputs.numbers]
        if missing or not inputs.numbers:
            which = f"the column '{missing[0]}'" if missing else "the data's own numeric columns"
            raise InputError(
                f"The feature set '{self.name}' reads {which}, and these data have none such.",
                "Import them again with --numbers COL, or choose other --features.",
            )
        return self if self.names() else self.naming(sorted(inputs.numbers))

    def content(self, inputs: Inputs) -> None:
        return None

    def compute(self, inputs: Inputs, progress: Progress | None = None) -> Computed:
        matrix = np.empty((len(inputs), len(self.names())), dtype=np.float32)
        for column, name in enumerate(self.names()):
            matrix[:, column] = inputs.numbers[name]
        return Computed(matrix, {})


FEATURE_SETS: Registry[FeatureSet] = Registry(
    "feature set",
    FeatureSet,  # type: ignore[type-abstract]  # never made, only asked with isinstance
    "fesearch.featuresets",
    "FEATURE_SET",
    LISTING,
    called=FeatureSet.called,
)


def _places(distinct: Iterable[str]) -> dict[str, int]:
    """Each text once, with its number in the order of first occurrence."""
    return {text: place for place, text in enumerate(dict.fromkeys(distinct))}
