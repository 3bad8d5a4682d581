"""Random forest: the classical model both papers find best.

The published space is the grid of Jha et al., KDD 2019, doi:10.1145/3292500.3330703, 4.1.4:
48 configs. Which of them won is not printed; ``BEST``, the first trial, is our choice of its
largest forest of deep trees.

Deviations: splits of the published space minimise the squared error, where that paper says MAE:
trees of the absolute error take three times as long (20,000 and 80,000 rows of 145 features). The
full space has both. A feature that is not finite is replaced by the median of its finite training
values. The full space, and its 500 trees at most, are ours.
"""

from typing import TYPE_CHECKING

from fesearch.arrays import Arrays
from fesearch.family import Family, Learner, Predictor, Resource
from fesearch.space import Choice, Config, Float, Int, Space, number

if TYPE_CHECKING:
    from fesearch.split import Development

GRID = "Jha 2019, 4.1.4"
OURS = "fesearch"
STEP = 10
"""Trees grown in one resource step."""
CRITERIA = ("squared_error", "absolute_error")
"""What a split makes as small as it can."""

PUBLISHED = Space(
    {
        "n_estimators": Choice((100, 150, 200), source=GRID),
        "min_samples_split": Choice((5, 10, 15, 20), source=GRID),
        "max_features": Choice((0.25, 0.33), source=GRID),
        "max_depth": Choice((10, 25), source=GRID),
    }
)

FULL = Space(
    {
        "n_estimators": Int(50, 500, step=STEP, source=OURS),
        "min_samples_split": Int(2, 40, log=True, source=OURS),
        "min_samples_leaf": Int(1, 20, log=True, source=OURS),
        "max_features": Float(0.05, 1.0, source=OURS),
        "max_depth": Int(5, 60, source=OURS),
        "criterion": Choice(CRITERIA, source=OURS),
    }
)

LIMITS = Space(
    {
        "n_estimators": Int(STEP, 100_000, step=STEP),
        "min_samples_split": Int(2, 1 << 30),
        "min_samples_leaf": Int(1, 1 << 30),
        "max_features": Float(1e-6, 1.0),
        "max_depth": Int(1, 1 << 30),
        "criterion": Choice(CRITERIA),
    }
)

BEST: Config = {
    "n_estimators": 200,
    "min_samples_split": 5,
    "max_features": 0.33,
    "max_depth": 25,
}


UNSTATED: Config = {"min_samples_leaf": 1, "criterion": "squared_error"}
"""What the published space leaves at scikit-learn's default."""


def complete(config: Config) -> Config:
    """The config with what the published space does not have."""
    return {**UNSTATED, **config}


def check(config: Config) -> None:
    """Refuse a config no forest can be grown from; see ``family.Family``."""
    LIMITS.check(complete(config))


def build(config: Config, data: "Development", *, seed: int, threads: int, device: str) -> Learner:
    """A forest without trees yet; ``device`` is always the CPU. See ``family.Build``."""
    from sklearn.ensemble import RandomForestRegressor

    from fesearch.classical.forest import ForestLearner

    growth = {name: value for name, value in complete(config).items() if name != "n_estimators"}
    growth["max_features"] = number(config, "max_features")  # a whole 1 would be one feature
    return ForestLearner(RandomForestRegressor, growth, data, step=STEP, seed=seed, threads=threads)


def load(config: Config, arrays: Arrays, *, width: int, threads: int, device: str) -> Predictor:
    """A grown forest; see ``family.Load``."""
    from fesearch.classical.forest import ForestPredictor

    return ForestPredictor(arrays, width=width)


def length(config: Config) -> int:
    """The forest's own end of training: its number of trees."""
    trees = config["n_estimators"]
    assert isinstance(trees, int)
    return trees


FAMILY = Family(
    name="random_forest",
    title="Random forest",
    source="Jha et al., KDD 2019, doi:10.1145/3292500.3330703, section 4.1.4",
    published=PUBLISHED,
    full=FULL,
    best=BEST,
    resource=Resource(unit="trees", step=STEP, maximum=500),
    build=build,
    load=load,
    check=check,
    unstated=UNSTATED,
    length=length,
)
