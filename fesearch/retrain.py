"""Configs that a search found, trained anew; side by side where that is worth a start of Ray."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from fesearch.errors import FesearchError, InputError
from fesearch.family import FAMILIES
from fesearch.hardware import trials_on
from fesearch.record import TrialResult, TrialSpec
from fesearch.search import resources
from fesearch.search.budget import Allowance, settings_of
from fesearch.search.prepare import Prepared
from fesearch.search.training import Matrices, Trained, Training, train, trainer
from fesearch.seeds import derive
from fesearch.split import Split
from fesearch.store.types import StudyRow
from fesearch.study import Study

SECONDS_TO_START = 20.0
"""Of Ray and its workers; what is done sooner is done here, one after the other."""
There = Callable[[int, Trained], None]
"""Told of a training, by its place, as soon as it has ended."""


def seeds(trial: TrialResult, count: int) -> list[int]:
    """Seeds for so many trainings of a trial's config, its own first."""
    return [trial.seed, *(derive(trial.seed, "holdout", again) for again in range(1, count))]


def training(
    row: StudyRow,
    prepared: Prepared,
    split: Split,
    trial: TrialResult,
    seed: int,
    *,
    joined: bool,
) -> Training:
    """The config of a trial to be trained on a division of the data of its study.

    Args:
        joined: on training and validation part, for the resource the trial was best at. A schedule
            that waits for a plateau then sees errors of rows that are learned.
    """
    settings = settings_of(row, prepared, Allowance())
    family = FAMILIES.get(trial.family)
    step, best = family.resource.step, trial.best_resource or trial.resource
    ended = tuple(range(step, best + 1, step))
    spec = TrialSpec(
        number=trial.number,
        family=trial.family,
        config=trial.config,
        seed=seed,
        steps=ended if joined else family.steps(trial.config, settings.maximum),
        patience=family.patience(trial.config, settings.patience),
        metric=prepared.metric.name,
        threads=settings.threads,
        device=settings.device,
    )
    return Training(row.name, spec, split, joined, trial.seconds)


def run(trainings: Sequence[Training], prepared: Mapping[str, Prepared], there: There) -> None:
    """Train all, with the cores, GPUs and cluster of their studies.

    Args:
        prepared: name of a study -> its data, features, and where it runs.
        there: called here, in the order in which trainings end.

    Raises:
        InputError: the studies are of different clusters; nothing was trained.
        NoResultError: one has diverged, here.
        FesearchError: one has failed on a worker; the others were reported first.
    """
    matrices = {
        name: (one.features.matrix, one.dataset.target(one.target))
        for name, one in prepared.items()
    }
    studies = [one.study for one in prepared.values()]
    workers = _side_by_side(trainings, studies)
    if workers > 1:
        _on_ray(trainings, studies, matrices, workers, there)
        return
    for place, one in enumerate(trainings):
        there(place, train(one, *matrices[one.study]))


def _side_by_side(trainings: Sequence[Training], studies: Sequence[Study]) -> int:
    """Trainings at once, each with the cores and the share of a GPU that a trial has."""
    seconds = sum(one.seconds for one in trainings)
    inline = any(study.runner == "inline" for study in studies)
    if inline or len(trainings) < 2 or seconds < SECONDS_TO_START:
        return 1  # and no cluster is asked how many cores it has
    addresses = {study.address or "local" for study in studies}
    if len(addresses) > 1:
        raise InputError(
            f"The studies ran at different addresses: {', '.join(sorted(addresses))}.",
            "Say where to train: --address HOST:PORT, or --address local.",
        )
    cores = min(resources.cores(study) for study in studies)
    counts = [len(trainings), cores // max(study.cpus_per_trial for study in studies)]
    counts += [trials_on(study.gpus, study.gpus_per_trial) for study in studies if study.gpus]
    workers = max(1, min(counts))
    return workers if seconds - seconds / workers > SECONDS_TO_START else 1


def _on_ray(
    trainings: Sequence[Training],
    studies: Sequence[Study],
    matrices: Matrices,
    workers: int,
    there: There,
) -> None:
    from fesearch import tasks  # which imports Ray

    failed: list[tuple[Training, str]] = []

    def report(place: int, result: Trained | tasks.Failure) -> None:
        if isinstance(result, tasks.Failure):
            failed.append((trainings[place], result.reason))
        else:
            there(place, result)

    own = dict.fromkeys(source for study in studies for source in study.own_sources())
    tasks.run(
        partial(trainer, list(own)),
        trainings,
        report,
        seconds=math.inf,
        workers=workers,
        needs=tasks.Needs(
            cpus=max(study.cpus_per_trial for study in studies),
            gpus=max(study.gpus_per_trial if study.gpus else 0.0 for study in studies),
            address=studies[0].address,
        ),
        given=(matrices,),
    )
    if failed:
        one, reason = failed[0]
        raise FesearchError(
            f"Trial {one.spec.number} of '{one.study}' could not be trained again on "
            f"{one.split.spec}: {reason}.",
            "The others are on record. Type the command again, or leave that trial out.",
        )
