"""LightGBM: boosted trees grown leaf by leaf on binned features.

Ke et al., NeurIPS 2017, "LightGBM: A Highly Efficient Gradient Boosting Decision Tree"; the model
of Huang and Ling, J. Appl. Phys. 128, 124901 (2020), doi:10.1063/5.0012411, Table II. Of its
hyperparameters they state the squared error and that the rest were searched at random (II),
neither ranges nor the winner: the published space has the loss, and everything else fixed at a
first trial of ours. The full space is ours. It has no L1 penalty and no least gain of a split,
whose values carry the target's unit.

Trees come ``STEP`` at a time (``classical/boosting.py``), and a trial ends once it is no better for
100 rounds, to the nearest step: early stopping on the validation rows. A round in which no leaf can
be split leaves no tree, and the next one is tried with its own draws. On the CPU only, where the
same seed and number of threads give the same trees bit for bit.

A booster is kept as LightGBM's text and read by LightGBM, which executes nothing in it, once its
nodes are checked (``classical/boosters/lightgbm.py``): forged ones could end the process.
"""

from typing import TYPE_CHECKING, Any

from fesearch.arrays import Arrays, broken
from fesearch.classical.boosters.rounds import rounds
from fesearch.family import Family, Learner, Predictor
from fesearch.optional import require
from fesearch.space import Choice, Config, Float, Int, Space

if TYPE_CHECKING:
    import numpy as np

    from fesearch.split import Development

TABLE_2 = "Huang 2020, II and Table II"
UNSTATED = "fesearch; not stated in Huang 2020"
OURS = "fesearch"
STEP = 25
"""Rounds of one resource step: fewer cost more than growing all trees in one go."""

OBJECTIVES = {"squared_error": "regression", "absolute_error": "regression_l1"}
LOSSES = tuple(OBJECTIVES)

BEST: Config = {
    "loss": "squared_error",
    "learning_rate": 0.05,
    "num_leaves": 255,
    "min_data_in_leaf": 3,
    "bagging_fraction": 0.8,
    "feature_fraction": 0.5,
    "lambda_l2": 1.0,
    "extra_trees": False,
    "max_bin": 255,
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
        "num_leaves": Int(15, 1023, log=True, source=OURS),
        "min_data_in_leaf": Int(1, 100, log=True, source=OURS),
        "bagging_fraction": Float(0.5, 1.0, source=OURS),
        "feature_fraction": Float(0.2, 1.0, source=OURS),
        "lambda_l2": Float(1e-3, 100.0, log=True, source=OURS),
        "extra_trees": Choice((False, True), source=OURS),
        "max_bin": Choice((127, 255, 511), source=OURS),
    }
)

LIMITS = Space(
    {
        "loss": Choice(LOSSES),
        "learning_rate": Float(1e-6, 1.0),
        "num_leaves": Int(2, 1 << 16),
        "min_data_in_leaf": Int(1, 1 << 30),
        "bagging_fraction": Float(0.01, 1.0),
        "feature_fraction": Float(1e-6, 1.0),
        "lambda_l2": Float(0.0, 1e9),
        "extra_trees": Choice((False, True)),
        "max_bin": Int(2, 1 << 16),
    }
)


class Package:
    """LightGBM's boosters; implements ``boosting.Package``.

    Raises:
        InputError: LightGBM is not installed.
    """

    def __init__(self, threads: int) -> None:
        self.module: Any = require("lightgbm", "boosters")
        self.threads = threads

    def rows(self, x: "np.ndarray") -> Any:
        return x

    def predict(self, booster: Any, rows: Any) -> "np.ndarray":
        found: np.ndarray = booster.predict(rows, raw_score=True, num_threads=self.threads)
        return found

    def write(self, booster: Any) -> bytes:
        return str(booster.model_to_string()).encode()

    def read(self, content: bytes) -> Any:
        from lightgbm.basic import LightGBMError

        from fesearch.classical.boosters.lightgbm import checked

        text = checked(content)
        try:
            return self.module.Booster(model_str=text)
        except LightGBMError as error:
            raise broken("LightGBM cannot read a booster.") from error

    def width(self, booster: Any) -> int:
        return int(booster.num_feature())

    def leaves(self, booster: Any) -> int:
        splits = booster.feature_importance(importance_type="split").sum()
        return int(splits) + int(booster.num_trees())

    def grower(self, config: Config, x: "np.ndarray", y: "np.ndarray") -> "Grow":
        return Grow(self, config, x, y)


class Grow:
    """Training rows in LightGBM's bins, and the config; implements ``boosting.Grow``."""

    def __init__(self, package: Package, config: Config, x: "np.ndarray", y: "np.ndarray") -> None:
        self._module = package.module
        growth = {name: value for name, value in config.items() if name != "loss"}
        self._params = {
            **growth,
            "objective": OBJECTIVES[str(config["loss"])],
            "bagging_freq": 1,  # a fraction alone changes nothing: rows are drawn every round
            "deterministic": True,
            "force_row_wise": True,  # else the faster way is found by the clock
            "num_threads": package.threads,
            "verbosity": -1,
        }
        self._train = self._module.Dataset(x, label=y, params=self._params).construct()

    def __call__(
        self, margins: "np.ndarray", *, rounds: int, before: int, seed: int
    ) -> "tuple[Any, np.ndarray]":
        self._train.set_init_score(margins)
        booster = self._module.Booster({**self._params, **_seeds(seed)}, self._train)
        for _ in range(rounds):
            booster.update()
        found: list[np.ndarray] = []

        def note(scores: "np.ndarray", _: Any) -> tuple[str, float, bool]:
            found.append(scores.copy())
            return "", 0.0, False

        booster.eval_train(note)
        return booster, found[0]


def _seeds(seed: int) -> dict[str, int]:
    """Seeds of all draws of a booster, one by one: ``seed`` alone is one of the bins too."""
    signed = seed % (1 << 31)
    return dict.fromkeys(("bagging_seed", "feature_fraction_seed", "extra_seed"), signed)


def build(config: Config, data: "Development", *, seed: int, threads: int, device: str) -> Learner:
    """Boosted trees before the first round; ``device`` is always the CPU. See ``family.Build``."""
    from fesearch.classical.boosting import BoostedLearner

    return BoostedLearner(Package(threads), config, data, step=STEP, seed=seed)


def load(config: Config, arrays: Arrays, *, width: int, threads: int, device: str) -> Predictor:
    """Trained boosted trees; see ``family.Load``."""
    from fesearch.classical.boosting import BoostedPredictor

    return BoostedPredictor(Package(threads), arrays, width=width)


FAMILY = Family(
    name="lightgbm",
    title="LightGBM, boosted trees grown leaf by leaf",
    source="Ke et al., NeurIPS 2017; Huang and Ling, J. Appl. Phys. 128, 124901 (2020), "
    "doi:10.1063/5.0012411, Table II",
    published=PUBLISHED,
    full=FULL,
    best=BEST,
    resource=rounds(STEP),
    build=build,
    load=load,
    check=LIMITS.check,
)
