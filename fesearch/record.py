"""What passes between running, storing and deciding: frozen values, standard library only."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from fesearch.errors import NoResultError
from fesearch.space import Value


class TrialState(StrEnum):
    """Optuna's words for where a trial stands."""

    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAIL = "FAIL"

    @property
    def finished(self) -> bool:
        return self is not TrialState.RUNNING

    @property
    def usable(self) -> bool:
        """The trial has a model that can be ranked: it failed neither by itself nor otherwise."""
        return self in (TrialState.COMPLETE, TrialState.PRUNED)


class Decision(StrEnum):
    """The answer to a report."""

    CONTINUE = "CONTINUE"
    STOP = "STOP"


class Fault(StrEnum):
    """Why a trial failed: the config's own doing, or the machine's."""

    DIVERGED = "diverged"
    MACHINE = "machine"


@dataclass(frozen=True)
class ResultKey:
    """What a number belongs to; only numbers of one key are compared.

    Attributes:
        data: content hash of the data set.
        target: name of the target column.
        metric: name of the metric.
        split: fingerprint of the division.
    """

    data: str
    target: str
    metric: str
    split: str


@dataclass(frozen=True)
class TrialSpec:
    """Everything needed to train one config, the same numbers wherever it runs.

    Attributes:
        number: the trial's number in its study, from 0.
        family: name of the model family.
        config: parameter -> value, JSON types only.
        seed: of this trial's own random streams.
        steps: resource points to report at, ascending, in the family's unit; the last is the end.
        rungs: those of ``steps`` after which the trial may be stopped by others doing better.
        patience: stop when the best has not improved within this much resource; None is never.
        metric: name of the validation metric that decides.
        threads: CPU threads it computes with; part of the spec because sums depend on it.
        device: torch's word, "cpu" or "cuda".
        folder: where its best weights, checkpoint and log are kept; None keeps nothing.
        parent: number of the trial it goes on from, whose end is its beginning.
        time_limit: seconds of computation after which it ends at its next report; None is never.
        reached: resource of its last report on record, before an interruption; None, it is not
            known. Up to there it is trained again and ends neither for its patience nor its time.
        timed: how long its model takes to predict is measured.
    """

    number: int
    family: str
    config: Mapping[str, Value]
    seed: int
    steps: tuple[int, ...]
    rungs: tuple[int, ...] = ()
    patience: int | None = None
    metric: str = "mae"
    threads: int = 1
    device: str = "cpu"
    folder: Path | None = None
    parent: int | None = None
    time_limit: float | None = None
    reached: int | None = None
    timed: bool = False


@dataclass(frozen=True)
class Queued:
    """A config that a study is to try before its sampler's.

    Attributes:
        id: of this store.
        parent: number of the trial that a trial of it goes on from.
        origin: who asked for it, in words.
    """

    id: int
    config: Mapping[str, Value]
    parent: int | None
    origin: str


@dataclass(frozen=True)
class Report:
    """What a trial says after a resource step.

    Attributes:
        member: index of the trial among the specs run together.
        resource: trained so far, in the family's unit (epochs, trees).
        raw: the validation metric of the model as it is now; may be NaN or infinite.
        best: the best finite value so far, or None before the first.
        best_resource: the resource at which ``best`` was seen, or None.
        seconds: of computation spent on the trial so far, interruptions included.
        parameters: trained numbers in the model (weights; nodes of trees).
        diverged: why the trial cannot go on, or None.
        last: no further report follows: the end, patience, time limit or divergence.
        latency: seconds for the best model so far to predict a row on one CPU thread, features not
            included; None where it was not measured.
        scores: what the best model so far has in every metric on the validation rows, as far as
            they are numbers, and the ends of ``metrics.MAE_INTERVAL``; empty before the first.
    """

    member: int
    resource: int
    raw: float
    best: float | None
    best_resource: int | None
    seconds: float
    parameters: int
    diverged: str | None = None
    last: bool = False
    latency: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class TrialResult:
    """How a trial ended, or where it stands.

    Attributes:
        value: best so far of the study's metric; None where there is none.
        resource: trained, in ``unit``; ``best_resource`` is where ``value`` was seen.
        seconds: of computation.
        reason: one line for FAIL and PRUNED ("diverged: ...", "rung 3: 0.41 is above 0.35"), and
            for RUNNING on what it goes on after.
        after_look: begun after the test part of its division had been looked at.
        parent: number of the trial it goes on from.
        retries: how often a fault of the machine has made it begin anew.
        latency: as last reported; None where it was never measured.
        scores: metric -> validation score of the model whose ``value`` it is; empty where nothing
            was recorded.
    """

    number: int
    family: str
    config: Mapping[str, Value]
    seed: int
    state: TrialState
    value: float | None = None
    resource: int = 0
    best_resource: int | None = None
    unit: str = ""
    seconds: float = 0.0
    parameters: int | None = None
    reason: str = ""
    fault: Fault | None = None
    after_look: bool = False
    parent: int | None = None
    retries: int = 0
    latency: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)

    @property
    def latency_us(self) -> float | None:
        """The latency in microseconds, as it is printed."""
        return None if self.latency is None else self.latency * 1e6

    def after(self, report: Report) -> "TrialResult":
        """Where the trial stands after a report, one that it made again included."""
        return replace(
            self,
            value=report.best,
            resource=max(report.resource, self.resource),
            best_resource=report.best_resource,
            seconds=report.seconds,
            parameters=report.parameters,
            latency=self.latency if report.latency is None else report.latency,
            scores=report.scores,
        )


def nothing_usable(study: str, results: Iterable[TrialResult]) -> NoResultError:
    """The error for a study without a usable trial: why there is none, and what to type."""
    states = [result.state for result in results]
    failed = states.count(TrialState.FAIL)
    if states and all(state.finished for state in states):
        return NoResultError(
            f"The study '{study}' has no usable trial: {failed} of {len(states)} failed.",
            f"See why: fesearch trials {study}",
        )
    unfinished = len(states) - failed
    return NoResultError(
        f"The study '{study}' has no usable trial yet: {failed} failed, {unfinished} unfinished.",
        f"Go on with: fesearch study resume {study}",
    )
