"""What a search is to do, settled before it begins: a study as its core knows it."""

from dataclasses import dataclass, replace
from pathlib import Path

from fesearch.duration import spelled
from fesearch.family import Family
from fesearch.metrics import Metric
from fesearch.record import Fault, TrialResult, TrialSpec, TrialState
from fesearch.space import Config, Space


@dataclass(frozen=True)
class Settings:
    """What a core needs to know of a study.

    Attributes:
        name: of the study.
        family, space, metric: declarations, the space narrowed by the study.
        unit: of the metric, such as "eV/atom".
        seed: of the study.
        trials: how many in all.
        first: configs that are tried before those of the sampler; empty is the family's best.
        spared: configs whose trials the pruner leaves alone, and come before interrupted ones.
        maximum: resource at which a trial ends; None is its config's own, or the family's.
        patience: resource without improvement after which a trial ends; None is its family's.
        pruner: by which trials that are behind are stopped.
        rungs, reduction_factor, brackets: its terms; no rungs stop no trial.
        deadline: ``time.monotonic()`` after which nothing is begun and everything is stopped.
        overrun: seconds beyond it that a trial may take to its next report, until one has a value.
        retries: how often a trial whose worker is lost begins again from its checkpoint.
        trial_time_limit: seconds of computation after which a trial ends; None is never.
        threads, device: of every trial.
        own_gpus: no two trials share a GPU.
        folder: under which each trial has a folder of its own; None keeps nothing.
        timed: how long the models take to predict is measured.
    """

    name: str
    family: Family
    space: Space
    metric: Metric
    unit: str
    seed: int
    trials: int
    first: tuple[Config, ...] = ()
    spared: tuple[Config, ...] = ()
    maximum: int | None = None
    patience: int | None = None
    pruner: str = "asha"
    rungs: tuple[int, ...] = ()
    reduction_factor: int = 3
    brackets: int = 1
    deadline: float | None = None
    overrun: float = 0.0
    retries: int = 2
    trial_time_limit: float | None = None
    threads: int = 1
    device: str = "cpu"
    own_gpus: bool = False
    folder: Path | None = None
    timed: bool = False

    def firsts(self) -> tuple[Config, ...]:
        """The configs that are tried before those of the sampler."""
        return self.first or (self.family.first(self.space),)

    def spec(self, standing: TrialResult, rungs: tuple[int, ...]) -> TrialSpec:
        """What a worker is to do for a trial, from where it stands.

        Args:
            rungs: at which it may be stopped.
        """
        folder = self.folder
        return TrialSpec(
            number=standing.number,
            family=standing.family,
            config=standing.config,
            seed=standing.seed,
            steps=self.family.steps(standing.config, self.maximum),
            rungs=rungs,
            patience=self.family.patience(standing.config, self.patience),
            metric=self.metric.name,
            threads=self.threads,
            device=self.device,
            folder=folder and folder / f"{standing.number:06d}",
            time_limit=self.trial_time_limit,
            parent=standing.parent,
            reached=standing.resource,
            timed=self.timed,
        )

    def over(self, standing: TrialResult) -> TrialResult:
        """How a trial ends that trains no further: at its end, tired, or over its time limit."""
        limit = self.trial_time_limit
        early = standing.resource < self.family.steps(standing.config, self.maximum)[-1]
        if limit is None or standing.seconds < limit or not early:
            return replace(standing, state=TrialState.COMPLETE, reason="")
        reason = f"over its time limit of {spelled(limit)}"
        if standing.value is None:
            return replace(standing, state=TrialState.FAIL, fault=Fault.MACHINE, reason=reason)
        return replace(standing, state=TrialState.PRUNED, reason=reason)
