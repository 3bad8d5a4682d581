"""Running trials: specs and data in, a stream of reports out. Knows no Ray, no Optuna, no SQL."""

import math
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from fesearch.arrays import Arrays, Layout, check, prefixed, section
from fesearch.errors import InputError, NoResultError
from fesearch.family import FAMILIES, Learner, Pausing
from fesearch.folds import Folded
from fesearch.metrics import MAE_INTERVAL, Metric, metric_named, scores
from fesearch.model import FittedModel
from fesearch.record import Report, TrialSpec
from fesearch.split import Development
from fesearch.statistics import repeated_interval

EXPLODED = 1000.0
"""A trial this many times worse than always predicting the training mean has diverged."""


def run(
    specs: Sequence[TrialSpec],
    data: Development,
    checkpoints: "Sequence[Arrays | None] | None" = None,
    look: Callable[[], None] | None = None,
) -> "Running":
    """Train the members of ``specs`` together and report after each of their steps.

    Members take turns, so that their reports can be compared as they come. Several specs of one
    shape may be trained as one program beneath this function without its callers' knowing.

    Args:
        checkpoints: one a spec, where given: its member goes on from there.
        look: called within the steps of learners that pause there (``family.Pausing``), after each
            batch say, where ``Running.checkpoint`` is good too; its time is not the trial's.

    Raises:
        InputError: a spec names no family or metric, no possible config or steps, or a checkpoint
            is not one of its config. Nothing was trained.
    """
    taken = checkpoints if checkpoints is not None else [None] * len(specs)
    pairs = zip(range(len(specs)), specs, taken, strict=True)
    return Running([_Member(index, spec, data, saved, look) for index, spec, saved in pairs])


class Running:
    """Trials in training: iterate for their reports, stop any member between two of them."""

    def __init__(self, members: "Sequence[_Member]") -> None:
        self._members = members

    def __iter__(self) -> Iterator[Report]:
        while going := [member for member in self._members if not member.ended]:
            for member in going:
                if not member.ended:  # it may have been stopped since the turn began
                    yield member.advance()

    def stop(self, member: int) -> None:
        """End a member's training; its best model stays."""
        self._members[member].stopped = True

    def model(self, member: int) -> FittedModel:
        """The member's model as of its best report.

        Raises:
            NoResultError: it has had no finite score.
        """
        return self._members[member].model()

    def checkpoint(self, member: int) -> Arrays:
        """All a member needs to go on elsewhere with the reports it would have made here."""
        return self._members[member].checkpoint()


@dataclass
class _State:
    """Where a trial stands, apart from its learner."""

    resource: int = 0
    best: float = math.nan
    best_resource: int = 0
    seconds: float = 0.0
    diverged: bool = False

    def arrays(self) -> dict[str, np.ndarray]:
        return {name: np.array(value) for name, value in vars(self).items()}

    @classmethod
    def of(cls, arrays: Arrays) -> "_State":
        expected = {name: Layout((), array.dtype) for name, array in cls().arrays().items()}
        check(arrays, expected, "checkpoint")
        return cls(**{name: array.item() for name, array in arrays.items()})


