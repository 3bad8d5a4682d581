"""What networks take of a device's memory, against what they hold when they are trained."""

import numpy as np
import pytest
import torch

from fesearch.family import FAMILIES, Family
from fesearch.nets.footprint import footprint
from fesearch.space import Config
from fesearch.split import Development

NETS = ("irnet", "srnet", "plain_mlp", "dnn", "cnn", "rnn", "attention")


def rows(family: str, count: int = 640, folds: bool = False) -> Development:
    width = 100 if family == "cnn" else 20
    x = np.random.default_rng(0).random((count, width), "f4")
    if family in ("rnn", "attention"):
        x[:, ::2] = np.arange(10)
    numbers = np.arange(count) % 3 if folds else None
    return Development(x, x[:, 1].astype(float), x[:64], x[:64, 1].astype(float), numbers)


def config(family: Family, **changes: object) -> Config:
    return family.first(family.full, {"batch_size": 64, "optimizer": "adam", **changes})  # type: ignore[dict-item]


@pytest.mark.parametrize("name", NETS)
def test_each_network_takes_more_than_it_holds_between_two_steps(name: str) -> None:
    family, data = FAMILIES.get(name), rows(name)
    small = config(family)
    learner = family.build(small, data, seed=0, threads=1, device="cpu")
    held = 16 * learner.parameters + 4 * (data.train_x.size + data.val_x.size)
    found = footprint(family, small, data)
    assert found is not None
    assert held < found < held + 1e9
    larger = footprint(family, config(family, batch_size=512), data)
    assert larger is not None
    assert larger > found


def test_what_a_step_leaves_is_that_of_its_layers() -> None:
    """Of each its input, and what ReLU gives is the next one's: 20 features, 3 times 8 units."""
    family = FAMILIES.get("dnn")
    depths = ("depth", "width", "norm")
    one = {name: value for name, value in config(family).items() if name not in depths}
    one |= {"layers": "8Ax3-1", "optimizer": "sgd", "activation": "relu"}
    data = rows("dnn")
    weights = (20 + 1) * 8 + 2 * (8 + 1) * 8 + 8 + 1
    rows_held = data.train_x.size + data.val_x.size + 640
    assert footprint(family, one, data) == 4 * (rows_held + 2 * weights + 64 * (20 + 3 * 8))


def test_inner_folds_each_hold_their_weights() -> None:
    family = FAMILIES.get("irnet")
    one = config(family)
    whole = footprint(family, one, rows("irnet"))
    folds = footprint(family, one, rows("irnet", folds=True))
    assert whole is not None
    assert folds is not None
    assert folds > 2 * whole


def test_nothing_of_it_is_built_and_others_say_nothing() -> None:
    family = FAMILIES.get("irnet")
    before = torch.get_rng_state()
    footprint(family, config(family), rows("irnet"))
    assert torch.equal(before, torch.get_rng_state())
    ridge = FAMILIES.get("ridge")
    assert footprint(ridge, ridge.best, rows("ridge")) is None
