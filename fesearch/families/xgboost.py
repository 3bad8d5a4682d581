"""XGBoost: boosted trees on binned features.

Chen and Guestrin, KDD 2016, doi:10.1145/2939672.2939785; the model of Huang and Ling, J. Appl.
Phys. 128, 124901 (2020), doi:10.1063/5.0012411, Table II. Of its hyperparameters they state the
squared error and that the rest were searched at random (II), neither ranges nor the winner: the
published space has the loss, and everything else fixed at a first trial of ours. The full space
is ours. It has no L1 penalty and no least gain of a split, whose values carry the target's unit.

Trees come ``STEP`` at a time (``classical/boosting.py``), and a trial ends once it is no better for
100 rounds, to the nearest step: early stopping on the validation rows. On the CPU only, where the
same seed and number of threads give the same trees bit for bit.

A booster is kept as XGBoost's UBJSON and read by XGBoost, which executes nothing in it, once its
kind and nodes are checked (``classical/boosters/xgboost.py``): forged ones could end the process.
"""

from typing import TYPE_CHECKING, Any

from fesearch.arrays import Arrays, broken
from fesearch.classical.boosters.rounds import rounds
from fesearch.family import Family, Learner, Predictor
from fesearch.optional import require
from fesearch.space import Choice, Config, Float, Int, Space, When

if TYPE_CHECKING:
    import numpy as np

    from fesearch.split import Development

TABLE_2 = "Huang 2020, II and Table II"
UNSTATED = "fesearch; not stated in Huang 2020"
OURS = "fesearch"
STEP = 25
"""Rounds of one resource step: fewer cost more than growing all trees in one go."""

OBJECTIVES = {"squared_error": "reg:squarederror", "absolute_error": "reg:absoluteerror"}
LOSSES = tuple(OBJECTIVES)

BEST: Config = {
    "loss": "squared_error",
    "learning_rate": 0.05,
    "grow_policy": "depthwise",
    "max_depth": 10,
    "min_child_weight": 3.0,
    "subsample": 0.8,
    "colsample_bynode": 0.5,
    "reg_lambda": 1.0,
    "max_bin": 256,
}

PUBLISHED = Space(
    {
        name: Choice((value,), source=TABLE_2 if name == "loss" else UNSTATED)
        for name, value in BEST.items()
    }
)

FULL = Space(
    {
        "loss": Choice(LOSSES, source=OURS),
        "learning_rate": Float(0.01, 0.3, log=True, source=OURS),
        "grow_policy": Choice(("depthwise", "lossguide"), source=OURS),
        "max_depth": When("grow_policy", ("depthwise",), Int(3, 14, source=OURS)),
        "max_leaves": When("grow_policy", ("lossguide",), Int(15, 1023, log=True, source=OURS)),
        "min_child_weight": Float(1.0, 100.0, log=True, source=OURS),
        "subsample": Float(0.5, 1.0, source=OURS),
        "colsample_bynode": Float(0.1, 1.0, source=OURS),
        "reg_lambda": Float(1e-3, 100.0, log=True, source=OURS),
        "max_bin": Choice((128, 256, 512), source=OURS),
    }
)

LIMITS = Space(
    {
        "loss": Choice(LOSSES),
        "learning_rate": Float(1e-6, 1.0),
        "grow_policy": Choice(("depthwise", "lossguide")),
        "max_depth": When("grow_policy", ("depthwise",), Int(1, 16)),
        "max_leaves": When("grow_policy", ("lossguide",), Int(2, 1 << 16)),
        "min_child_weight": Float(0.0, 1e9),
        "subsample": Float(0.01, 1.0),
        "colsample_bynode": Float(1e-6, 1.0),
        "reg_lambda": Float(0.0, 1e9),
        "max_bin": Int(2, 1 << 16),
    }
)


class Package:
    """XGBoost's boosters; implements ``boosting.Package``.

    Raises:
        InputError: XGBoost is not installed.
    """

    def __init__(self, threads: int) -> None:
        self.module: Any = require("xgboost", "boosters")
        self.threads = threads

    def rows(self, x: "np.ndarray") -> Any:
        return self.module.DMatrix(x, nthread=self.threads)

    def predict(self, booster: Any, rows: Any) -> "np.ndarray":
        found: np.ndarray = booster.predict(rows, output_margin=True)
        return found

    def write(self, booster: Any) -> bytes:
        return bytes(booster.save_raw("ubj"))

    def read(self, content: bytes) -> Any:
        from xgboost.core import XGBoostError

        from fesearch.classical.boosters.xgboost import check

        check(content)
        booster = self.module.Booster({"nthread": self.threads})
        try:
            booster.load_model(bytearray(content))
        except (XGBoostError, UnicodeDecodeError) as error:  # its message may quote the bytes
            raise broken("XGBoost cannot read a booster.") from error
        return booster

    def width(self, booster: Any) -> int:
        return int(booster.num_features())

    def leaves(self, booster: Any) -> int:
        splits = sum(booster.get_score(importance_type="weight").values())
        return int(splits) + int(booster.num_boosted_rounds())

    def grower(self, config: Config, x: "np.ndarray", y: "np.ndarray") -> "Grow":
        return Grow(self, config, x, y)


class Grow:
    """Training rows in XGBoost's bins, and the config; implements ``boosting.Grow``."""

    def __init__(self, package: Package, config: Config, x: "np.ndarray", y: "np.ndarray") -> None:
        self._module = package.module
        growth = {name: value for name, value in config.items() if name != "loss"}
        self._params = {
            "max_depth": 0,  # no limit, unless the config has one
            **growth,
            "objective": OBJECTIVES[str(config["loss"])],
            "base_score": 0.0,
            "tree_method": "hist",
            "nthread": package.threads,
            "verbosity": 0,
        }
        self._train = self._module.QuantileDMatrix(
            x, label=y, max_bin=config["max_bin"], nthread=package.threads
        )

    def __call__(
        self, margins: "np.ndarray", *, rounds: int, before: int, seed: int
    ) -> "tuple[Any, np.ndarray]":
        self._train.set_base_margin(margins)
        booster = self._module.train({**self._params, "seed": seed}, self._train, rounds)
        return booster, booster.predict(self._train, output_margin=True)


def build(config: Config, data: "Development", *, seed: int, threads: int, device: str) -> Learner:
    """Boosted trees before the first round; ``device`` is always the CPU. See ``family.Build``."""
    from fesearch.classical.boosting import BoostedLearner

    return BoostedLearner(Package(threads), config, data, step=STEP, seed=seed)


def load(config: Config, arrays: Arrays, *, width: int, threads: int, device: str) -> Predictor:
    """Trained boosted trees; see ``family.Load``."""
    from fesearch.classical.boosting import BoostedPredictor

    return BoostedPredictor(Package(threads), arrays, width=width)


FAMILY = Family(
    name="xgboost",
    title="XGBoost, boosted trees",
    source="Chen and Guestrin, KDD 2016, doi:10.1145/2939672.2939785; Huang and Ling, J. Appl. "
    "Phys. 128, 124901 (2020), doi:10.1063/5.0012411, Table II",
    published=PUBLISHED,
    full=FULL,
    best=BEST,
    resource=rounds(STEP),
    build=build,
    load=load,
    check=LIMITS.check,
)
