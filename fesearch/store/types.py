"""What the store hands out: frozen rows, standard library only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from fesearch.errors import counted
from fesearch.metrics import Direction
from fesearch.record import Decision, ResultKey, TrialState
from fesearch.space import Value
from fesearch.store.how import How, Trained


class StudyState(StrEnum):
    """Where a study stands. RUNNING without a live lease means: its driver was killed."""

    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"


@dataclass(frozen=True)
class Division:
    """A division of the rows of one data set, as the store remembers it.

    Attributes:
        data: content hash of the data set.
        fingerprint: of row ids and their roles.
        spec: how it was made, as typed ("random:0.81:0.09:0.1:seed=0").
        n_train, n_val, n_test: numbers of rows; a parent of a repeated division has those of its
            first member.
        test: fingerprint of the test rows alone, which divisions of other training parts may
            share; None for a parent, and where an older fesearch wrote the division down.
    """

    data: str
    fingerprint: str
    spec: str
    n_train: int
    n_val: int
    n_test: int
    test: str | None = None


@dataclass(frozen=True)
class StudyRow:
    """A study, as it was created and where it stands.

    Attributes:
        id: of this store; never used again after a deletion.
        definition: the resolved study, JSON types.
        key: what its results belong to (the parent's, over a repeated division).
        unit: of the metric, such as "eV/atom"; ``direction`` is which way is better.
        features: digest of the features its models read.
        versions: package -> version it was started with, and those it has gone on with.
        created_at: in UTC.
        seconds: drivers have worked on it, all resumptions together.
        reason: why it stopped, an empty text where it has not.
    """

    id: int
    name: str
    definition: Mapping[str, Any]
    seed: int
    key: ResultKey
    unit: str
    direction: Direction
    features: str
    versions: Mapping[str, str]
    created_at: datetime
    state: StudyState
    seconds: float
    reason: str = ""


@dataclass(frozen=True)
class Amendment:
    """What is to change in a study.

    Attributes:
        keys: of its definition -> new value, JSON types.
        continued: numbers of ended trials that are to go on.
        noted: what is to stand beside the study in its definition.
    """

    keys: Mapping[str, Any]
    continued: Sequence[int] = ()
    noted: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StudySummary:
    """A line of ``study list``: a study, its numbers of trials by state, its best value.

    Attributes:
        children: of the trials, those that go on from another one, beside the budget.
    """

    study: StudyRow
    trials: Mapping[TrialState, int]
    best: float | None
    children: int = 0


@dataclass(frozen=True)
class ReportRow:
    """A report as it was decided on.

    Attributes:
        sequence: rises from report to report of a study; no number is used twice.
        number: of the trial; see ``record.Report`` for the rest.
    """

    sequence: int
    number: int
    resource: int
    raw: float
    best: float | None
    decision: Decision
    seconds: float


@dataclass(frozen=True)
class RankedTrial:
    """A trial among those of the same key; see ``record.TrialResult`` for its attributes."""

    key: ResultKey
    study: str
    number: int
    family: str
    config: Mapping[str, Value]
    value: float
    seconds: float
    resource: int
    unit: str
    parameters: int | None
    state: TrialState
    after_look: bool
    scores: Mapping[str, float]


@dataclass(frozen=True)
class KeySummary:
    """A key with the unit and direction of its metric, and how much there is to rank under it."""

    key: ResultKey
    unit: str
    direction: Direction
    studies: int
    trials: int


@dataclass(frozen=True)
class Effort:
    """What a study spent on one family under one key: all its trials, failed ones too.

    Attributes:
        seconds: of computation, of these trials together.
        gpu_seconds: of all GPUs they had, where they had any.
    """

    study: str
    family: str
    key: ResultKey
    trials: int
    seconds: float
    gpu_seconds: float = 0.0


@dataclass(frozen=True)
class Look:
    """A look at the test part of a division.

    Attributes:
        sequence: 1 for the first look at the test rows of this (data, target, split), 2 for the
            next, whichever of the divisions with these test rows it was at.
        study, trial: what was scored; the study may have been deleted since.
        value: the score in ``metric`` on ``rows`` test rows; None where it is not finite.
        scores: metric -> score, likewise.
        looked_at: in UTC.
        how: the model that was scored came about, and more.
    """

    sequence: int
    data: str
    target: str
    split: str
    study: str
    trial: int
    metric: str
    value: float | None
    scores: Mapping[str, float | None]
    rows: int
    looked_at: datetime
    how: How = field(default_factory=How)

    @property
    def extent(self) -> str:
        """Of predictions without a score: how many formulas of the test part, in how many calls."""
        return f"{counted(self.rows, 'formula')} in {counted(max(self.how.calls, 1), 'call')}"

    @property
    def as_searched(self) -> bool:
        """What was scored is the model that its trial left."""
        return self.how.trained is Trained.SEARCHED


@dataclass(frozen=True)
class Lease:
    """The right to write the results of a study, held by one driver process.

    Attributes:
        study: as it stood when the lease was given.
        token: of this lease and no other.
        before: seconds for which drivers of the study had worked until then.
        began: ``time.monotonic()`` then, a clock that stands still while a machine sleeps.
    """

    study: StudyRow
    token: str
    before: float
    began: float


def storable(text: str) -> str:
    """Text that both databases take: a message may hold NUL, or bytes that are no UTF-8."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")
