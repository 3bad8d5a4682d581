"""Divisions of rows into training, validation and test, and the view of them a trial may have.

A division is asked for by a `SplitSpec` ("random:seed=3", "column:fold0"), made of a data set by
`make`, and known by its fingerprint: which row has which role, whatever the targets or the order
of rows. NumPy and the standard library only, since code beside torch imports it.
"""

import hashlib
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from fesearch import formula
from fesearch.errors import InputError
from fesearch.registry import unknown

if TYPE_CHECKING:
    from fesearch.dataset import Dataset

Role = Literal["train", "val", "test", ""]
ROLES: tuple[Role, ...] = ("train", "val", "test")
GROUPINGS = ("formula", "none")
FEWEST_GROUPS = 10
HELP = "--split random[:seed=0,fractions=81:9:10,group=formula|none] or --split column:NAME"


@dataclass(frozen=True)
class Development:
    """What a trial may see of a division: training and validation rows, never the test part.

    Attributes:
        train_x: (n_train, d) float32 features; rows in the order of stable row ids.
        train_y: (n_train,) float64 target, in its own unit.
        val_x: (n_val, d) float32.
        val_y: (n_val,) float64.
    """

    train_x: np.ndarray
    train_y: np.ndarray
    val_x: np.ndarray
    val_y: np.ndarray

    @property
    def width(self) -> int:
        """Number of features, d."""
        return int(self.train_x.shape[1])


