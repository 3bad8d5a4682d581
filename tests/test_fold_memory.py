"""Inner folds take no memory of their own: what a trial holds does not grow with their number."""

import gc
import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fesearch.family import FAMILIES
from fesearch.folds import Folded, part
from fesearch.split import Development

SMALL: dict[str, dict[str, Any]] = {
    "irnet": {"depth": 3, "width": 1 / 32, "batch_size": 512},
    "random_forest": {"max_depth": 2, "max_features": 0.02},
    "adaboost": {"max_depth": 2},
    "sgd": {},
    "ridge": {},
}


def folded(count: int) -> Development:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(2000, 250)).astype(np.float32)
    return Development(x, x[:, 0] * 2.0, x[:5], x[:5, 0] * 2.0, np.arange(2000) % count)


def held(name: str, data: Development) -> float:
    """Memory that a learner holds between two steps, in units of the features of all rows."""
    family = FAMILIES.get(name)
    config = {**family.best, **SMALL[name]}
    learner = Folded(family.build, config, data, seed=1, threads=1, device="cpu")
    learner.advance()
    del learner  # what is imported for the first one stays
    gc.collect()
    tracemalloc.start()
    learner = Folded(family.build, config, data, seed=1, threads=1, device="cpu")
    learner.advance()
    gc.collect()
    taken, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert learner.parameters
    assert most / data.train_x.nbytes < 8.0  # one fold at a time, in double precision too
    return taken / data.train_x.nbytes


@pytest.mark.parametrize("name", SMALL)
def test_features_are_not_held_once_for_each_fold(name: str) -> None:
    assert held(name, folded(10)) < 1.5  # and 9 where each fold has its own


def test_the_part_of_a_fold_is_the_other_rows_and_its_own() -> None:
    data = folded(4)
    inside = np.flatnonzero(data.folds == 1)
    found = part(data, inside)
    outside = data.folds != 1
    assert (found.train_x == data.train_x[outside]).all()
    assert (found.val_x == data.train_x[inside]).all()
    assert (found.train_y == data.train_y[outside]).all()
    assert (found.val_y == data.train_y[inside]).all()
    assert (found.width, found.folds) == (250, None)
    fewer = replace(found, train_x=found.train_x[:7], train_y=found.train_y[:7])
    assert (fewer.train_x == data.train_x[outside][:7]).all()
    assert (fewer.val_x == found.val_x).all()
