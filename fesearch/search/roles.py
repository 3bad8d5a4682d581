"""Who stands around the core: the ledger it writes, and those who look on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from fesearch.record import Decision, Queued, Report, TrialResult, TrialSpec

if TYPE_CHECKING:
    from fesearch.search.core import Core


@dataclass(frozen=True)
class Recorded:
    """A report as it was recorded, for building a core anew."""

    number: int
    resource: int
    best: float | None


@dataclass(frozen=True)
class LastBegun:
    """What was on record when the last trial began.

    Attributes:
        reports: how many of them.
        ended: numbers of the trials that had ended.
    """

    reports: int = 0
    ended: frozenset[int] = frozenset()


NONE_BEGUN = LastBegun()


class Ledger(Protocol):
    """Where the core writes what it decides, one transaction a call; the store, in a study."""

    def queued(self, *, continuing: bool = False) -> Queued | None:
        """The config that waits longest to be tried before the sampler's, if any waits.

        With ``continuing`` one that goes on from a trial that has ended.
        """

    def begin(self, spec: TrialSpec, queued: Queued | None) -> None:
        """A trial begins, of a config that waited to be tried if that is given."""

    def report(self, number: int, report: Report, decision: Decision, result: TrialResult) -> None:
        """A report, the decision on it and where the trial stands after it."""

    def retry(self, result: TrialResult) -> None:
        """A trial is to go on after a fault; its reason and count say so."""

    def finish(self, result: TrialResult) -> None:
        """A trial ends without a report."""


class Watcher(Protocol):
    """Who looks on: a terminal, a log, a test. It decides nothing."""

    def opened(self, core: "Core", results: Sequence[TrialResult]) -> None:
        """The search is about to go on from these trials, none of a new study."""

    def began(self, spec: TrialSpec, resumed: bool) -> None:
        """A trial begins, or goes on after an interruption."""

    def reported(self, number: int, report: Report) -> None:
        """A trial has reported."""

    def ended(self, result: TrialResult) -> None:
        """A trial has ended."""

    def noted(self, line: str) -> None:
        """Something else has happened that a person should know, in a line."""
