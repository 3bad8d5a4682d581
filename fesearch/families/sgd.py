"""A linear model fitted by stochastic gradient descent, a row at a time.

Jha et al., KDD 2019, doi:10.1145/3292500.3330703, Table 4 ("SGD Regression"), which says that a
grid was searched but not which one: the published space is scikit-learn's default, but for the
learning rate ``eta0``: with its 0.01 the descent diverges on 145 standardised features, so there
is a first trial of ours. The full space is ours.

Features and target are standardised, so that ``epsilon``, where the loss changes its form, is in
standard deviations of the target. ``schedule`` is constant, or eta0 / t^0.25 after t rows.
"""

from typing import TYPE_CHECKING

from fesearch.arrays import Arrays
from fesearch.family import Family, Learner, Predictor, Resource
from fesearch.space import Choice, Config, Float, Space, When

if TYPE_CHECKING:
    from fesearch.split import Development

DEFAULT = "scikit-learn's default; not stated in Jha 2019"
UNSTATED = "fesearch; not stated in Jha 2019"
OURS = "fesearch"
LOSSES = ("squared_error", "huber", "epsilon_insensitive")
PENALTIES = ("l2", "l1", "elasticnet")
SCHEDULES = ("invscaling", "constant")
NARROW = ("huber", "epsilon_insensitive")
"""The losses that have an epsilon."""

BEST: Config = {
    "loss": "squared_error",
    "penalty": "l2",
    "alpha": 1e-4,
    "schedule": "invscaling",
    "eta0": 1e-3,
}

PUBLISHED = Space(
    {
        name: Choice((value,), source=UNSTATED if name == "eta0" else DEFAULT)
        for name, value in BEST.items()
    }
)

FULL = Space(
    {
        "loss": Choice(LOSSES, source=OURS),
        "epsilon": When("loss", NARROW, Float(0.01, 1.0, log=True, source=OURS)),
        "penalty": Choice(PENALTIES, source=OURS),
        "alpha": Float(1e-7, 1e-2, log=True, source=OURS),
        "schedule": Choice(SCHEDULES, source=OURS),
        "eta0": Float(1e-5, 1e-2, log=True, source=OURS),
    }
)

LIMITS = Space(
    {
        "loss": Choice(LOSSES),
        "epsilon": When("loss", NARROW, Float(0.0, 1e6)),
        "penalty": Choice(PENALTIES),
        "alpha": Float(0.0, 1e6),
        "schedule": Choice(SCHEDULES),
        "eta0": Float(1e-12, 1e3),
    }
)


def build(config: Config, data: "Development", *, seed: int, threads: int, device: str) -> Learner:
    """A model before the first epoch; ``device`` is always the CPU. See ``family.Build``."""
    from fesearch.classical.descent import DescentLearner

    options = {name: value for name, value in config.items() if name != "schedule"}
    options["learning_rate"] = config["schedule"]
    return DescentLearner(options, data, seed=seed, threads=threads)


def load(config: Config, arrays: Arrays, *, width: int, threads: int, device: str) -> Predictor:
    """A fitted model; see ``family.Load``."""
    from fesearch.classical.linear import LinearPredictor

    return LinearPredictor(arrays, width=width, threads=threads)


FAMILY = Family(
    name="sgd",
    title="Linear model by stochastic gradient descent",
    source="Jha et al., KDD 2019, doi:10.1145/3292500.3330703, Table 4",
    published=PUBLISHED,
    full=FULL,
    best=BEST,
    resource=Resource(unit="epochs", step=1, maximum=200, patience=20),
    build=build,
    load=load,
    check=LIMITS.check,
    linear=True,
)
