"""One regression tree.

Breiman et al., "Classification and Regression Trees", 1984; in Tables 3 and 4 of Jha et al., KDD
2019, doi:10.1145/3292500.3330703, which says that a grid was searched but not which one: the
published space is scikit-learn's default. The full space is ours; it limits a tree by the rows of
its leaves, which do the work of a depth, and has splits by the absolute error too: such a tree
takes three times as long (20,000 and 80,000 rows of 145 features).

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
CRITERIA = ("squared_error", "absolute_error")
"""What a split makes as small as it can."""

BEST: Config = {"min_samples_split": 2, "min_samples_leaf": 1, "max_features": 1.0}
UNSTATED: Config = {"criterion": "squared_error"}
"""What the published space leaves at scikit-learn's default."""

PUBLISHED = Space({name: Choice((value,), source=DEFAULT) for name, value in BEST.items()})

FULL = Space(
    {
        "min_samples_split": Int(2, 100, log=True, source=OURS),
        "min_samples_leaf": Int(1, 50, log=True, source=OURS),
        "max_features": Float(0.1, 1.0, source=OURS),
        "criterion": Choice(CRITERIA, source=OURS),
    }
)

LIMITS = Space(
    {
        "min_samples_split": Int(2, 1 << 30),
        "min_samples_leaf": Int(1, 1 << 30),
        "max_features": Float(1e-6, 1.0),
        "criterion": Choice(CRITERIA),
    }
)


def complete(config: Config) -> Config:
    """The config with what the published space does not have."""
    return {**UNSTATED, **config}


def check(config: Config) -> None:
    """Refuse a config no tree can be grown from; see ``family.Family``."""
    LIMITS.check(complete(config))


def build(config: Config, data: "Development", *, seed: int, threads: int, device: str) -> Learner:
    """A tree not grown yet; ``device`` is always the CPU. See ``family.Build``."""
    from sklearn.tree import DecisionTreeRegressor

    from fesearch.classical.forest import ForestPredictor, filled, forest_arrays, medians
    from fesearch.classical.onefit import FitOnce
    from fesearch.classical.trees import Trees
    from fesearch.seeds import derive

    growth = {**complete(config), "max_features": number(config, "max_features")}

    def fit() -> Arrays:
        middle = medians(data.train_x)
        tree = DecisionTreeRegressor(**growth, random_state=derive(seed, "tree"))
        tree.fit(filled(data.train_x, middle), data.train_y)
        return forest_arrays(middle, [Trees.of([tree])])

    return FitOnce(
        fit,
        lambda arrays: ForestPredictor(arrays, width=data.width),
        data.val_x,
        counted=("chunk0.feature",),
        threads=threads,
    )


def load(config: Config, arrays: Arrays, *, width: int, threads: int, device: str) -> Predictor:
    """A grown tree; see ``family.Load``."""
    from fesearch.classical.forest import ForestPredictor

    return ForestPredictor(arrays, width=width)


FAMILY = Family(
    name="decision_tree",
    title="Decision tree",
    source="Breiman et al., 1984; Jha et al., KDD 2019, doi:10.1145/3292500.3330703, Tables 3 "
    "and 4",
    published=PUBLISHED,
    full=FULL,
    best=BEST,
    resource=Resource(unit="fits", step=1, maximum=1),
    build=build,
    load=load,
    check=check,
    unstated=UNSTATED,
    length=lambda config: 1,
)
