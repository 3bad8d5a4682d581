"""Optuna's part in samplers that make a study of the trials so far for each suggestion."""

import warnings
from collections.abc import Iterable, Sequence

import optuna
from optuna.trial import TrialState, create_trial

from fesearch.search.mirror import distributions
from fesearch.search.past import Seen
from fesearch.space import Domain, Float, Int, Space, Value

STARTUP = 10
"""Trials that tell of their configs before a model is made of them, as Optuna has it."""


def limited(trials: Sequence[Seen], largest: int, best: int) -> list[Seen]:
    """Those that run, and of those with a loss the ``best`` and the latest, ``largest`` in all."""
    told = [one for one in trials if one.loss is not None]
    if len(told) <= largest:
        return list(trials)
    kept = {one.number for one in sorted(told, key=lambda one: (one.loss, one.number))[:best]}
    others = [one.number for one in told if one.number not in kept]
    kept.update(others[len(others) - (largest - len(kept)) :])
    return [one for one in trials if one.loss is None or one.number in kept]


def study_of(
    trials: Iterable[Seen], space: Space, sampler: optuna.samplers.BaseSampler
) -> optuna.Study:
    """A study in memory that minimises the losses of these trials."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=sampler, pruner=optuna.pruners.NopPruner())
    study.add_trials(
        create_trial(
            state=TrialState.RUNNING if one.loss is None else TrialState.COMPLETE,
            value=one.loss,
            params=dict(one.config),
            distributions=distributions(space, one.config),
        )
        for one in trials
    )
    return study


def tpe(seed: int) -> optuna.samplers.TPESampler:
    """TPE over joint distributions, apart for each set of parameters that occur together."""
    with warnings.catch_warnings():
        # Optuna calls ``group`` experimental; no conditional space is sampled well without it.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            seed=seed, multivariate=True, group=True, n_startup_trials=STARTUP
        )


def tpe_apart(seed: int) -> optuna.samplers.TPESampler:
    """TPE of each parameter by itself."""
    return optuna.samplers.TPESampler(seed=seed, multivariate=False, n_startup_trials=STARTUP)


def config_of(trial: optuna.Trial, space: Space) -> dict[str, Value]:
    """The config that the sampler of a trial suggests."""
    config: dict[str, Value] = {}
    for name in space.parameters:
        domain = space.active(name, config)
        if domain is not None:
            config[name] = suggested(trial, name, domain)
    return config


def suggested(trial: optuna.Trial, name: str, domain: Domain) -> Value:
    """The value of one parameter."""
    if isinstance(domain, Float):
        return trial.suggest_float(name, domain.low, domain.high, log=domain.log)
    if isinstance(domain, Int):
        step = {} if domain.log else {"step": domain.step}
        return trial.suggest_int(name, domain.low, domain.high, log=domain.log, **step)
    return trial.suggest_categorical(name, domain.options)
