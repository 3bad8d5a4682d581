"""A trained model with the data it was trained on, as analyses examine it: what it says of rows."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from fesearch import formula
from fesearch.dataset import Dataset
from fesearch.errors import InputError
from fesearch.family import Predictor
from fesearch.model import FittedModel
from fesearch.record import ResultKey
from fesearch.split import Split

PartName = Literal["validation", "test"]


@dataclass(frozen=True)
class Part:
    """Rows of a division, and what a model says of them.

    Attributes:
        label: whose predictions these are, in words.
        joined: the model that made them was trained on the validation part too.
        rows: (n,) places in the data set.
        truth, predicted: (n,) float64, in the unit of the target.
    """

    label: str
    rows: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    joined: bool = False

    @property
    def error(self) -> np.ndarray:
        """Prediction less truth, (n,)."""
        difference: np.ndarray = self.predicted - self.truth
        return difference


@dataclass(frozen=True, eq=False)
class Examined:
    """A trained model with the data it was trained on.

    Attributes:
        label: study, trial and family, in words.
        family: of the model; those of an ensemble with + between them.
        model: None where it is the mean of several, which has no weights of its own.
        load: makes it ready to predict; None where its weights are ``gone``.
        key: what its score belongs to.
        unit: of the target.
        x: (n, d) features of all rows of the data set.
        names: the d columns.
        sealed: why it may not be asked for its test part, with what to type; None where a look at
            it is on record.
        learned: why the rows that it learned do not say how good it is, with what to type: they are
            not of the training part alone.
        left: (k,) rows that are left to say so, where it has learned others.
        gone: why its weights cannot be had, with what to type.
        tested: what the look at its test part has left, where that is kept; where there is none,
            the look with its config trained on train + validation.
        pictured: the part whose rows pictures are of where nobody names one: the test part where
            such a look is on record, and nothing is to be looked at anew.
    """

    label: str
    family: str
    model: FittedModel | None
    load: Callable[[], Predictor] | None
    key: ResultKey
    unit: str
    data: Dataset
    split: Split
    x: np.ndarray
    names: tuple[str, ...]
    features: str
    sealed: InputError | None
    learned: InputError | None = None
    left: np.ndarray | None = None
    gone: InputError | None = None
    tested: Part | None = None
    pictured: PartName = "validation"
    _parts: dict[str, Part] = field(default_factory=dict, repr=False)

    @cached_property
    def predictor(self) -> Predictor:
        """The model, ready to predict.

        Raises:
            InputError: its weights cannot be had.
        """
        if self.gone is not None:
            raise self.gone
        assert self.load is not None, "a model that is not gone can be loaded"
        return self.load()

    def part(self, name: PartName) -> Part:
        """The validation part, or the test part where a look at it is on record.

        Predictions that the look has left are read again, the model is not.

        Raises:
            InputError: nobody has looked at the test part, or as ``at``.
        """
        if name == "test" and self.tested is not None:
            return self.tested
        if name == "test" and self.sealed is not None:
            raise self.sealed
        if name not in self._parts:
            self._parts[name] = self.at(self.split.test if name == "test" else self.split.val)
        return self._parts[name]

    def asked(self, name: PartName) -> Part:
        """The same of this very model, for what asks it more than a look has left.

        Raises:
            InputError: nobody has looked at the test part with this model, or as ``at``.
        """
        if name == "test" and self.sealed is not None:
            raise self.sealed
        return self.part(name)

    def at(self, rows: np.ndarray) -> Part:
        """What the model says of some rows, which must not be of the test part.

        Raises:
            InputError: it was trained on them, or its weights cannot be had.
        """
        if self.learned is not None and (self.left is None or not np.isin(rows, self.left).all()):
            raise self.learned
        predicted = self.predictor(np.ascontiguousarray(self.x[rows], dtype=np.float32))
        truth = self.data.target(self.key.target)[rows]
        said = np.asarray(predicted, dtype=np.float64)
        return Part(self.label, rows, truth, said, joined=self.left is not None)

    @cached_property
    def seen(self) -> Mapping[str, int]:
        """Symbol -> training rows with the element."""
        return self._count(self.split.train)

    def seen_by(self, part: Part) -> Mapping[str, int]:
        """The same of the rows that the model of a part was trained on."""
        if not part.joined:
            return self.seen
        return self._count(np.concatenate([self.split.train, self.split.val]))

    def _count(self, rows: np.ndarray) -> Mapping[str, int]:
        reduced = self.data.reduced
        return Counter(symbol for row in rows for symbol in formula.symbols(reduced[row]))
