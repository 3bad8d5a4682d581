"""What a driver may still spend: read from the store, and again while it searches."""

import threading
import time
from dataclasses import dataclass, replace

from fesearch.duration import duration, kept_back
from fesearch.family import Resource
from fesearch.hardware import trials_on
from fesearch.search.core import Core
from fesearch.search.extend import let_go_on
from fesearch.search.folder import study_folder
from fesearch.search.halving import FACTOR, first_rung
from fesearch.search.prepare import Prepared, stored_study
from fesearch.search.pruner import PRUNERS
from fesearch.search.settings import Settings
from fesearch.store.results import Store
from fesearch.store.studies import SPARED
from fesearch.store.types import StudyRow
from fesearch.study import Study


@dataclass(frozen=True)
class Allowance:
    """The time of one run.

    Attributes:
        seconds: in place of what is left of the study's own time limit; None is that.
        overrun: seconds beyond it that a trial may take to its next report, until one has a value.
        afterwards: the study's own limit is also for what comes after the search.
        concluding: nothing is to follow, whatever ``seconds`` are.
    """

    seconds: float | None = None
    overrun: float = 0.0
    afterwards: bool = False
    concluding: bool = False

    def is_last(self, study: Study, spent: float) -> bool:
        """Whether the time of the study is over with that of a run that begins after ``spent``."""
        if self.concluding or self.seconds is None:
            return True
        return study.time_limit is not None and spent >= duration(study.time_limit)

    def left(self, study: Study, spent: float) -> float | None:
        """Seconds from now on, of a study that has worked for ``spent``; None is no limit."""
        if self.seconds is not None or study.time_limit is None:
            return self.seconds
        limit = duration(study.time_limit)
        return max(limit - (kept_back(limit) if self.afterwards else 0.0) - spent, 0.0)


def settings_of(row: StudyRow, prepared: Prepared, allowance: Allowance) -> Settings:
    """What the core is to know of a study as it stands."""
    study = prepared.study
    limit = allowance.left(study, row.seconds)
    return Settings(
        name=row.name,
        family=prepared.family,
        space=prepared.space,
        metric=prepared.metric,
        unit=row.unit,
        seed=study.seed,
        trials=study.budget(),
        first=tuple(study.first_configs()),
        spared=tuple(row.definition.get(SPARED, ())),
        maximum=study.max_epochs,
        patience=study.patience,
        pruner=study.pruner,
        rungs=rungs_of(study, prepared.family.resource),
        reduction_factor=study.reduction_factor or FACTOR,
        brackets=study.brackets or 1,
        deadline=None if limit is None else time.monotonic() + limit,
        overrun=allowance.overrun,
        retries=study.retries,
        trial_time_limit=duration(study.trial_time_limit) if study.trial_time_limit else None,
        threads=study.cpus_per_trial,
        device="cuda" if study.gpus else "cpu",
        own_gpus=bool(study.gpus) and trials_on(1, study.gpus_per_trial) < 2,
        folder=study_folder(row),
        timed="latency" in study.objectives,
    )


def rungs_of(study: Study, resource: Resource) -> tuple[int, ...]:
    """The rungs of a study whose family counts in ``resource``; none where it prunes nothing."""
    maximum, factor = study.end(), study.reduction_factor or FACTOR
    first = study.grace or first_rung(resource, factor, maximum)
    return PRUNERS.get(study.pruner).rungs(first, factor, maximum)


class Budget:
    """The budget of a study in progress, which others may change in the store.

    Args:
        row: of the study, as ``core`` knows it.

    Attributes:
        row: as it was when it was last looked at.
    """

    def __init__(
        self, store: Store, row: StudyRow, prepared: Prepared, core: Core, allowance: Allowance
    ) -> None:
        self.row = row
        self._store = store
        self._prepared = prepared
        self._core = core
        self._allowance = allowance
        self._lock = threading.Lock()

    def renew(self) -> bool:
        """Take up what was changed since the last look; whether anything was."""
        with self._lock:
            row = self._store.study(self.row.name)
            if row.definition == self.row.definition:
                return False
            known = len(self.row.definition.get("changes", []))
            self.row = row
            study = stored_study(row)
            self._core.extend(self._settings(study))
            for change in row.definition.get("changes", [])[known:]:
                self._core.note(f"{change['key']} is {change['new']} now, was {change['old']}")
            return True

    def more(self) -> bool:
        """Whether there is more to do than when it was last asked, once the core is done."""
        renewed = self.renew()
        return bool(let_go_on(self._store, self.row)) or renewed

    def _settings(self, study: Study) -> Settings:
        settings = settings_of(self.row, replace(self._prepared, study=study), self._allowance)
        if self._allowance.seconds is not None:
            return replace(settings, deadline=self._core.settings.deadline)
        return settings
