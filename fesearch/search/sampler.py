"""What a sampler is: which config to try next. Those there are stand in ``samplers/``.

A sampler is a function of the study's seed, the trial's number and the trials so far. It keeps no
random state between calls, so a search that is resumed goes on with the suggestions it would
have made: a fresh Optuna sampler of the same seed would repeat its first ones.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from fesearch.metrics import Direction
from fesearch.record import TrialResult
from fesearch.registry import Registry
from fesearch.space import Config, Space, Value


class Sampler(Protocol):
    """What the core asks for configs and tells of trials."""

    def suggest(self, number: int) -> dict[str, Value] | None:
        """The config of trial ``number``, or None: every config of the space has been given."""

    def begin(self, number: int, family: str, config: Config) -> None:
        """Trial ``number`` has begun, with this config."""

    def report(self, number: int, resource: int, best: float | None) -> None:
        """A running trial has reported its best so far; None, it has none or diverged."""

    def finish(self, result: TrialResult) -> None:
        """A trial has ended."""


class Make(Protocol):
    """Make a sampler of a space.

    Args:
        seed: of the study.
        direction: of the values it is told.
        priors: trials of an earlier study that it learns from as if they were of this one.
    """

    def __call__(
        self, space: Space, seed: int, direction: Direction, priors: Iterable[TrialResult]
    ) -> Sampler: ...


@dataclass(frozen=True)
class Method:
    """A way to sample, one a file in ``samplers/``.

    Attributes:
        name: as typed after ``--sampler``, and the name of its module.
        title: what it is, in a line.
        make: makes one.
        check: refuses a space it cannot sample, and says what it needs that is not installed
            (InputError).
        learns: whether what it suggests depends on the values of the trials so far.
        costly: whether a suggestion takes half a second of a core or more.
    """

    name: str
    title: str
    make: Make
    check: Callable[[Space], None] = lambda space: None
    learns: bool = False
    costly: bool = False


SAMPLERS: Registry[Method] = Registry(
    "sampler", Method, "fesearch.search.samplers", "SAMPLER", "fesearch study start --help"
)


def sampler_named(
    name: str, space: Space, seed: int, direction: Direction, priors: Iterable[TrialResult] = ()
) -> Sampler:
    """The sampler that a study's key ``sampler`` names; see ``Make``.

    Raises:
        InputError: it cannot sample the space, or needs a package that is not installed.
    """
    method = SAMPLERS.get(name)
    method.check(space)
    return method.make(space, seed, direction, priors)
