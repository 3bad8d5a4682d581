"""Extra trees: a forest whose splits are drawn at random and the best of them kept.

Geurts, Ernst and Wehenkel, Machine Learning 63, 3 (2006), doi:10.1007/s10994-006-6226-1. Neither of
the papers has it; it stands beside ``random_forest`` because a user of today would compare the
two. The published space is scikit-learn's default; the full space is ours.

Deviations: splits minimise the squared error alone, since a tree of the absolute one takes 13
times as long on 80,000 rows of 145 features; missing features count as the training median, as in
``random_forest``.
"""

from typing import TYPE_CHECKING

from fesearch.arrays import Arrays
from fesearch.family import Family, Learner, Predictor, Resource
from fesearch.space import Choice, Config, Float, Int, Space, number

if TYPE_CHECKING:
    from fesearch.split import Development

DEFAULT = "scikit-learn's default"
OURS = "fesearch"
STEP = 10
"""Trees grown in one resource step."""

BEST: Config = {
    "n_estimators": 100,
    "min_samples_split": 2,
    "min_samples_leaf": 1,
    "max_features": 1.0,
}

PUBLISHED = Space({name: Choice((value,), source=DEFAULT) for name, value in BEST.items()})

FULL = Space(
    {
        "n_estimators": Int(50, 500, step=STEP, source=OURS),
        "min_samples_split": Int(2, 40, log=True, source=OURS),
        "min_samples_leaf": Int(1, 20, log=True, source=OURS),
        "max_features": Float(0.05, 1.0, source=OURS),
    }
)

LIMITS = Space(
    {
        "n_estimators": Int(STEP, 100_000, step=STEP),
        "min_samples_split": Int(2, 1 << 30),
        "min_samples_leaf": Int(1, 1 << 30),
        "max_features": Float(1e-6, 1.0),
    }
)


def build(config: Config, data: "Development", *, seed: int, threads: int, device: str) -> Learner:
    """A forest without trees yet; ``device`` is always the CPU. See ``family.Build``."""
    from sklearn.ensemble import ExtraTreesRegressor

    from fesearch.classical.forest import ForestLearner

    growth = {name: value for name, value in config.items() if name != "n_estimators"}
    growth["max_features"] = number(config, "max_features")  # a whole 1 would be one feature
    return ForestLearner(ExtraTreesRegressor, growth, data, step=STEP, seed=seed, threads=threads)


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
    name="extra_trees",
    title="Extremely randomised trees",
    source="Geurts et al., Machine Learning 63, 3 (2006), doi:10.1007/s10994-006-6226-1",
    published=PUBLISHED,
    full=FULL,
    best=BEST,
    resource=Resource(unit="trees", step=STEP, maximum=500),
    build=build,
    load=load,
    check=LIMITS.check,
    length=length,
)
