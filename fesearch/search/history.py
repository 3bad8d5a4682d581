"""Optuna's storage in memory with a limit on the past that samplers look at.

One TPE suggestion takes 20 ms with a thousand trials behind it and ten times as long with ten
thousand, all of it while a worker waits. What lies behind the limit is chosen by the trials alone,
not by when they came, so a search that is resumed sees the same past.
"""

from collections.abc import Container

from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

LARGEST = 1000
BEST = 100
"""Of the finished trials, those with the best values among ``LARGEST``; the others are the latest.

TPE's good trials are the best tenth, 25 at most.
"""


class History(InMemoryStorage):
    """Lists every trial that runs, and of those that have ended the best and the latest."""

    def __init__(self, largest: int = LARGEST, best: int = BEST) -> None:
        super().__init__()
        self._largest = largest
        self._best = best

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """The trials of the limited past, ordered by number; see Optuna's ``BaseStorage``."""
        trials: list[FrozenTrial] = super().get_all_trials(study_id, deepcopy, states)
        ended = [trial for trial in trials if trial.state.is_finished()]
        if len(ended) <= self._largest:
            return trials
        sign = -1.0 if self.get_study_directions(study_id)[0] is StudyDirection.MAXIMIZE else 1.0
        scored = [trial for trial in ended if trial.value is not None]
        scored.sort(key=lambda trial: (sign * (trial.value or 0.0), trial.number))
        kept = {trial.number for trial in scored[: self._best]}
        others = [trial.number for trial in ended if trial.number not in kept]
        kept.update(others[len(others) - (self._largest - len(kept)) :])
        return [t for t in trials if t.number in kept or not t.state.is_finished()]
