"""What a tracker is: a service of others in which people follow a search. See ``trackers/``.

It is told of each trial and decides nothing; our store has all of it, whatever becomes of theirs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fesearch.optional import require
from fesearch.record import Report, TrialResult, TrialSpec
from fesearch.registry import Registry


@dataclass(frozen=True)
class Subject:
    """The study that is followed.

    Attributes:
        name: of the study; ``mark`` tells it from others of that name, deleted since.
        metric: as a name for values, such as "val_mae"; ``unit`` is theirs.
        resource: the unit of steps, such as "epochs".
        folder: for a tracker that leaves files.
    """

    name: str
    mark: str
    metric: str
    unit: str
    resource: str
    folder: Path


class Tracker(Protocol):
    """Tells a service of trials; an error of any kind ends it, and not the search."""

    def began(self, spec: TrialSpec) -> None:
        """A trial begins, or goes on after an interruption."""

    def reported(self, number: int, report: Report) -> None:
        """A running trial has reported."""

    def ended(self, result: TrialResult) -> None:
        """A trial has ended; it may be one that never began here."""

    def close(self) -> None:
        """Nothing more follows; trials that run may go on another time."""


@dataclass(frozen=True)
class Service:
    """A kind of tracker, one a file in ``trackers/``.

    Attributes:
        name: as typed after ``--track``, the name of its module and of the extra that brings it.
        title: what it is called.
        package: that it needs.
        open: makes a tracker of a study.
    """

    name: str
    title: str
    package: str
    open: Callable[[Subject], Tracker]

    def check(self) -> None:
        """Refuse it where its package is not installed.

        Raises:
            InputError: the hint is the pip line.
        """
        require(self.package, self.name)


TRACKERS: Registry[Service] = Registry(
    "tracker", Service, "fesearch.trackers", "TRACKER", "fesearch study start --help"
)