@dataclass(frozen=True, eq=False)
class Split:
    """One division of one data set; its identity is the fingerprint.

    Attributes:
        spec: the text that `SplitSpec.parse` makes the same division of.
        rows: number of rows of the data set, used or not.
        train, val, test: sorted int64 row indices, read-only; only ``test`` may be empty.
        fingerprint: sha256 hex over row ids and roles.
        crossing: how many distinct "formulas" (reduced) and chemical "systems" occur in more
            than one part; a model is partly asked what it was told there.
        parent: fingerprint of the repeated division this is one of, or None.
        member: its number in that, from 0, or None.
    """

    spec: str
    rows: int
    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    fingerprint: str
    crossing: Mapping[str, int]
    parent: str | None = None
    member: int | None = None

    def development(self, x: np.ndarray, y: np.ndarray) -> Development:
        """Copies of the training and validation rows; nothing leads from them to the test part.

        Args:
            x: (n, d) features of all rows of the data set, in its order.
            y: (n,) target.

        Raises:
            InputError: x or y has another number of rows than the data set.
        """
        return Development(*self._part(self.train, x, y), *self._part(self.val, x, y))

    def test_part(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The sealed part, (n_test, d) float32 and (n_test,) float64; for ``holdout`` alone.

        Raises:
            InputError: the division has no test rows, or x or y has another number of rows.
        """
        if not self.test.size:
            raise InputError(
                f"The division {self.spec} has no test rows.",
                "Choose a --split with a test part before the search.",
            )
        return self._part(self.test, x, y)

    def _part(
        self, rows: np.ndarray, x: np.ndarray, y: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        for noun, array in (("rows of features", x), ("target values", y)):
            if len(array) != self.rows:
                raise InputError(
                    f"There are {len(array)} {noun} for a data set of {self.rows} rows.",
                    "Take features and target of the data set that was divided.",
                )
        part = (
            np.ascontiguousarray(np.asarray(x)[rows], dtype=np.float32),
            np.ascontiguousarray(np.asarray(y)[rows], dtype=np.float64),
        )
        for array in part:
            array.setflags(write=False)
        return part


@dataclass(frozen=True)
class SplitSpec(ABC):
    """How rows are to be divided. Each kind is a subclass listed in ``KINDS``; its fields are
    the options of the text form and the keys of a study file's ``[split]`` table.
    """

    kind: ClassVar[str]

    @staticmethod
    def parse(text: str) -> "SplitSpec":
        """The spec of "KIND" or "KIND:OPTIONS"; ``str(spec)`` is such a text again.

        Raises:
            InputError: the kind, an option or a value is unknown.
        """
        name, _, options = text.strip().partition(":")
        kind = _kind(name)
        return kind.from_options(kind._read(options))

    @staticmethod
    def from_mapping(table: Mapping[str, Any]) -> "SplitSpec":
        """The spec of a study file's table, such as ``{"kind": "random", "seed": 3}``.

        Raises:
            InputError: the kind, a key or a value is unknown.
        """
        options = {name: value for name, value in table.items() if name != "kind"}
        return _kind(table.get("kind", "random")).from_options(options)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """The spec with these fields, as texts or as what they stand for.

        Raises:
            InputError: there is no such field, or its value is wrong.
        """
        known = [field.name for field in fields(cls)]
        for name in options:
            if name not in known:
                raise unknown(f"{cls.kind} split option", name, known, HELP)
        return cls(**options)

    @classmethod
    @abstractmethod
    def _read(cls, options: str) -> dict[str, Any]:
        """The fields named in the text after "KIND:"."""

    @abstractmethod
    def __str__(self) -> str:
        """Every option written out, so that the text outlives a change of defaults."""

    @abstractmethod
    def roles(self, dataset: "Dataset") -> list[Role]:
        """The role of each row, in order; "" is a row not used."""


@dataclass(frozen=True)
class RandomSplit(SplitSpec):
    """Groups of rows in an order drawn by ``seed`` fill test, then validation, then training.

    A group goes wholly to one part, so that the test and validation parts have their share of
    the rows or more by less than the largest group, and training has the rest. The draw orders
    groups by sha256, not by a generator whose stream may change with the version of NumPy.

    Attributes:
        seed: of the draw, a whole number.
        fractions: of the rows in train, val and test, in any proportion; test may be 0.
        group: what stays on one side: rows of one reduced "formula", or "none".
    """

    kind = "random"

    seed: int = 0
    fractions: tuple[float, float, float] = (81, 9, 10)
    group: str = "formula"

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", _whole(self.seed))
        object.__setattr__(self, "fractions", _fractions(self.fractions))
        if self.group not in GROUPINGS:
            raise unknown("split grouping", str(self.group), GROUPINGS, HELP)

    @classmethod
    def _read(cls, options: str) -> dict[str, Any]:
        read = {}
        for option in filter(None, options.split(",")):
            name, equals, value = option.partition("=")
            if not equals:
                raise InputError(
                    f"The split option '{option}' has no value.", f"Write NAME=VALUE: {HELP}"
                )
            if name.strip() in read:
                raise InputError(f"The split option '{name.strip()}' is given twice.", HELP)
            read[name.strip()] = value.strip()
        return read

    def __str__(self) -> str:
        fractions = ":".join(repr(part).removesuffix(".0") for part in self.fractions)
        return f"random:seed={self.seed},fractions={fractions},group={self.group}"

    def roles(self, dataset: "Dataset") -> list[Role]:
        groups = dataset.reduced if self.group == "formula" else dataset.ids
        sizes = Counter(groups)
        if len(sizes) < FEWEST_GROUPS:
            noun = "distinct reduced formulas" if self.group == "formula" else "rows"
            raise InputError(
                f"The data set '{dataset.name}' has {len(sizes)} {noun}, too few to divide "
                f"at random.",
                f"Give at least {FEWEST_GROUPS}, or a column of roles: --split column:NAME",
            )
        role_of = self._assign(sizes)
        return [role_of[group] for group in groups]

    def _assign(self, sizes: Mapping[str, int]) -> dict[str, Role]:
        order = sorted(
            sizes, key=lambda group: hashlib.sha256(f"{self.seed}|{group}".encode()).digest()
        )
        _, val, test = (Fraction(str(part)) for part in self.fractions)
        total = sum(Fraction(str(part)) for part in self.fractions)
        count = sum(sizes.values())
        wanted = {"test": count * test / total, "val": count * val / total}
        filled: Counter[str] = Counter()
        role_of: dict[str, Role] = {}
        for group in order:
            if filled["test"] < wanted["test"]:
                role_of[group] = "test"
            elif filled["val"] < wanted["val"]:
                role_of[group] = "val"
            else:
                role_of[group] = "train"
            filled[role_of[group]] += sizes[group]
        return role_of


@dataclass(frozen=True)
class ColumnSplit(SplitSpec):
    """The roles stand in a text column of the data set; an empty cell is a row not used.

    Attributes:
        column: its name. It holds train, val (or valid, validation) and test.
    """

    kind = "column"

    column: str = ""

    _WORDS: ClassVar[Mapping[str, Role]] = {
        "": "",
        "train": "train",
        "val": "val",
        "valid": "val",
        "validation": "val",
        "test": "test",
    }

    def __post_init__(self) -> None:
        if not isinstance(self.column, str) or not self.column:
            raise InputError("A split by column names no column.", "Type: --split column:NAME")

    @classmethod
    def _read(cls, options: str) -> dict[str, Any]:
        return {"column": options}

    def __str__(self) -> str:
        return f"column:{self.column}"

    def roles(self, dataset: "Dataset") -> list[Role]:
        if self.column not in dataset.columns:
            listing = f"fesearch data show {dataset.name}"
            raise unknown("column of roles", self.column, dataset.columns, listing)
        cells = dataset.columns[self.column]
        wrong = [row for row, cell in enumerate(cells) if cell not in self._WORDS]
        if wrong:
            word = cells[wrong[0]]
            ids = [dataset.ids[row] for row in wrong if cells[row] == word]
            raise InputError(
                f"Column '{self.column}' says '{word}' in {len(ids)} row(s): {_few(ids)}.",
                "Each cell is train, val, test or empty (row not used).",
            )
        return [self._WORDS[cell] for cell in cells]


KINDS: Mapping[str, type[SplitSpec]] = MappingProxyType(
    {spec.kind: spec for spec in (RandomSplit, ColumnSplit)}
)


def make(dataset: "Dataset", spec: SplitSpec) -> Split:
    """Divide the rows of a data set.

    Raises:
        InputError: the data set has too few formulas, lacks the column or has a wrong word in
            it, or a part would be empty (only the test part may be, where it was asked for).
    """
    roles = spec.roles(dataset)
    parts = {role: _rows(roles, role) for role in ROLES}
    for role in ("train", "val"):
        if not parts[role].size:
            raise InputError(
                f"The division {spec} of '{dataset.name}' leaves the {role} part empty.",
                "Every division needs rows to train on and rows to validate on.",
            )
    return Split(
        spec=str(spec),
        rows=len(dataset.ids),
        train=parts["train"],
        val=parts["val"],
        test=parts["test"],
        fingerprint=fingerprint(dataset.ids, roles),
        crossing=_crossing(dataset.reduced, roles),
    )


def fingerprint(ids: Sequence[str], roles: Sequence[Role]) -> str:
    """Sha256 hex of a division: of the sorted "id U+001F role" lines of the rows it uses."""
    lines = sorted(f"{name}\x1f{role}" for name, role in zip(ids, roles, strict=True) if role)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _rows(roles: Sequence[Role], wanted: Role) -> np.ndarray:
    rows = np.array([row for row, role in enumerate(roles) if role == wanted], dtype=np.int64)
    rows.setflags(write=False)
    return rows


def _crossing(reduced: Iterable[str], roles: Iterable[Role]) -> Mapping[str, int]:
    by_formula: defaultdict[str, set[Role]] = defaultdict(set)
    for text, role in zip(reduced, roles, strict=True):
        if role:
            by_formula[text].add(role)
    by_system: defaultdict[frozenset[str], set[Role]] = defaultdict(set)
    for text, seen in by_formula.items():
        by_system[frozenset(formula.symbols(text))] |= seen
    return MappingProxyType(
        {
            "formulas": sum(len(seen) > 1 for seen in by_formula.values()),
            "systems": sum(len(seen) > 1 for seen in by_system.values()),
        }
    )


def _kind(name: object) -> type[SplitSpec]:
    if str(name) not in KINDS:
        raise unknown("kind of split", str(name), KINDS, HELP)
    return KINDS[str(name)]


def _whole(seed: object) -> int:
    try:
        if isinstance(seed, int | str) and not isinstance(seed, bool):
            return int(seed)
    except ValueError:
        pass
    raise InputError(f"The split seed is {seed!r}.", "Give a whole number, such as seed=0.")


def _fractions(given: object) -> tuple[float, float, float]:
    """Train, val, test from "81:9:10" or a list of three numbers."""
    words = given.split(":") if isinstance(given, str) else given
    try:
        train, val, test = (float(word) for word in words)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise InputError(
            f"The split fractions are {given!r}.", "Give three numbers, such as 81:9:10."
        ) from None
    if not (0 < train < np.inf and 0 < val < np.inf and 0 <= test < np.inf):
        raise InputError(
            f"The split fractions {train:g}:{val:g}:{test:g} leave no rows to train on or to "
            f"validate on, or are negative.",
            "Give train:val:test with train and val above 0, such as 81:9:10 or 90:10:0.",
        )
    return train, val, test


def _few(words: Sequence[str], most: int = 5) -> str:
    rest = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + rest
