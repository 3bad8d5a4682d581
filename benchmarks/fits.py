"""One training of each family that is no network: fesearch against the library's own estimator.

    python benchmarks/fits.py

Each is trained on the 145 features of ``miedema`` (8,910 rows) with one thread, by fesearch as a
trial does (built, advanced to its end with predictions of the validation rows after every step) and
by the estimator that a user would take instead, with the same hyperparameters, fitted and asked for
the same rows once. Least seconds of ``REPEATS`` runs, alternating, and the validation MAE of both,
which shows that they train the same thing. No search, no Ray: that is ``search.py``. ``--smoke``
takes every tenth row and one run.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from _results import write

from fesearch.family import FAMILIES
from fesearch.split import Development

REPEATS = 3
ROUNDS = 200
TREES = {"n_estimators": 50}
CONFIGS: dict[str, dict[str, Any]] = {
    "random_forest": {"min_samples_split": 5, "max_features": 0.33, "max_depth": 25, **TREES},
    "extra_trees": TREES,
}
"""Where not the family's first config is trained."""


def forests(seed: int) -> dict[str, Callable[[dict[str, Any]], Any]]:
    """Family -> scikit-learn's estimator of a config."""
    from sklearn import ensemble, tree

    def boosted(config: dict[str, Any]) -> Any:
        depth = config.pop("max_depth")
        base = tree.DecisionTreeRegressor(max_depth=depth)
        return ensemble.AdaBoostRegressor(base, random_state=seed, **config)

    def bagged(config: dict[str, Any]) -> Any:
        leaf = config.pop("min_samples_leaf")
        base = tree.DecisionTreeRegressor(min_samples_leaf=leaf)
        return ensemble.BaggingRegressor(base, random_state=seed, **config)

    return {
        "random_forest": lambda c: ensemble.RandomForestRegressor(random_state=seed, **c),
        "extra_trees": lambda c: ensemble.ExtraTreesRegressor(random_state=seed, **c),
        "decision_tree": lambda c: tree.DecisionTreeRegressor(random_state=seed, **c),
        "bagging": bagged,
        "adaboost": boosted,
    }


def boosters(seed: int) -> dict[str, Callable[[dict[str, Any]], Any]]:
    """Family -> the package's estimator of a config, of ``ROUNDS`` rounds unless that says."""
    import catboost
    import lightgbm
    import xgboost

    def without_loss(config: dict[str, Any]) -> dict[str, Any]:
        assert config.pop("loss") == "squared_error"
        return {"n_estimators": ROUNDS, **config}

    return {
        "xgboost": lambda c: xgboost.XGBRegressor(n_jobs=1, random_state=seed, **without_loss(c)),
        "lightgbm": lambda c: lightgbm.LGBMRegressor(
            n_jobs=1, random_state=seed, verbosity=-1, bagging_freq=1, **without_loss(c)
        ),
        "catboost": lambda c: catboost.CatBoostRegressor(
            thread_count=1, random_seed=seed, allow_writing_files=False, silent=True,
            bootstrap_type="MVS", boosting_type="Plain", **without_loss(c),
        ),
    }  # fmt: skip


def others(width: int) -> dict[str, Callable[[dict[str, Any]], Any]]:
    """Family -> scikit-learn's pipeline with scaled features and target."""
    from sklearn import compose, kernel_ridge, linear_model, neighbors, pipeline, preprocessing, svm

    def scaled(estimator: Any) -> Any:
        model = pipeline.make_pipeline(preprocessing.StandardScaler(), estimator)
        return compose.TransformedTargetRegressor(model, transformer=preprocessing.StandardScaler())

    return {
        "linear_regression": lambda c: scaled(linear_model.LinearRegression()),
        "ridge": lambda c: scaled(linear_model.Ridge(**c)),
        "lasso": lambda c: scaled(linear_model.Lasso(**c)),
        "elastic_net": lambda c: scaled(linear_model.ElasticNet(**c)),
        "svr": lambda c: scaled(
            svm.SVR(C=c["c"], epsilon=c["epsilon"], gamma=c["gamma"] / width, cache_size=1000)
        ),
        "krr": lambda c: scaled(
            kernel_ridge.KernelRidge(alpha=c["alpha"], kernel="rbf", gamma=c["gamma"] / width)
        ),
        "k_neighbors": lambda c: scaled(
            neighbors.KNeighborsRegressor(c["n_neighbors"], weights=c["weights"])
        ),
    }


def estimators(seed: int, width: int) -> dict[str, Callable[[dict[str, Any]], Any]]:
    """Family -> the estimator that a user would take instead, of a config and so many features."""
    return {**forests(seed), **boosters(seed), **others(width)}


def ours(family: str, config: dict[str, Any], data: Development) -> np.ndarray:
    """Predictions of the validation rows at the end of a training by fesearch."""
    declared = FAMILIES.get(family)
    rounds = ROUNDS if declared.resource.unit == "rounds" else None
    learner = declared.build(config, data, seed=0, threads=1, device="cpu")
    found = [learner.advance() for _ in declared.steps(config, rounds)]
    return found[-1]


def timed(work: Callable[[], np.ndarray], truth: np.ndarray) -> tuple[float, float]:
    """Seconds, and MAE."""
    began = time.perf_counter()
    predicted = work()
    return time.perf_counter() - began, float(np.mean(np.abs(predicted - truth)))


def compared(family: str, make: Any, data: Development, repeats: int) -> dict[str, Any]:
    """A line of the table."""
    config = {**FAMILIES.get(family).best, **CONFIGS.get(family, {})}

    def theirs() -> np.ndarray:
        found: np.ndarray = make(dict(config)).fit(data.train_x, data.train_y).predict(data.val_x)
        return found

    mine, plain = [], []
    for _ in range(repeats):
        mine.append(timed(lambda: ours(family, config, data), data.val_y))
        plain.append(timed(theirs, data.val_y))
    (seconds, mae), (their_seconds, their_mae) = min(mine), min(plain)
    return {
        "family": family,
        "seconds": round(seconds, 3),
        "library_seconds": round(their_seconds, 3),
        "ratio": round(their_seconds / seconds, 2),
        "val_mae": round(mae, 5),
        "library_val_mae": round(their_mae, 5),
    }


def magpie(smoke: bool) -> Development:
    """Training and validation rows of ``miedema``."""
    from fesearch import library, split
    from fesearch.features import build
    from fesearch.featureset import Inputs
    from fesearch.splitspec import SplitSpec

    data = library.load("miedema")
    made = split.make(data, SplitSpec.parse("random"))
    features = build("magpie", Inputs.of(data)).matrix
    part = made.development(features, data.target("formation_enthalpy"))
    step = 10 if smoke else 1
    train, val = slice(None, None, step), slice(None, None, step)
    return Development(part.train_x[train], part.train_y[train], part.val_x[val], part.val_y[val])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    from threadpoolctl import threadpool_limits

    data, lines = magpie(given.smoke), []
    with threadpool_limits(1):
        for family, make in estimators(0, data.width).items():
            lines.append(compared(family, make, data, 1 if given.smoke else REPEATS))
            print(lines[-1], flush=True)
    if not given.smoke:
        write("fits", lines)


if __name__ == "__main__":
    main()
