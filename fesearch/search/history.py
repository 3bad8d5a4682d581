"""Optuna's storage in memory with a limit on the past that samplers look at.

One TPE suggestion takes 20 ms with a thousand trials behind it and ten times as long with ten
thousand, all of it while a worker waits. What lies behind the limit is chosen by the trials alone,
not by when they came, so a search that is resumed sees the same past. It is kept up to date trial
by trial: a suggestion lists the past several times, and would go through all trials each time.
"""

import copy
import math
from collections.abc import Container, Sequence

from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

LARGEST = 1000
BEST = 100
"""Of the finished trials, those with the best values among ``LARGEST``; the others are the latest.

TPE's good trials are the best tenth, 25 at most.
"""


class History(InMemoryStorage):
    """Lists the trials of its one study that have not ended, and the best and latest that have.

    Those that failed, which no sampler learns from, are not listed.
    """

    def __init__(self, largest: int = LARGEST, best: int = BEST) -> None:
        super().__init__()
        self._largest = largest
        self._best = best
        self._going: set[int] = set()
        self._past: list[FrozenTrial] = []
        self._study_id = 0

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """See Optuna's ``BaseStorage``."""
        with self._lock:
            trial_id: int = super().create_new_trial(study_id, template_trial)
            self._going.add(trial_id)
            self._study_id = study_id
            self._end(trial_id)
        return trial_id

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """See Optuna's ``BaseStorage``."""
        with self._lock:
            done: bool = super().set_trial_state_values(trial_id, state, values)
            self._end(trial_id)
        return done

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """The trials of the limited past, ordered by number; see Optuna's ``BaseStorage``."""
        with self._lock:
            every = [*self._past, *map(self.get_trial, self._going)]
        found = [trial for trial in every if states is None or trial.state in states]
        found.sort(key=lambda trial: trial.number)
        return copy.deepcopy(found) if deepcopy else found

    def _end(self, trial_id: int) -> None:
        """A trial that has ended becomes a part of the past, and what it displaces leaves it."""
        trial = self.get_trial(trial_id)
        if not trial.state.is_finished():
            return
        self._going.discard(trial_id)
        if trial.state is TrialState.FAIL:
            return
        self._past.append(trial)
        if len(self._past) <= self._largest:
            return
        [direction] = self.get_study_directions(self._study_id)
        sign = -1.0 if direction is StudyDirection.MAXIMIZE else 1.0
        scores = {
            one.number: sign * value
            for one in self._past
            if (value := one.value) is not None and not math.isnan(value)
        }
        best = set(sorted(scores, key=lambda number: (scores[number], number))[: self._best])
        oldest = min(one.number for one in self._past if one.number not in best)
        self._past = [one for one in self._past if one.number != oldest]
