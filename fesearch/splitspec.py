"""How a division is asked for: a text such as "random:seed=3", or a table of a study file.

What every kind of division has in common; the kinds are in ``splits/``, one a file.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from fesearch import options
from fesearch.errors import InputError
from fesearch.groups import Groups
from fesearch.registry import Registry, unknown

if TYPE_CHECKING:
    from fesearch.dataset import Dataset

Role = Literal["train", "val", "test", ""]
ROLES: tuple[Role, ...] = ("train", "val", "test")
Outside = Literal["outside"]
OUTSIDE: Outside = "outside"
HELP = (
    "--split random[:seed=0,fractions=81:9:10,group=formula|system|none|column:NAME], "
    "repeated[:divisions=5], kfold[:k=5], column:NAME[+NAME] or "
    "leave_element:element=Mg,kept=0.1; "
    "to any of them folds=5, train=0.1, sigma=5"
)


@dataclass(frozen=True)
class SplitSpec(ABC):
    """How rows are to be divided. Each kind is a subclass in a module of ``splits/``; its fields
    are the options of the text form and the keys of a study file's ``[split]`` table.

    Attributes:
        member: which one of a repeated division, from 0; or "outside": the division of member 0
            without every row that is a test row of any member, for a search that is to be scored
            on all of them.
        train: how much of the training part is used, for learning curves: a share below 1 or a
            number of rows, by groups, so that there may be a few more; more contains less. The
            other parts stay as they are.
        sigma: rows further than so many standard deviations from the mean of the target are not
            used. Both are of the training part before ``train``. Not the protocol of the papers,
            which drop such rows before they divide and so look at test targets: that is a step
            of cleaning, at import.
        rows: a feature set; rows that lack these features are not used. All rows get their roles
            before, so that those left have the same role without ``rows``.
        folds: a config is scored by its mean over so many inner folds of the training part, each
            predicted by a model trained on the others, in place of the validation part: better
            below a few thousand rows, where hundreds of trials would fit a small validation part.
    """

    kind: ClassVar[str]

    member: int | Outside | None = field(default=None, kw_only=True)
    train: float | None = field(default=None, kw_only=True)
    sigma: float | None = field(default=None, kw_only=True)
    rows: str | None = field(default=None, kw_only=True)
    folds: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.member is not None:
            self._set(member=self._checked_member(self.member))
        if self.train is not None:
            self._set(train=_amount(self.train))
        if self.sigma is not None:
            wanted = "a number of standard deviations above 0, such as sigma=5"
            self._set(sigma=options.number("sigma", self.sigma, lambda n: n > 0, wanted))
        if self.rows is not None and not (isinstance(self.rows, str) and self.rows.strip()):
            raise InputError(f"The split rows is {self.rows!r}.", "Give a feature set: rows=NAME.")
        if self.folds is not None:
            self._set(folds=options.whole("folds", self.folds, least=2, example=5))

    @staticmethod
    def parse(text: str) -> "SplitSpec":
        """The spec of "KIND" or "KIND:OPTIONS"; ``str(spec)`` is such a text again.

        Raises:
            InputError: the kind, an option or a value is unknown.
        """
        name, _, rest = text.strip().partition(":")
        kind = KINDS.get(name)
        return kind.from_options(kind._read(rest))

    @staticmethod
    def from_mapping(table: Mapping[str, Any]) -> "SplitSpec":
        """The spec of a study file's table, such as ``{"kind": "random", "seed": 3}``.

        Raises:
            InputError: the kind, a key or a value is unknown.
        """
        given = {name: value for name, value in table.items() if name != "kind"}
        return KINDS.get(str(table.get("kind", "random"))).from_options(given)

    @classmethod
    def from_options(cls, given: Mapping[str, Any]) -> Self:
        """The spec with these fields, as texts or as what they stand for.

        Raises:
            InputError: there is no such field, or its value is wrong.
        """
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                raise unknown(f"{cls.kind} split option", name, known, HELP)
        return cls(**given)

    def __str__(self) -> str:
        return self._text(*self._written(own=True))

    @property
    def count(self) -> int | None:
        """How many members a repeated division has; None where it is a single one."""
        return None

    @property
    def drawn_as(self) -> int:
        """The member whose draw this is; 0 of a single division, and outside all members."""
        return self.member if isinstance(self.member, int) else 0

    @property
    @abstractmethod
    def salt(self) -> str:
        """What tells the draws of this division from those of others."""

    @property
    @abstractmethod
    def grouping(self) -> str:
        """Which rows stay together in draws; see ``groups.by``."""

    @abstractmethod
    def roles(self, dataset: "Dataset", groups: Groups) -> np.ndarray:
        """The role of each row, (n,) texts; "" is a row not used.

        Of a single division or of the one ``member``; the attributes that every kind has are left
        to ``make``.

        Args:
            groups: those of ``grouping``.
        """

    @classmethod
    def _read(cls, text: str) -> dict[str, Any]:
        """The fields named in the text after "KIND:"."""
        return dict(options.read(text, HELP))

    def _written(self, *, own: bool) -> list[str]:
        """The kind's own options, or those that every kind has, as "NAME=VALUE"."""
        given = {one.name: getattr(self, one.name) for one in fields(self) if one.kw_only != own}
        return [f"{k}={options.written(v)}" for k, v in given.items() if v is not None]

    def _text(self, *own: str) -> str:
        """The text form, from how the kind's own options are written."""
        return f"{self.kind}:{','.join([*own, *self._written(own=False)])}"

    def _set(self, **values: object) -> None:
        """Replace fields by what they stand for, while the spec is made."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _checked_member(self, member: object) -> int | Outside:
        if self.count is None:
            raise InputError(
                f"A {self.kind} split is a single division, and member={member} is none of it.",
                "Leave member out.",
            )
        if member == OUTSIDE:
            return OUTSIDE
        found = options.whole("member", member, least=0, example=0)
        if found >= self.count:
            raise InputError(
                f"The split member is {found}, of {self.count}.",
                f"Give member=0 to member={self.count - 1}, or member={OUTSIDE}.",
            )
        return found


KINDS: Registry[type[SplitSpec]] = Registry("kind of split", type, "fesearch.splits", "KIND", HELP)


def _amount(given: object) -> float:
    """A number of rows (an int) or a share of them (below 1)."""
    try:
        return options.whole("train", given, least=1, example=1)
    except InputError:
        wanted = "a share between 0 and 1 or a number of rows, such as train=0.1 or train=3000"
        return options.number("train", given, lambda share: 0 < share < 1, wanted)
