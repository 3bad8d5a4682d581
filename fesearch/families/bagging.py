"""Bagging: the mean of full trees, each grown on a bootstrap sample of the rows.

Breiman, Machine Learning 24, 123 (1996), doi:10.1007/BF00058655; in Table 3 of Jha et al., KDD
2019, doi:10.1145/3292500.3330703, which says that a grid was searched but not which one: the
published space is scikit-learn's default. The full space is ours.

``max_samples`` and ``max_features`` are shares of the rows and features each tree is given; unlike
in ``random_forest`` a tree keeps the same features for all its splits. The full space has splits by
the absolute error too: such trees take three times as long (20,000 rows of 145 features).

Deviation: missing features count as the training median, as in ``random_forest``.
"""

from typing import TYPE_CHECKING

from fesearch.arrays import Arrays
from fesearch.family import Family, Learner, Predictor, Resource
from fesearch.space import Choice, Config, Float, Int, Space, number

if TYPE_CHECKING:
    from fesearch.split import Development

DEFAULT = "scikit-learn's default; not stated in Jha 2019"
OURS = "fesearch"
STEP = 10
"""Trees grown in one resource step."""
CRITERIA = ("squared_error", "absolute_error")
"""What a split makes as small as it can."""

BEST: Config = {
    "n_estimators": 10,
    "max_samples": 1.0,
    "max_features": 1.0,
    "min_samples_leaf": 1,
}

UNSTATED: Config = {"criterion": "squared_error"}
"""What the published space leaves at scikit-learn's default."""

PUBLISHED = Space({name: Choice((value,), source=DEFAULT) for name, value in BEST.items()})

FULL = Space(
    {
        "n_estimators": Int(10, 300, step=STEP, source=OURS),
        "max_samples": Float(0.2, 1.0, source=OURS),
        "max_features": Float(0.2, 1.0, source=OURS),
        "min_samples_leaf": Int(1, 20, log=True, source=OURS),
        "criterion": Choice(CRITERIA, source=OURS),
    }
)

LIMITS = Space(
    {
        "n_estimators": Int(STEP, 100_000, step=STEP),
        "max_samples": Float(1e-6, 1.0),
        "max_features": Float(1e-6, 1.0),
        "min_samples_leaf": Int(1, 1 << 30),
        "criterion": Choice(CRITERIA),
    }
)


def complete(config: Config) -> Config:
    """The config with what the published space does not have."""
    return {**UNSTATED, **config}


def check(config: Config) -> None:
    """Refuse a config no trees can be grown from; see ``family.Family``."""
    LIMITS.check(complete(config))


def build(config: Config, data: "Development", *, seed: int, threads: int, device: str) -> Learner:
    """An ensemble without trees yet; ``device`` is always the CPU. See ``family.Build``."""
    from sklearn.ensemble import BaggingRegressor
    from sklearn.tree import DecisionTreeRegressor

    from fesearch.classical.forest import ForestLearner

    of_a_tree = {name: complete(config)[name] for name in ("min_samples_leaf", "criterion")}
    growth = {
        "estimator": DecisionTreeRegressor(**of_a_tree),
        # the number that scikit-learn makes of a share, without its warning where that is low
        "max_samples": max(1, int(number(config, "max_samples") * len(data.train_y))),
        "max_features": number(config, "max_features"),
    }
    return ForestLearner(BaggingRegressor, growth, data, step=STEP, seed=seed, threads=threads)


def load(config: Config, arrays: Arrays, *, width: int, threads: int, device: str) -> Predictor:
    """A grown ensemble; see ``family.Load``."""
    from fesearch.classical.forest import ForestPredictor

    return ForestPredictor(arrays, width=width)


def length(config: Config) -> int:
    """The ensemble's own end of training: its number of trees."""
    trees = config["n_estimators"]
    assert isinstance(trees, int)
    return trees


FAMILY = Family(
    name="bagging",
    title="Bagged trees",
    source="Breiman, Machine Learning 24, 123 (1996), doi:10.1007/BF00058655; Jha et al., KDD "
    "2019, doi:10.1145/3292500.3330703, Table 3",
    published=PUBLISHED,
    full=FULL,
    best=BEST,
    resource=Resource(unit="trees", step=STEP, maximum=300),
    build=build,
    load=load,
    check=check,
    unstated=UNSTATED,
    length=length,
)