class _Member:
    """One trial among those run together."""

    def __init__(
        self,
        index: int,
        spec: TrialSpec,
        data: Development,
        checkpoint: "Arrays | None",
        look: Callable[[], None] | None,
    ) -> None:
        self._index = index
        self._spec = spec
        self._family = FAMILIES.get(spec.family)
        self._metric = metric_named(spec.metric)
        self._family.check(spec.config)
        _check_steps(spec.steps, self._family.resource.step)
        self._data = data
        self._limit = _explosion(self._metric, data)
        build = self._family.build if data.folds is None else partial(Folded, self._family.build)
        self._learner: Learner = build(
            spec.config, data, seed=spec.seed, threads=spec.threads, device=spec.device
        )
        if look is not None and isinstance(self._learner, Pausing):
            self._learner.on_pause(partial(self._paused, look))
        self._state = _State()
        self._best_model: Arrays = {}
        self._scores: dict[str, float] = {}
        self.stopped = False
        if checkpoint is not None:
            self._state = _State.of(section(checkpoint, "trial."))
            self._best_model = section(checkpoint, "best.")
            kept = section(checkpoint, "scores.")
            self._scores = {name: float(score) for name, score in kept.items()}
            self._learner.restore(section(checkpoint, "learner."))

    @property
    def ended(self) -> bool:
        """No further report follows."""
        return self.stopped or self._finished

    @property
    def _finished(self) -> bool:
        state, patience = self._state, self._spec.patience
        waited = state.resource - state.best_resource
        tired = patience is not None and waited >= patience and not self._trains_again
        tired = tired and state.resource in self._spec.steps  # and not on the way to one of them
        return state.diverged or tired or state.resource >= self._spec.steps[-1]

    @property
    def _trains_again(self) -> bool:
        """What it reports is on record already."""
        return self._state.resource < (self._spec.reached or 0)

    def advance(self) -> Report:
        """Train up to the next step of the spec and score the model there."""
        self._began = time.perf_counter()
        state = self._state
        target = self._spec.steps[bisect_right(self._spec.steps, state.resource)]
        while state.resource < target:
            predictions = self._learner.advance()
            state.resource += self._family.resource.step
        raw = self._score(predictions)
        if math.isfinite(raw) and raw <= self._limit and self._improves(raw):
            state.best, state.best_resource = raw, state.resource
            self._best_model = self._learner.model()
            self._scores = self._scored(predictions)
        reason = self._divergence(raw)
        state.diverged = reason is not None
        state.seconds += time.perf_counter() - self._began
        limit = self._spec.time_limit
        if limit is not None and state.seconds >= limit and not self._trains_again:
            self.stopped = True
        known = not math.isnan(state.best)
        return Report(
            member=self._index,
            resource=state.resource,
            raw=raw,
            best=state.best if known else None,
            best_resource=state.best_resource if known else None,
            seconds=state.seconds,
            parameters=self._learner.parameters,
            diverged=reason,
            last=self.ended,
            scores=dict(self._scores),
        )

    def _scored(self, predictions: np.ndarray) -> dict[str, float]:
        """What these have in every metric, and the interval of their MAE."""
        truth, groups = self._data.scored_y, self._data.groups
        found = scores(truth, predictions)
        if groups is not None:
            ends = repeated_interval(np.abs(predictions - truth), groups)
            found |= dict(zip(MAE_INTERVAL, ends, strict=True))
        return found

    def _paused(self, look: Callable[[], None]) -> None:
        """Let someone look, whom the seconds are right for and whose own are not counted."""
        self._state.seconds += time.perf_counter() - self._began
        look()
        self._began = time.perf_counter()

    def model(self) -> FittedModel:
        if not self._best_model:
            raise NoResultError(
                f"Trial {self._spec.number} has had no finite validation {self._metric.title}.",
                "Train it for a step, or choose another trial.",
            )
        return FittedModel(
            self._spec.family, dict(self._spec.config), self._data.width, self._best_model
        )

    def checkpoint(self) -> Arrays:
        return {
            **prefixed(self._state.arrays(), "trial."),
            **prefixed(self._best_model, "best."),
            **prefixed({name: np.array(one) for name, one in self._scores.items()}, "scores."),
            **prefixed(self._learner.checkpoint(), "learner."),
        }

    def _score(self, predictions: np.ndarray) -> float:
        if not np.isfinite(predictions).all():
            return math.nan
        return self._metric(self._data.scored_y, predictions)

    def _improves(self, raw: float) -> bool:
        best = self._state.best
        better = raw < best if self._metric.direction == "minimize" else raw > best
        return math.isnan(best) or better

    def _divergence(self, raw: float) -> str | None:
        what = f"validation {self._metric.title} is"
        where = f"after {self._family.resource.amount(self._state.resource)}"
        if not math.isfinite(raw):
            return f"{what} {raw} {where}"
        if raw > self._limit:
            return f"{what} {raw:.4g} {where}, above {EXPLODED:g} times that of the training mean"
        return None


def _explosion(metric: Metric, data: Development) -> float:
    """The score beyond which a trial has exploded; infinite where larger is better."""
    if metric.direction == "maximize":
        return math.inf
    asked = data.scored_y
    mean = metric(asked, np.full(len(asked), np.mean(data.train_y)))
    return EXPLODED * mean if mean > 0 else math.inf


def _check_steps(steps: Sequence[int], unit: int) -> None:
    rising = all(a < b for a, b in pairwise((0, *steps)))
    if not steps or not rising or any(step % unit for step in steps):
        raise InputError(
            f"A trial reports at {list(steps)}.", f"Give rising multiples of {unit}, one or more."
        )
