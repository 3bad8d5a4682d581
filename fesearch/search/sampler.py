"""Which config to try next: exact grid, random, or Optuna's TPE.

A sampler is a function of the study's seed, the trial's number and the trials so far. It keeps no
random state between calls, so a search that is resumed goes on with the suggestions it would
have made: a fresh Optuna sampler of the same seed would repeat its first ones.
"""

import json
import warnings
from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

import optuna

from fesearch.metrics import Direction
from fesearch.record import Fault, TrialResult
from fesearch.search.history import History
from fesearch.search.mirror import Mirror
from fesearch.seeds import derive
from fesearch.space import Config, Domain, Float, Int, Space, Value

_REDRAWS = 100


class Sampler(Protocol):
    """What the core asks for configs and tells of trials."""

    def suggest(self, number: int) -> dict[str, Value] | None:
        """The config of trial ``number``, or None: every config of the space has been given."""

    def begin(self, number: int, family: str, config: Config) -> None:
        """Trial ``number`` has begun, with this config."""

    def report(self, number: int, resource: int, best: float | None) -> None:
        """A running trial has reported its best so far; None, it has none or diverged."""

    def finish(self, result: TrialResult) -> None:
        """A trial has ended."""


class Random:
    """Configs drawn uniformly from the space, each once as long as there are new ones."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._seed = seed
        self._size = space.size()
        self._given: set[str] = set()

    def suggest(self, number: int) -> dict[str, Value] | None:
        if self._size is not None and len(self._given) >= self._size:
            return None
        for draw in range(_REDRAWS):
            config = self._space.sample(derive(self._seed, "sampler", number, draw))
            if not self.given(config):
                return config
        return config if self._size is None else self._one_left(number)

    def _one_left(self, number: int) -> dict[str, Value]:
        """One of the few configs of a space not given yet, drawn by the trial's number."""
        left = [config for config in self._space.grid() if not self.given(config)]
        return left[derive(self._seed, "sampler", number) % len(left)]

    def begin(self, number: int, family: str, config: Config) -> None:
        self._given.add(_written(config))

    def report(self, number: int, resource: int, best: float | None) -> None:
        """Random search does not learn."""

    def finish(self, result: TrialResult) -> None:
        """Random search does not learn."""

    def given(self, config: Config) -> bool:
        """Whether a trial has had this config."""
        return _written(config) in self._given


class Grid(Random):
    """Every config of the space once, in an order shuffled by the seed.

    Raises:
        InputError: a parameter is continuous, so that there is no grid.
    """

    def __init__(self, space: Space, seed: int) -> None:
        super().__init__(space, seed)
        configs = list(space.grid())
        configs.sort(key=lambda config: derive(seed, "grid", _written(config)))
        self._order = iter(configs)

    def suggest(self, number: int) -> dict[str, Value] | None:
        return next((config for config in self._order if not self.given(config)), None)


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
                config[name] = _suggested(trial, name, domain)
        if not self._random.given(config):
            self._asked = (_written(config), trial._trial_id)
            return config
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return self._random.suggest(number)

    def begin(self, number: int, family: str, config: Config) -> None:
        self._random.begin(number, family, config)
        if self._asked is not None:
            asked, optuna_id = self._asked
            if asked == _written(config):
                self._mirror.adopt(number, family, optuna_id)
            else:
                self._mirror.reject(optuna_id)
        self._asked = None
        self._mirror.begin(number, family, config)

    def report(self, number: int, resource: int, best: float | None) -> None:
        self._mirror.report(number, resource, best)

    def finish(self, result: TrialResult) -> None:
        self._mirror.finish(result)


def sampler_named(
    name: str, space: Space, seed: int, direction: Direction, priors: Iterable[TrialResult] = ()
) -> Sampler:
    """The sampler that a study's key ``sampler`` names; see ``TPE`` for ``priors``."""
    if name == "tpe":
        return TPE(space, seed, direction, priors)
    return Grid(space, seed) if name == "grid" else Random(space, seed)


def _tpe(seed: int) -> optuna.samplers.TPESampler:
    """TPE over joint distributions, apart for each set of parameters that occur together."""
    with warnings.catch_warnings():
        # Optuna calls ``group`` experimental; no conditional space is sampled well without it.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True)


def _suggested(trial: optuna.Trial, name: str, domain: Domain) -> Value:
    if isinstance(domain, Float):
        return trial.suggest_float(name, domain.low, domain.high, log=domain.log)
    if isinstance(domain, Int):
        step = {} if domain.log else {"step": domain.step}
        return trial.suggest_int(name, domain.low, domain.high, log=domain.log, **step)
    return trial.suggest_categorical(name, domain.options)


def _written(config: Config) -> str:
    return json.dumps(dict(config), sort_keys=True)
