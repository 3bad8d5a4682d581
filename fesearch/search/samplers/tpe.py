"""Optuna's tree-structured Parzen estimator (Bergstra et al., NIPS 2011)."""

import warnings
from collections.abc import Iterable
from dataclasses import replace

import optuna

from fesearch.metrics import Direction
from fesearch.record import Fault, TrialResult
from fesearch.search.history import History
from fesearch.search.mirror import Mirror
from fesearch.search.sampler import Method
from fesearch.search.samplers.random import Random, written
from fesearch.seeds import derive
from fesearch.space import Config, Domain, Float, Int, Space, Value


class TPE:
    """Optuna's tree-structured Parzen estimator, seeded anew for each trial number.

    Trials live in a storage in memory, filled from our store: no database is read to suggest, and
    of the trials that have ended it sees a thousand at most (``History``). A config the space has
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
        self._random = Random(space, seed)
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
        study = self._mirror.study
        study.sampler = _tpe(derive(self._seed, "sampler", number))
        trial = study.ask()
        config: dict[str, Value] = {}
        for name in self._space.parameters:
            domain = self._space.active(name, config)
            if domain is not None:
                config[name] = suggested(trial, name, domain)
        if not self._random.given(config):
            self._asked = (written(config), trial._trial_id)
            return config
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return self._random.suggest(number)

    def begin(self, number: int, family: str, config: Config) -> None:
        self._random.begin(number, family, config)
        if self._asked is not None and self._asked[0] == written(config):
            self._mirror.adopt(number, family, self._asked[1])
        self._asked = None
        self._mirror.begin(number, family, config)

    def report(self, number: int, resource: int, best: float | None) -> None:
        self._mirror.report(number, resource, best)

    def finish(self, result: TrialResult) -> None:
        self._mirror.finish(result)


def _tpe(seed: int) -> optuna.samplers.TPESampler:
    """TPE over joint distributions, apart for each set of parameters that occur together."""
    with warnings.catch_warnings():
        # Optuna calls ``group`` experimental; no conditional space is sampled well without it.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True)


def suggested(trial: optuna.Trial, name: str, domain: Domain) -> Value:
    if isinstance(domain, Float):
        return trial.suggest_float(name, domain.low, domain.high, log=domain.log)
    if isinstance(domain, Int):
        step = {} if domain.log else {"step": domain.step}
        return trial.suggest_int(name, domain.low, domain.high, log=domain.log, **step)
    return trial.suggest_categorical(name, domain.options)


SAMPLER = Method("tpe", "Tree-structured Parzen estimator", TPE, learns=True)
