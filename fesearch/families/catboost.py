"""CatBoost: boosted trees, symmetric ones with one split a level, or free ones.

Prokhorenkova et al., NeurIPS 2018, arXiv:1706.09516; the model of Huang and Ling, J. Appl. Phys.
128, 124901 (2020), doi:10.1063/5.0012411, Table II. Of its hyperparameters they state the squared
error and that the rest were searched at random (II), neither ranges nor the winner: the published
space has the loss, and everything else fixed at a first trial of ours. Its trees are free ones:
CatBoost's symmetric ones need more rounds and time to follow formation energies (41,516 rows of
OQMD, one thread: 0.12 eV/atom after 200 rounds in 50 s, where symmetric trees of 10 levels came to
0.14 in 63 s). The full space is ours.

Trees come ``STEP`` at a time (``classical/boosting.py``), and a trial ends once it is no better for
100 rounds: early stopping on the validation rows. Of CatBoost's random scores of splits, the part
that fades with the rounds (``fading``) is told how many there were before. Boosting is plain, as
CatBoost's default is on a CPU. Rows are drawn by what is left of their targets: where nothing is
left, or too few are drawn, the trees of a step are grown on all of them. On the CPU only, where the
same seed and number of threads give the same trees bit for bit.

A booster is kept as CatBoost's binary file and read by CatBoost, which verifies its layout and
executes nothing in it, once its splits and leaves are checked
(``classical/boosters/catboost.py``): forged ones could end the process.
"""

import math
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
STEP = 50
"""Rounds of one resource step: fewer cost a fifth more than growing all trees in one go."""

LOSS_FUNCTIONS = {"squared_error": "RMSE", "absolute_error": "MAE"}
LOSSES = tuple(LOSS_FUNCTIONS)
DEEPEST = 16
"""Levels of a tree at most, as CatBoost allows."""
DRAWN_NONE = "Too few sampling units"
"""What CatBoost says where it has drawn next to no row."""
GROW_POLICIES = ("SymmetricTree", "Depthwise", "Lossguide")

BEST: Config = {
    "loss": "squared_error",
    "learning_rate": 0.1,
    "grow_policy": "Depthwise",
    "depth": 8,
    "min_data_in_leaf": 3,
    "l2_leaf_reg": 3.0,
    "random_strength": 1.0,
    "subsample": 0.8,
    "rsm": 0.5,
    "border_count": 254,
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
        "learning_rate": Float(0.02, 0.3, log=True, source=OURS),
        "grow_policy": Choice(GROW_POLICIES, source=OURS),
        "depth": When("grow_policy", GROW_POLICIES[:2], Int(4, 12, source=OURS)),
        "max_leaves": When("grow_policy", ("Lossguide",), Int(15, 511, log=True, source=OURS)),
        "min_data_in_leaf": When(
            "grow_policy", GROW_POLICIES[1:], Int(1, 100, log=True, source=OURS)
        ),
        "l2_leaf_reg": Float(0.1, 30.0, log=True, source=OURS),
        "random_strength": Float(0.01, 10.0, log=True, source=OURS),
        "subsample": Float(0.5, 1.0, source=OURS),
        "rsm": Float(0.1, 1.0, source=OURS),
        "border_count": Choice((64, 128, 254), source=OURS),
    }
)

LIMITS = Space(
    {
        "loss": Choice(LOSSES),
        "learning_rate": Float(1e-6, 1.0),
        "grow_policy": Choice(GROW_POLICIES),
        "depth": When("grow_policy", GROW_POLICIES[:2], Int(1, DEEPEST)),
        "max_leaves": When("grow_policy", ("Lossguide",), Int(2, 1 << 16)),
        "min_data_in_leaf": When("grow_policy", GROW_POLICIES[1:], Int(1, 1 << 30)),
        "l2_leaf_reg": Float(0.0, 1e9),
        "random_strength": Float(0.0, 1e3),
        "subsample": Float(0.01, 1.0),
        "rsm": Float(1e-6, 1.0),
        "border_count": Int(1, 254),
    }
)


