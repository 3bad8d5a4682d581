"""How much each hyperparameter decides, by Optuna's functional ANOVA."""

from collections.abc import Sequence

from fesearch.record import Fault, TrialResult
from fesearch.space import Value

SEED = 0


def importances(trials: Sequence[TrialResult]) -> dict[str, float]:
    """Parameter -> share of the variance of the trials' ranks, the largest first; their sum is 1.

    Ranks, since one trial that went astray would else be most of the variance. Parameters that
    some trial lacks, or that are the same in all, are left out; empty where none is left.

    Args:
        trials: with a value, the best first; those that diverged come last and tie.
    """
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

    names = [name for name in trials[0].config if all(name in one.config for one in trials)]
    spread = {name: [one.config[name] for one in trials] for name in names}
    spread = {name: values for name, values in spread.items() if len(set(map(repr, values))) > 1}
    if not spread:
        return {}
    found: dict[str, BaseDistribution] = {}
    for name, values in spread.items():
        numbers = [float(value) for value in values if _is_number(value)]  # type: ignore[arg-type]
        if len(numbers) == len(values) and len(set(numbers)) > 2:
            low, high = min(numbers), max(numbers)
            found[name] = FloatDistribution(low, high, log=low > 0 and high / low >= 100)
        else:
            found[name] = CategoricalDistribution(_distinct(values))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(storage=optuna.storages.InMemoryStorage())
    for rank, one in zip(_ranks(trials), trials, strict=True):
        given = {name: _given(one.config[name], found[name]) for name in spread}
        study.add_trial(
            optuna.trial.create_trial(params=given, distributions=found, value=float(rank))
        )
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=SEED)
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in shares.items()}


def _ranks(trials: Sequence[TrialResult]) -> list[int]:
    """Places from 0; equal values, and all that diverged, have one."""
    places: list[int] = []
    for index, one in enumerate(trials):
        before = trials[index - 1]
        lost, also = (each.fault is Fault.DIVERGED for each in (before, one))
        same = index > 0 and (also if lost else not also and one.value == before.value)
        places.append(places[-1] if same else index)
    return places


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _distinct(values: Sequence[Value]) -> list[Value]:
    return list({repr(value): value for value in values}.values())


def _given(value: Value, distribution: object) -> object:
    """A number as a float where the distribution is of floats."""
    from optuna.distributions import FloatDistribution

    return float(value) if isinstance(distribution, FloatDistribution) else value  # type: ignore[arg-type]
