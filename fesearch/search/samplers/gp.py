"""Optuna's Gaussian process with log expected improvement: for budgets of some hundred trials."""

import optuna

from fesearch.search import threads
from fesearch.search.sampler import Method
from fesearch.search.samplers._optuna import STARTUP, config_of, limited, study_of, tpe_apart
from fesearch.search.samplers._told import Told
from fesearch.seeds import derive
from fesearch.space import Value

LARGEST, BEST = 300, 100
"""Trials the process is fitted to, the best of them and the latest: its cost grows as their cube.
"""


class GP(Told):
    """A Gaussian process over the parameters that every config has, fitted anew for each trial.

    Those that exist under conditions are drawn by TPE, each by itself. The first trials are
    quasi-random points. Of trials stopped early it sees what ``Past`` says. A config given before
    is replaced by a random new one. It computes with one thread: the others are the trials'.
    """

    def suggest(self, number: int) -> dict[str, Value] | None:
        from fesearch.nets.threads import limited as of_torch

        if self._spread.exhausted:
            return None
        trials = self._past.seen()
        if sum(one.loss is not None for one in trials) < STARTUP:
            return self._spread.suggest(number)
        seed = derive(self._seed, "sampler", number)
        sampler = optuna.samplers.GPSampler(
            seed=seed,
            n_startup_trials=STARTUP,
            independent_sampler=tpe_apart(seed),
            warn_independent_sampling=False,
        )
        study = study_of(limited(trials, LARGEST, BEST), self._space, sampler)
        with threads.limited(1), of_torch(1):
            config = config_of(study.ask(), self._space)
        return self._spread.another(number) if self._spread.given(config) else config


SAMPLER = Method("gp", "Gaussian process", GP, learns=True, costly=True)
