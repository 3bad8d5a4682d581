"""What a model family is: a space of configs and a way to build, train and reload each of them.

A family is one file in ``families/`` that declares ``FAMILY``; heavy libraries are imported inside
``build`` and ``load``, so that listing families costs nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from fesearch.arrays import Arrays
from fesearch.errors import InputError
from fesearch.registry import Registry, unknown
from fesearch.space import Config, Entry, Space, Value

if TYPE_CHECKING:
    import numpy as np

    from fesearch.classical.affordable import Cost
    from fesearch.split import Development

Preset = Literal["published", "full"]
PRESETS: tuple[Preset, ...] = ("published", "full")


class Learner(Protocol):
    """One model in training. It advances a resource step at a time and knows no budget."""

    @property
    def parameters(self) -> int:
        """Trained numbers in the model so far (weights; nodes of trees)."""

    def advance(self) -> "np.ndarray":
        """Train one resource step more.

        Returns:
            predictions for the validation rows, (n_val,), float32 or 64, unit of the target.
        """

    def model(self) -> Arrays:
        """All that prediction needs, as of the last step; a later step leaves it unchanged."""

    def checkpoint(self) -> Arrays:
        """All that training needs to go on exactly, optimizer and random state included."""

    def restore(self, checkpoint: Arrays) -> None:
        """Go on from a checkpoint, as if never interrupted.

        Raises:
            InputError: it is not a checkpoint of this config.
        """


@runtime_checkable
class Releasing(Protocol):
    """A learner that need not keep what it has made of its rows from one step to the next."""

    def release(self) -> None:
        """Let go of it; the next step makes it again. Asked of one of several on inner folds."""


@runtime_checkable
class Pausing(Protocol):
    """A learner that can be looked at within a step, such as between two batches of an epoch."""

    def on_pause(self, look: Callable[[], None]) -> None:
        """Call ``look`` at each pause from now on.

        There ``checkpoint`` is good, and a learner that restores it ends the step that was begun.
        An exception of ``look`` ends the training: the learner is of no use from then on.
        """


class Predictor(Protocol):
    """A trained model, ready to predict."""

    def __call__(self, x: "np.ndarray") -> "np.ndarray":
        """Predictions (n,) in the unit of the target, for features (n, d) float32."""


class Build(Protocol):
    """Make a learner for one config; ``data`` is never changed."""

    def __call__(
        self, config: Config, data: "Development", *, seed: int, threads: int, device: str
    ) -> Learner: ...


class Load(Protocol):
    """Check arrays that may come from anywhere and make a predictor of them.

    Raises:
        InputError: the arrays are not a model of this config and width.
    """

    def __call__(
        self, config: Config, arrays: Arrays, *, width: int, threads: int, device: str
    ) -> Predictor: ...


def amount(resource: int, unit: str) -> str:
    """So much resource in words: "1 epoch", "30 trees"."""
    return f"{resource} {unit.removesuffix('s') if resource == 1 else unit}"


@dataclass(frozen=True)
class Resource:
    """What training costs, counted in steps; early stopping compares trials at equal resource.

    Attributes:
        unit: plural noun, such as "epochs" or "trees".
        step: resource of one ``Learner.advance``; rungs are multiples of it.
        maximum: end of a trial whose config has none of its own.
        patience: default for "no better since", see ``Family.patience``; None never stops early.
        earliest: share of the end before which trials are not compared, unless a study says so:
            where curves cross until there, the best would be stopped.
    """

    unit: str
    step: int
    maximum: int
    patience: int | None = None
    earliest: float = 0.0

    def amount(self, resource: int) -> str:
        """So much resource in words: "1 epoch", "30 trees"."""
        return amount(resource, self.unit)


@dataclass(frozen=True)
class Family:
    """A model family of the papers, or a user's own.

    Attributes:
        name: as typed, and the name of its module.
        source: where the family and its published space are described.
        published: the space exactly as the source prints it.
        full: a wider space that a practitioner of today would search.
        best: the best config its source reports; the first trial of a study that names no other.
        starts: configs that are tried right after it by a study whose space has them, such as one
            of the full space: what was found to work on data, and no paper prints.
        unstated: what a config without these parameters means; values of ``full`` alone, or of
            ``settable``.
        settable: parameters that neither space has and a study may set; a config without them
            means what ``unstated`` says.
        capacity: the number among its parameters that makes larger models and longer epochs, such
            as a width: a study with little time leaves out the upper end of its range. None for
            none.
        layers: a config's network as a text, which its parameter ``layers`` takes; None where no
            parameter is called so.
        resource: what its training is counted in.
        build, load: see the protocols.
        check: refuses a config no model can be built from (InputError naming the parameter).
        implied: what a study's space means for parameters it leaves to the preset, as a study file
            writes them, such as a dropout of 0 beside layers that have none.
        suits: refuses data no model of a config can be trained on (InputError): features it cannot
            read. A study asks before its first trial.
        cost: what a fit of a config takes, of so many training rows of the data; None where it
            grows no faster than its rows. A study asks of its whole space before its first trial,
            and on inner folds of the fit for each.
        length: the config's own maximum resource, such as its number of trees.
        features: the feature set it is meant for.
        gpu: whether ``device="cuda"`` is of use to it.
        seeded: whether the seed changes what its best config is trained to.
        linear: whether its predictions are linear in the features.
        program: whether its predictors have ``whole``, of which ONNX or a program of torch is made;
            see ``nets.program.Portable``.
        element_weights: a trained model and its feature names -> the vector it has learned for
            each element, empty where it reads none; None where no such thing is in its models.
    """

    name: str
    title: str
    source: str
    published: Space
    full: Space
    best: Config
    resource: Resource
    build: Build
    load: Load
    check: Callable[[Config], None]
    implied: Callable[[Space], Mapping[str, Any]] = lambda space: {}
    suits: "Callable[[Config, Development], None]" = lambda config, data: None
    cost: "Callable[[Config, Development, int], Cost] | None" = None
    length: Callable[[Config], int | None] = lambda config: None
    features: str = "magpie"
    gpu: bool = False
    seeded: bool = True
    linear: bool = False
    program: bool = False
    element_weights: "Callable[[Arrays, Sequence[str]], Mapping[str, np.ndarray]] | None" = None
    starts: tuple[Config, ...] = ()
    unstated: Config = field(default_factory=dict)
    settable: Mapping[str, Entry] = field(default_factory=dict)
    capacity: str | None = None
    layers: Callable[[Config], str] | None = None

    def space(self, preset: str) -> Space:
        """The space of a preset, "published" or "full".

        Raises:
            InputError: no such preset.
        """
        if preset not in PRESETS:
            raise unknown("preset", preset, PRESETS, f"--preset {'|'.join(PRESETS)}")
        return self.published if preset == "published" else self.full

    def first(self, space: Space, given: Config = MappingProxyType({})) -> dict[str, Value]:
        """The best config with these values in it, or the nearest to that in a space."""
        return space.nearest({**self.unstated, **self.best, **given})

    def firsts(self, space: Space) -> list[dict[str, Value]]:
        """The configs that a study of a space tries first, the best one before the starts.

        A space has a start whose choices it has; its numbers become the nearest of the space.
        """
        found = [self.first(space)]
        for start in self.starts:
            if space.near(start) is None:
                continue
            config = space.nearest({**self.unstated, **start})
            if config not in found:
                found.append(config)
        return found

    def extendable(self, config: Config) -> bool:
        """Whether a trial that has reached its end can go on as if it had been a later one.

        It counts epochs, and nothing in the config, as a schedule does, depends on their number.
        """
        return self.resource.unit == "epochs" and self.length(config) is None

    def patience(self, config: Config, given: int | None = None) -> int | None:
        """The resource without a better value after which a trial of ``config`` ends.

        It is ``given``, or else the family's; that one leaves a config alone that has an end of its
        own among epochs: validation may well be flat until its learning rate falls towards it.
        """
        scheduled = self.resource.unit == "epochs" and self.length(config) is not None
        return given or (None if scheduled else self.resource.patience)

    def end(self, config: Config, maximum: int | None = None) -> int:
        """The resource at which a trial of ``config`` ends: its own, or the family's maximum.

        Args:
            maximum: in place of the family's; it ends a config with a later end of its own too.
        """
        end = self.length(config) or maximum or self.resource.maximum
        return min(end, maximum or end)

    def steps(self, config: Config, maximum: int | None = None) -> tuple[int, ...]:
        """The resource points a trial of ``config`` reports at, up to its ``end``.

        Raises:
            InputError: the maximum is below one step.
        """
        end = self.end(config, maximum)
        if end < self.resource.step:
            raise InputError(
                f"A maximum of {self.resource.amount(end)} is below one step of {self.name}.",
                f"Give at least {self.resource.amount(self.resource.step)}.",
            )
        return tuple(range(self.resource.step, end + 1, self.resource.step))


FAMILIES: Registry[Family] = Registry(
    "family",
    Family,
    "fesearch.families",
    "FAMILY",
    "fesearch families list",
    called=lambda family, name: replace(family, name=name),
)
