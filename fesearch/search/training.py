"""A config that a search found, trained anew: with another seed, on another division or more rows.

A module of its own, for a worker process imports all that it imports: nothing here may need Optuna
or a database.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fesearch.errors import NoResultError
from fesearch.family import FAMILIES
from fesearch.model import FittedModel
from fesearch.nets.memory import let_go
from fesearch.own import Source, run
from fesearch.record import TrialSpec
from fesearch.search import threads
from fesearch.split import Development, Split
from fesearch.trial import run as run_trial

Matrices = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""Name of a study -> features (n, d) float32 and target (n,) of all rows of its data."""


@dataclass(frozen=True, eq=False)
class Training:
    """What is to be trained.

    Attributes:
        study: name of the study whose trial it is of.
        spec: of that trial, with the seed of this training.
        split: whose training part is learned, and whose validation part says at which step the
            model was best, as in a search.
        joined: both parts are learned instead, up to the last of ``spec.steps``.
        seconds: that the trial took.
    """

    study: str
    spec: TrialSpec
    split: Split
    joined: bool
    seconds: float


@dataclass(frozen=True)
class Trained:
    """What came of it.

    Attributes:
        rows: that were learned.
        seconds: of the clock.
    """

    model: FittedModel
    rows: int
    seconds: float


def train(training: Training, x: np.ndarray, y: np.ndarray) -> Trained:
    """Train on rows of a division of the data set.

    Args:
        x: (n, d) float32 features of all rows, with test rows, of which nothing is learned.
        y: (n,) target.

    Raises:
        NoResultError: the training diverged.
    """
    began = time.perf_counter()
    data = training.split.development(x, y)
    fit = _fit_joined if training.joined else _fit
    model, rows = fit(training, data)
    return Trained(model, rows, time.perf_counter() - began)


def trainer(own: Sequence[Source], matrices: Matrices) -> Callable[[Training], Trained]:
    """What trains in a worker process, once its own files are run."""
    for source in own:
        run(source)

    def work(training: Training) -> Trained:
        threads.pin(training.spec.threads)
        try:
            return train(training, *matrices[training.study])
        finally:
            let_go()

    return work


def _fit(training: Training, data: Development) -> tuple[FittedModel, int]:
    running = run_trial([training.spec], data)
    for report in running:
        if report.diverged is not None and report.best is None:
            raise _diverged(training, report.diverged)
    return running.model(0), len(data.train_y)


def _fit_joined(training: Training, data: Development) -> tuple[FittedModel, int]:
    """What a learner predicts between its steps is of rows that it learns, too."""
    spec = training.spec
    both = replace(
        data,
        train_x=np.concatenate([data.train_x, data.val_x]),
        train_y=np.concatenate([data.train_y, data.val_y]),
    )
    learner = FAMILIES.get(spec.family).build(
        spec.config, both, seed=spec.seed, threads=spec.threads, device=spec.device
    )
    for _ in spec.steps:
        predictions = learner.advance()
    if not np.isfinite(predictions).all():
        raise _diverged(training, "its predictions are not finite")
    model = FittedModel(spec.family, dict(spec.config), both.width, learner.model())
    return model, len(both.train_y)


def _diverged(training: Training, why: str) -> NoResultError:
    spec = training.spec
    return NoResultError(
        f"Trial {spec.number} of '{training.study}' diverged when trained again on "
        f"{training.split.spec} with seed {spec.seed}: {why}.",
        "Leave it out: give a smaller --top, or search on.",
    )
