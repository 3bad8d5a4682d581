"""Optuna's tree-structured Parzen estimator (Bergstra et al., NIPS 2011)."""

from collections.abc import Iterable
from dataclasses import replace

import optuna
from optuna.trial import TrialState

from fesearch.metrics import Direction
from fesearch.record import Fault, TrialResult
from fesearch.search.history import History
from fesearch.search.mirror import Mirror
from fesearch.search.sampler import Method
from fesearch.search.samplers._optuna import STARTUP, config_of, tpe
from fesearch.search.samplers.qmc import QMC
from fesearch.search.samplers.random import written
from fesearch.seeds import derive
from fesearch.space import Config, Space, Value


class TPE:
    """Optuna's tree-structured Parzen estimator, seeded anew for each trial number.

    Trials live in a storage in memory, filled from our store: no database is read to suggest, and
    of the trials that have ended it sees a thousand at most (``History``). The first trials are
    quasi-random points, so that as many as begin together are spread out. A config the space has
    given before is replaced by a random new one, since a second training of it would tell less.

    Args:
        priors: trials of an earlier study that it learns from as if they were of this one.
    """

    def __init__(
        self, space: Space, seed: int, direction: Direction, priors: Iterable[TrialResult] = ()
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space = space
        self._seed = seed
        self._spread = QMC(space, seed)
        self._mirror = Mirror(History(), "search", direction, space, "search-1")
        self._asked: tuple[str, int] | None = None
        for place, prior in enumerate(priors, 1):
            self._learn(replace(prior, number=-place))

    def _learn(self, prior: TrialResult) -> None:
        """Take in a trial of an earlier study, under a number that none of this one has."""
        diverged = prior.fault is Fault.DIVERGED
        self._mirror.begin(prior.number, prior.family, prior.config)
        self._mirror.report(prior.number, prior.resource, None if diverged else prior.value)
        self._mirror.finish(prior)

    def suggest(self, number: int) -> dict[str, Value] | None:
        if self._spread.exhausted:
            return None
        study = self._mirror.study
        told = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        if len(told) < STARTUP:
            return self._spread.suggest(number)
        study.sampler = tpe(derive(self._seed, "sampler", number))
        trial = study.ask()
        config = config_of(trial, self._space)
        if not self._spread.given(config):
            self._asked = (written(config), trial._trial_id)
            return config
        study.tell(trial, state=TrialState.FAIL)
        return self._spread.another(number)

    def begin(self, number: int, family: str, config: Config) -> None:
        self._spread.begin(number, family, config)
        if self._asked is not None:
            asked, optuna_id = self._asked
            if asked == written(config):
                self._mirror.adopt(number, family, optuna_id)
            else:
                self._mirror.reject(optuna_id)
        self._asked = None
        self._mirror.begin(number, family, config)

    def report(self, number: int, resource: int, best: float | None) -> None:
        self._mirror.report(number, resource, best)

    def finish(self, result: TrialResult) -> None:
        self._mirror.finish(result)


SAMPLER = Method("tpe", "Tree-structured Parzen estimator", TPE, learns=True)
