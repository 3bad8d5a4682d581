"""The model that is delivered: a trial's config trained once more, on the rows of all parts."""

import numpy as np

from fesearch.errors import InputError, NoResultError
from fesearch.model import FittedModel
from fesearch.record import TrialResult, TrialSpec
from fesearch.search.prepare import Prepared
from fesearch.split import Development
from fesearch.trial import run


def refit(prepared: Prepared, trial: TrialResult, *, device: str = "cpu") -> FittedModel:
    """Train a trial's config with its seed on every row of the division, for the resource found.

    That is as much as the trial had at its best score; nothing is left to choose by, so that
    nothing is scored that could be shown, and the test part stays sealed. A learning rate that
    falls on a plateau falls by rows that are trained on here, and so perhaps later.

    Args:
        trial: a usable one.
        device: torch's word, "cpu" or "cuda".

    Raises:
        InputError: the family cannot be trained on so many rows.
        NoResultError: the training diverges.
    """
    assert trial.best_resource is not None, "a usable trial has a best score"
    x, y = prepared.split.every_part(
        prepared.features.matrix, prepared.dataset.target(prepared.target)
    )
    known = prepared.development
    data = Development(x, y, known.val_x, known.val_y)
    prepared.family.suits(trial.config, data)
    spec = TrialSpec(
        number=trial.number,
        family=trial.family,
        config=trial.config,
        seed=trial.seed,
        steps=(trial.best_resource,),
        metric=prepared.metric.name,
        threads=prepared.study.cpus_per_trial,
        device=device,
    )
    running = run([spec], data)
    [report] = running
    if report.diverged is not None or report.best is None or not np.isfinite(report.best):
        raise NoResultError(
            f"Trial {trial.number} trained on all {len(y)} rows diverges.",
            "Choose another one with --trial, or leave --refit out.",
        )
    return running.model(0)


def refuse_device(prepared: Prepared, device: str) -> None:
    """Refuse a GPU for a family that has no use for one.

    Raises:
        InputError: it computes on CPUs.
    """
    if device != "cpu" and not prepared.family.gpu:
        raise InputError(
            f"The family {prepared.family.name} computes on CPUs, and a GPU is asked for.",
            "Leave --gpus out.",
        )
