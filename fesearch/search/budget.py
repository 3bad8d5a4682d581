"""What a driver may still spend: read from the store, and again while it searches."""

import threading
import time
from dataclasses import replace

from fesearch.duration import duration
from fesearch.family import Resource
from fesearch.search.core import Core, Settings
from fesearch.search.extend import let_go_on
from fesearch.search.folder import study_folder
from fesearch.search.halving import FACTOR, first_rung
from fesearch.search.prepare import Prepared
from fesearch.search.pruner import PRUNERS
from fesearch.store.results import Store
from fesearch.store.types import StudyRow
from fesearch.study import Study, from_keys


def settings_of(
    row: StudyRow, prepared: Prepared, limit: float | None = None, overrun: float = 0.0
) -> Settings:
    """What the core is to know of a study as it stands.

    Args:
        limit: seconds of this run, in place of what is left of the study's own.
        overrun: seconds beyond them that a trial may take to its next report.
    """
    study = prepared.study
    if limit is None and study.time_limit is not None:
        limit = max(duration(study.time_limit) - row.seconds, 0.0)
    return Settings(
        name=row.name,
        family=prepared.family,
        space=prepared.space,
        metric=prepared.metric,
        unit=row.unit,
        seed=study.seed,
        trials=study.budget(),
        maximum=study.max_epochs,
        patience=study.patience,
        pruner=study.pruner,
        rungs=rungs_of(study, prepared.family.resource),
        reduction_factor=study.reduction_factor or FACTOR,
        brackets=study.brackets or 1,
        deadline=None if limit is None else time.monotonic() + limit,
        overrun=overrun,
        retries=study.retries,
        trial_time_limit=duration(study.trial_time_limit) if study.trial_time_limit else None,
        threads=study.cpus_per_trial,
        device="cuda" if study.gpus else "cpu",
        own_gpus=bool(study.gpus) and study.gpus_per_trial >= 1,
        folder=study_folder(row),
        timed="latency" in study.objectives,
    )


def rungs_of(study: Study, resource: Resource) -> tuple[int, ...]:
    """The rungs of a study whose family counts in ``resource``; none where it prunes nothing."""
    maximum, factor = study.end(), study.reduction_factor or FACTOR
    first = study.grace or first_rung(resource.step, factor, maximum)
    return PRUNERS.get(study.pruner).rungs(first, factor, maximum)


class Budget:
    """The budget of a study in progress, which others may change in the store.

    Args:
        row: of the study, as ``core`` knows it.
        limited: the run has a time limit of its own, whatever the study's is.

    Attributes:
        row: as it was when it was last looked at.
    """

    def __init__(
        self, store: Store, row: StudyRow, prepared: Prepared, core: Core, limited: bool
    ) -> None:
        self.row = row
        self._store = store
        self._prepared = prepared
        self._core = core
        self._limited = limited
        self._lock = threading.Lock()

    def renew(self) -> bool:
        """Take up what was changed since the last look; whether anything was."""
        with self._lock:
            row = self._store.study(self.row.name)
            if row.definition == self.row.definition:
                return False
            known = len(self.row.definition.get("changes", []))
            self.row = row
            study = from_keys(row.definition["study"], row.name).resolved(row.key.target)
            self._core.extend(self._settings(study))
            for change in row.definition.get("changes", [])[known:]:
                self._core.note(f"{change['key']} is {change['new']} now, was {change['old']}")
            return True

    def more(self) -> bool:
        """Whether there is more to do than when it was last asked, once the core is done."""
        renewed = self.renew()
        return bool(let_go_on(self._store, self.row)) or renewed

    def _settings(self, study: Study) -> Settings:
        settings = settings_of(self.row, replace(self._prepared, study=study))
        if self._limited:
            now = self._core.settings
            return replace(settings, deadline=now.deadline, overrun=now.overrun)
        return settings
