"""What a pruner is: the rule by which trials that are behind are stopped. See ``pruners/``.

A rule is pure: the same events in the same order give the same decisions, so that after an
interruption it is rebuilt by feeding it what was recorded. Runners and simulations share it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fesearch.estimate import Course
from fesearch.record import Decision
from fesearch.registry import Registry


@dataclass(frozen=True)
class Standing:
    """A place at which trials are compared, as it stands.

    Attributes:
        resource: at which they are.
        seen: how many trials have been compared here.
        cutoff: the loss above which a further one is stopped; None, none is.
        bracket: which of several sets of rungs it belongs to; None, there is one.
    """

    resource: int
    seen: int
    cutoff: float | None
    bracket: int | None = None


class Rule(Protocol):
    """The losses seen so far, and the decision on a further one."""

    def rungs(self, trial: int) -> tuple[int, ...]:
        """The resources at which a trial may be stopped, ascending."""

    def decide(self, trial: int, resource: int, loss: float) -> Decision:
        """Record the best loss so far of a trial at a resource, smaller being better, and decide.

        A resource that is no rung of the trial, or at which it was seen before, continues.
        """

    def complete(self, trial: int) -> None:
        """A trial has been trained to its end."""

    def extended(self, rungs: Sequence[int]) -> "Rule":
        """The rule with higher rungs too, and what was seen at those there are.

        It is the rule that would have been, had these been its rungs from the start and no trial
        reported beyond the old ones.
        """

    def behind(self, trial: int) -> str:
        """What is said of a trial that was stopped, as in "is not among the best 1 in 3"."""

    def standings(self) -> list[Standing]:
        """What there is to look at, from any thread."""


@dataclass(frozen=True)
class Terms:
    """What a study says of how its trials are stopped.

    Attributes:
        rungs: resources first·rf^k at which trials may be compared, ascending.
        reduction_factor: of the trials at a rung, about one in this many goes on.
        brackets: sets of rungs, of a pruner that has several.
        seed: of the study.
    """

    rungs: tuple[int, ...]
    reduction_factor: int = 3
    brackets: int = 1
    seed: int = 0


class Make(Protocol):
    """Make the rule of a study in which no trial has reported."""

    def __call__(self, terms: Terms) -> Rule: ...


class Rungs(Protocol):
    """The resources at which trials may be compared, from the first and up to a maximum."""

    def __call__(self, first: int, reduction_factor: int, maximum: int) -> tuple[int, ...]: ...


class Courses(Protocol):
    """What is likely to become of the trials of a study, in the units of its rungs."""

    def __call__(self, terms: Terms) -> tuple[Course, ...]: ...


def one_course(terms: Terms) -> tuple[Course, ...]:
    """The same for all trials: of those at a rung, one in the reduction factor goes on."""
    return (Course(terms.rungs, terms.reduction_factor),)


TERMS = ("grace", "reduction_factor")
"""Keys of a study: the first rung, and one in how many trials goes on from a rung."""


@dataclass(frozen=True)
class Pruner:
    """A way to stop trials early, one a file in ``pruners/``.

    Attributes:
        name: as typed after ``--pruner``, and the name of its module.
        title: what it is, in a line.
        rungs: see ``Rungs``.
        make: makes the rule.
        terms: keys of a study that mean something to it.
        courses: see ``Courses``.
    """

    name: str
    title: str
    rungs: Rungs
    make: Make
    terms: tuple[str, ...] = TERMS
    courses: Courses = one_course

    @property
    def stops(self) -> bool:
        """Whether it ever stops a trial."""
        return bool(self.terms)


PRUNERS: Registry[Pruner] = Registry(
    "pruner", Pruner, "fesearch.search.pruners", "PRUNER", "fesearch study start --help"
)
