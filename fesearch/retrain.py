"""Configs that a search found, trained anew: with other seeds, on other members, on more rows."""

from dataclasses import dataclass, replace

import numpy as np

from fesearch.errors import NoResultError
from fesearch.family import FAMILIES
from fesearch.model import FittedModel
from fesearch.record import TrialResult, TrialSpec
from fesearch.search.budget import settings_of
from fesearch.search.prepare import Prepared
from fesearch.seeds import derive
from fesearch.split import Development, Split
from fesearch.store.types import StudyRow
from fesearch.trial import run


@dataclass(frozen=True)
class Anew:
    """A model trained anew.

    Attributes:
        rows: that it was trained on.
        seed: of its training.
    """

    model: FittedModel
    rows: int
    seed: int


def seeds(trial: TrialResult, count: int) -> list[int]:
    """Seeds for so many trainings of a trial's config, its own first."""
    return [trial.seed, *(derive(trial.seed, "holdout", again) for again in range(1, count))]


def train(
    row: StudyRow,
    prepared: Prepared,
    split: Split,
    trial: TrialResult,
    seed: int,
    *,
    joined: bool,
) -> Anew:
    """Train the config of a trial on a division of the data of its study.

    Args:
        split: whose training part it learns, and whose validation part says at which step it was
            best, as in a search.
        joined: learn both parts instead, for the resource the trial was best at. A schedule that
            waits for a plateau then sees errors of rows that are learned.

    Raises:
        NoResultError: the training diverged.
    """
    data = split.development(prepared.features.matrix, prepared.dataset.target(prepared.target))
    settings = settings_of(row, prepared)
    family = FAMILIES.get(trial.family)
    if joined:
        both = _joined(data)
        resource = trial.best_resource or trial.resource
        learner = family.build(
            trial.config, both, seed=seed, threads=settings.threads, device=settings.device
        )
        for _ in range(resource // family.resource.step):
            predictions = learner.advance()
        if not np.isfinite(predictions).all():
            raise _diverged(row, trial, split, seed, "its predictions are not finite")
        model = FittedModel(trial.family, dict(trial.config), both.width, learner.model())
        return Anew(model, len(both.train_y), seed)
    spec = TrialSpec(
        number=trial.number,
        family=trial.family,
        config=trial.config,
        seed=seed,
        steps=family.steps(trial.config, settings.maximum),
        patience=family.patience(trial.config, settings.patience),
        metric=prepared.metric.name,
        threads=settings.threads,
        device=settings.device,
    )
    running = run([spec], data)
    for report in running:
        if report.diverged is not None and report.best is None:
            raise _diverged(row, trial, split, seed, report.diverged)
    return Anew(running.model(0), len(data.train_y), seed)


def _joined(data: Development) -> Development:
    """Both parts to train on; what a learner predicts between its steps stays as it was."""
    return replace(
        data,
        train_x=np.concatenate([data.train_x, data.val_x]),
        train_y=np.concatenate([data.train_y, data.val_y]),
    )


def _diverged(
    row: StudyRow, trial: TrialResult, split: Split, seed: int, why: str
) -> NoResultError:
    return NoResultError(
        f"Trial {trial.number} of '{row.name}' diverged when trained again on {split.spec} with "
        f"seed {seed}: {why}.",
        "Leave it out: give a smaller --top, or search on.",
    )