class Package:
    """CatBoost's boosters; implements ``boosting.Package``.

    Raises:
        InputError: CatBoost is not installed.
    """

    def __init__(self, threads: int) -> None:
        self.module: Any = require("catboost", "boosters")
        self.threads = threads

    def rows(self, x: "np.ndarray") -> Any:
        return self.module.Pool(x, thread_count=self.threads)

    def predict(self, booster: Any, rows: Any) -> "np.ndarray":
        found: np.ndarray = booster.predict(rows, thread_count=self.threads)
        return found

    def write(self, booster: Any) -> bytes:
        import tempfile
        from pathlib import Path

        with tempfile.TemporaryDirectory(prefix="fesearch-") as folder:
            path = Path(folder) / "booster.cbm"
            booster.save_model(str(path), format="cbm")
            return path.read_bytes()

    def read(self, content: bytes) -> Any:
        from catboost import CatBoostError

        from fesearch.classical.boosters.catboost import check

        check(content)
        try:
            return self.module.CatBoost().load_model(blob=content)
        except (CatBoostError, ValueError) as error:  # ValueError: its JSON and UTF-8
            raise broken("CatBoost cannot read a booster.") from error

    def width(self, booster: Any) -> int:
        return len(booster.feature_names_)

    def leaves(self, booster: Any) -> int:
        return int(booster.get_tree_leaf_counts().sum())

    def grower(self, config: Config, x: "np.ndarray", y: "np.ndarray") -> "Grow":
        return Grow(self, config, x, y)


class Grow:
    """Training rows in CatBoost's bins, and the config; implements ``boosting.Grow``."""

    def __init__(self, package: Package, config: Config, x: "np.ndarray", y: "np.ndarray") -> None:
        self._package, self._config, self._count = package, config, len(y)
        if not (x != x[0]).any():
            x, y = _nothing_to_learn(x)
        growth = {
            name: value for name, value in config.items() if name not in ("loss", "border_count")
        }
        self._params = {
            "depth": DEEPEST,  # else 6, unless the config has one
            **growth,
            "loss_function": LOSS_FUNCTIONS[str(config["loss"])],
            "boosting_type": "Plain",
            "bootstrap_type": "MVS",
            "boost_from_average": False,
            "allow_const_label": True,
            "thread_count": package.threads,
            "allow_writing_files": False,
            "logging_level": "Silent",
        }
        self._train = package.module.Pool(x, label=y, thread_count=package.threads)
        self._train.quantize(border_count=config["border_count"], task_type="CPU")

    def __call__(
        self, margins: "np.ndarray", *, rounds: int, before: int, seed: int
    ) -> "tuple[Any, np.ndarray]":
        strength = float(self._config["random_strength"])  # type: ignore[arg-type]
        rate = float(self._config["learning_rate"])  # type: ignore[arg-type]
        self._train.set_baseline(margins[:, None])
        booster = self._fitted(
            {
                **self._params,
                "iterations": rounds,
                "random_seed": seed,
                "random_strength": strength * fading(before * rate, self._count),
            }
        )
        return booster, self._package.predict(booster, self._train)

    def _fitted(self, params: dict[str, Any]) -> Any:
        """Trees on drawn rows, or on all of them where next to none can be drawn."""
        module = self._package.module
        try:
            return module.CatBoost(params).fit(self._train)
        except module.CatBoostError as error:
            if DRAWN_NONE not in str(error):
                raise
        whole = {name: value for name, value in params.items() if name != "subsample"}
        return module.CatBoost({**whole, "bootstrap_type": "No"}).fit(self._train)


def _nothing_to_learn(x: "np.ndarray") -> "tuple[np.ndarray, np.ndarray]":
    """Rows in place of x (n, d), no feature of which varies: CatBoost grows no tree on such.

    Their target is 0 throughout, so that trees of one leaf each come of them, which add nothing.
    """
    import numpy as np

    rows = np.zeros_like(x)
    rows[:, 0] = np.arange(len(x))
    return rows, np.zeros(len(x))


def fading(length: float, count: int) -> float:
    """What is left of the random strength after ``length`` = rounds × learning rate.

    It is n / (n + e^length) for n training rows, as CatBoost computes it of one training.
    """
    return 1.0 / (1.0 + math.exp(min(length - math.log(count), 700.0)))


def build(config: Config, data: "Development", *, seed: int, threads: int, device: str) -> Learner:
    """Boosted trees before the first round; ``device`` is always the CPU. See ``family.Build``."""
    from fesearch.classical.boosting import BoostedLearner

    return BoostedLearner(Package(threads), config, data, step=STEP, seed=seed)


def load(config: Config, arrays: Arrays, *, width: int, threads: int, device: str) -> Predictor:
    """Trained boosted trees; see ``family.Load``."""
    from fesearch.classical.boosting import BoostedPredictor

    return BoostedPredictor(Package(threads), arrays, width=width)


FAMILY = Family(
    name="catboost",
    title="CatBoost, boosted trees, symmetric ones too",
    source="Prokhorenkova et al., NeurIPS 2018, arXiv:1706.09516; Huang and Ling, J. Appl. Phys. "
    "128, 124901 (2020), doi:10.1063/5.0012411, Table II",
    published=PUBLISHED,
    full=FULL,
    best=BEST,
    resource=rounds(STEP),
    build=build,
    load=load,
    check=LIMITS.check,
)
