"""Recorded trials trained again, without a search and without a trace in the store."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fesearch import archive
from fesearch.errors import InputError
from fesearch.finalists import ranked
from fesearch.nets.device import gpu_count
from fesearch.own import run_files
from fesearch.record import Fault, TrialResult, TrialSpec
from fesearch.search.prepare import (
    Prepared,
    Progress,
    archived_study,
    prepare_again,
    versions,
)
from fesearch.store.results import Store
from fesearch.store.types import ReportRow, StudyRow
from fesearch.trial import run

ARCHIVE = ".zip"
SAME = 0.0
ROUNDING = 1e-6
OTHER_DEVICE = 1e-2
"""Relative tolerances: for the package versions of the record on a CPU, where a seed gives the same
numbers bit for bit; for other versions, which may sum in another order; where a GPU is or was in
play, whose sums have no fixed order, so that trainings drift apart."""


@dataclass(frozen=True)
class Replayed:
    """A trial as it was and as it is now.

    Attributes:
        device: torch's word, of the training now.
        new: best value so far at the recorded resource; None where there is none.
        difference: the largest relative one of the two curves, end included; infinite where one has
            a number and the other none, or where one is shorter.
        tolerance: the largest that counts as the same.
    """

    trial: TrialResult
    device: str
    new: float | None
    difference: float
    tolerance: float

    @property
    def same(self) -> bool:
        """The difference is within the tolerance."""
        return self.difference <= self.tolerance


def replay(
    source: str,
    url: str,
    *,
    trials: Sequence[int] = (),
    best: int | None = None,
    tolerance: float | None = None,
    family_files: Iterable[str] = (),
    progress: Progress | None = None,
    watch: Callable[[Replayed], None] = lambda _: None,
) -> list[Replayed]:
    """Train recorded trials again with their seeds, steps and threads, and compare.

    Args:
        source: name of a study of the store, or path of an archive, which ends in ".zip".
        url: of the store.
        trials: numbers; or the ``best`` so many; by default all that no fault has ended.
        tolerance: relative, in place of ``SAME``, ``ROUNDING`` or ``OTHER_DEVICE``.
        family_files: the user's own files that an archived study needs: what a file from elsewhere
            names is not run unasked.
        progress: of the features.
        watch: told of each trial as it ends.

    Raises:
        StudyNotFoundError: there is no such study.
        InputError: there is no such trial, it was ended by a fault, or the data are not there as
            they were.
    """
    run_files(family_files)
    if not source.endswith(ARCHIVE):
        records = _records(url, source, trials, best)
        prepared = prepare_again(records.row, progress)
    else:
        with archive.opened(Path(source)) as (archived, name):
            records = _records(archived, name, trials, best)
        study, rows = archived_study(records.row), archive.data(Path(source))
        prepared = prepare_again(records.row, progress, study=study, rows=rows)
    device = "cuda" if prepared.study.gpus and gpu_count() else "cpu"
    if tolerance is None:
        tolerance = _tolerance(records.row, prepared, device)
    found = []
    for trial in records.trials:
        curve = [report for report in records.reports if report.number == trial.number]
        found.append(_replayed(trial, curve, prepared, device, tolerance))
        watch(found[-1])
    return found


class _Records(NamedTuple):
    """What a replay takes from a store."""

    row: StudyRow
    trials: list[TrialResult]
    reports: list[ReportRow]


def _records(url: str, name: str, numbers: Sequence[int], best: int | None) -> _Records:
    with Store.look(url) as store:
        row = store.study(name)
        if best is not None:
            chosen = ranked(store, row)[:best]
        elif numbers:
            chosen = [store.trial(row, number) for number in numbers]
        else:
            chosen = [trial for trial in store.trials(row) if _has_curve(trial)]
        for trial in chosen:
            if not _has_curve(trial):
                raise InputError(
                    f"Trial {trial.number} of '{name}' has no end of its own to compare with: "
                    f"{trial.reason or 'it has not ended'}.",
                    f"Choose another trial: fesearch trials {name}",
                )
        return _Records(row, chosen, store.reports(row))


def _has_curve(trial: TrialResult) -> bool:
    """It ended by its own doing, a divergence included, and not by the machine's."""
    return trial.state.finished and trial.fault is not Fault.MACHINE and trial.resource > 0


def _tolerance(row: StudyRow, prepared: Prepared, device: str) -> float:
    if prepared.study.gpus or device != "cpu":
        return OTHER_DEVICE
    return SAME if versions(prepared) == row.versions else ROUNDING


def _replayed(
    trial: TrialResult,
    curve: Sequence[ReportRow],
    prepared: Prepared,
    device: str,
    tolerance: float,
) -> Replayed:
    """Train a trial to where it was stopped."""
    study, family = prepared.study, prepared.family
    spec = TrialSpec(
        number=trial.number,
        family=trial.family,
        config=trial.config,
        seed=trial.seed,
        steps=family.steps(trial.config, study.max_epochs),
        patience=family.patience(trial.config, study.patience),
        metric=prepared.metric.name,
        threads=study.cpus_per_trial,
        device=device,
    )
    new, values = None, []
    for report in run([spec], prepared.development):
        new = report.best
        values.append((report.resource, report.raw))
        if report.resource >= trial.resource:
            break
    old = [(report.resource, report.raw) for report in curve]
    first = old[0][0] if trial.parent is not None and old else 0
    ends = [(trial.resource, _number(trial.value)), (trial.resource, _number(new))]
    difference = _furthest([*old, ends[0]], [*(v for v in values if v[0] >= first), ends[1]])
    return Replayed(trial, device, new, difference, tolerance)


def _furthest(old: Sequence[tuple[int, float]], new: Sequence[tuple[int, float]]) -> float:
    """The largest relative difference of two curves of (resource, value)."""
    if [resource for resource, _ in old] != [resource for resource, _ in new]:
        return math.inf
    return max(_relative(a, b) for (_, a), (_, b) in zip(old, new, strict=True))


def _relative(old: float, new: float) -> float:
    if old == new or (math.isnan(old) and math.isnan(new)):
        return 0.0
    if not (math.isfinite(old) and math.isfinite(new)):
        return math.inf
    return abs(new - old) / max(abs(old), abs(new))


def _number(value: float | None) -> float:
    return math.nan if value is None else value
