"""Boosted trees of each package, as their tests train and read them."""

from collections.abc import Mapping

import numpy as np

from fesearch.classical.boosting import BoostedLearner, BoostedPredictor
from fesearch.family import FAMILIES
from fesearch.space import Config, Value
from fesearch.split import Development

NAMES = ("xgboost", "lightgbm", "catboost")

SMALL: Mapping[str, Mapping[str, Value]] = {
    "xgboost": {"max_depth": 4},
    "lightgbm": {"num_leaves": 15},
    "catboost": {"depth": 4},
}
"""What makes the trees of a config small."""


def small(name: str, **keys: Value) -> Config:
    """The first config of a family with small trees, which are grown in no time."""
    return {**FAMILIES.get(name).best, **SMALL[name], **keys}


def learner_of(
    name: str, config: Config, data: Development, *, seed: int = 1, threads: int = 1
) -> BoostedLearner:
    found = FAMILIES.get(name).build(config, data, seed=seed, threads=threads, device="cpu")
    assert isinstance(found, BoostedLearner)
    return found


def predictor_of(name: str, arrays: Mapping[str, np.ndarray], width: int = 8) -> BoostedPredictor:
    family = FAMILIES.get(name)
    found = family.load(family.best, arrays, width=width, threads=1, device="cpu")
    assert isinstance(found, BoostedPredictor)
    return found
