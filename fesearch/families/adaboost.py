"""AdaBoost.R2: trees one after another, each on the rows the ones before were wrong about.

Drucker, ICML 1997, "Improving Regressors using Boosting Techniques"; in Tables 3 and 4 of Jha et
al., KDD 2019, doi:10.1145/3292500.3330703, which says that a grid was searched but not which one:
the published space is scikit-learn's default. The full space is ours; its deeper trees make a far
better model of it than that paper's 0.479 eV/atom.

Deviations: splits minimise the squared error, whatever ``loss`` is; missing features count as the
training median, as in ``random_forest``.
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
LOSSES = ("linear", "square", "exponential")

BEST: Config = {"n_estimators": 50, "learning_rate": 1.0, "loss": "linear", "max_depth": 3}

PUBLISHED = Space({name: Choice((value,), source=DEFAULT) for name, value in BEST.items()})

FULL = Space(
    {
        "n_estimators": Int(20, 300, step=STEP, source=OURS),
        "learning_rate": Float(0.01, 2.0, log=True, source=OURS),
        "loss": Choice(LOSSES, source=OURS),
        "max_depth": Int(3, 30, source=OURS),
    }
)

LIMITS = Space(
    {
        "n_estimators": Int(STEP, 100_000, step=STEP),
        "learning_rate": Float(1e-6, 100.0),
        "loss": Choice(LOSSES),
        "max_depth": Int(1, 1 << 30),
    }
)


def build(config: Config, data: "Development", *, seed: int, threads: int, device: str) -> Learner:
    """An ensemble without trees yet; ``device`` is always the CPU. See ``family.Build``.

    A round waits for the one before and a tree is grown by one thread, whatever ``threads``.
    """
    from fesearch.classical.adaptive import AdaptiveLearner

    return AdaptiveLearner(
        {"max_depth": config["max_depth"]},
        str(config["loss"]),
        number(config, "learning_rate"),
        data,
        step=STEP,
        seed=seed,
    )


def load(config: Config, arrays: Arrays, *, width: int, threads: int, device: str) -> Predictor:
    """A grown ensemble; see ``family.Load``."""
    from fesearch.classical.adaptive import AdaptivePredictor

    return AdaptivePredictor(arrays, width=width)


def length(config: Config) -> int:
    """The ensemble's own end of training: its number of trees."""
    trees = config["n_estimators"]
    assert isinstance(trees, int)
    return trees


FAMILY = Family(
    name="adaboost",
    title="AdaBoost.R2 of trees",
    source="Drucker, ICML 1997; Jha et al., KDD 2019, doi:10.1145/3292500.3330703, Tables 3 and 4",
    published=PUBLISHED,
    full=FULL,
    best=BEST,
    resource=Resource(unit="trees", step=STEP, maximum=300),
    build=build,
    load=load,
    check=LIMITS.check,
    length=length,
)
