"""Convolutional network on the composition as a picture of one element a cell.

Huang and Ling, J. Appl. Phys. 128, 124901 (2020), doi:10.1063/5.0012411, section II: Adadelta,
absolute error, depth and learning rate searched, 100 or 500 epochs (one trial has both in its
curve). Its layers are not stated; declared here: convolutions of 3 × 3 cells and 32 channels that
keep the picture's size, ReLU, one fully connected layer of 128, batches of 64; depths are ours too,
the learning rates 1e-1 … 1e-4 those of all their deep models. Initial weights are Glorot's, as
Keras has them where nothing is said, unless there is batch norm. The picture is not standardised,
since empty cells mean something. A deviation: they stop the DNN early alone, here 50 epochs without
a better one end a trial, whose best epoch it is that counts.
"""

from typing import TYPE_CHECKING, Any

from fesearch.arrays import Arrays
from fesearch.errors import InputError
from fesearch.family import Family, Learner, Predictor, Resource
from fesearch.nets.config import (
    FULL_TRAINING,
    OURS,
    SETTABLE,
    TODAY,
    TRAINING,
    UNSTATED,
    check_net,
    complete,
    epochs,
)
from fesearch.space import Choice, Config, Float, Int, Space

if TYPE_CHECKING:
    from fesearch.split import Development

SECTION_2 = "Huang 2020, II"
ACTIVATIONS = ("relu", "gelu", "silu", "tanh")
CELLS = 100

PUBLISHED = Space(
    {
        "convolutions": Choice((2, 3, 6, 10), source=OURS),
        "channels": Choice((32,), source=OURS),
        "kernel": Choice((3,), source=OURS),
        "hidden": Choice((128,), source=OURS),
        "activation": Choice(("relu",), source=OURS),
        "norm": Choice((False,), source=OURS),
        "loss": Choice(("mae",), source=SECTION_2),
        "optimizer": Choice(("adadelta",), source=SECTION_2),
        "learning_rate": Choice((1e-1, 1e-2, 1e-3, 1e-4), source=SECTION_2),
        "batch_size": Choice((64,), source=OURS),
    }
)

FULL = Space(
    {
        "convolutions": Int(1, 10, source=OURS),
        "channels": Int(8, 128, log=True, source=OURS),
        "kernel": Choice((3, 5, 7), source=OURS),
        "hidden": Int(32, 512, log=True, source=OURS),
        "activation": Choice(ACTIVATIONS, source=OURS),
        "norm": Choice((False, True), source=OURS),
        "dropout": Float(0.0, 0.5, source=OURS),
        **FULL_TRAINING,
    }
)

LIMITS = Space(
    {
        "convolutions": Int(1, 48),
        "channels": Int(1, 1024),
        "kernel": Choice((1, 3, 5, 7, 9)),
        "hidden": Int(1, 1 << 14),
        "activation": Choice(ACTIVATIONS),
        "norm": Choice((False, True)),
        "dropout": Float(0.0, 0.95),
        **TRAINING,
    }
)

BEST: Config = {
    "convolutions": 3,
    "channels": 32,
    "kernel": 3,
    "hidden": 128,
    "activation": "relu",
    "norm": False,
    "loss": "mae",
    "optimizer": "adadelta",
    "learning_rate": 1e-1,
    "batch_size": 64,
}


def check(config: Config) -> None:
    """Refuse a config no such network can be trained from; see ``family.Family``."""
    check_net(config, LIMITS)


def suits(config: Config, data: "Development") -> None:
    """Refuse features that are no picture; see ``family.Family``."""
    _require_picture(data.width)


def _require_picture(width: int) -> None:
    if width != CELLS:
        raise InputError(
            f"The family cnn reads pictures of {CELLS} cells, and there are {width} features.",
            "Leave --features out, or give --features element_grid.",
        )


def _make(config: Config, width: int) -> Any:
    """The module's maker.

    Raises:
        InputError: the features are no picture.
    """
    from fesearch.nets.conv import GridNet

    _require_picture(width)
    given: dict[str, Any] = complete(config)
    return lambda: GridNet(
        depth=given["convolutions"],
        channels=given["channels"],
        kernel=given["kernel"],
        hidden=given["hidden"],
        activation=given["activation"],
        norm=given["norm"],
        dropout=given["dropout"],
    )


def build(config: Config, data: "Development", *, seed: int, threads: int, device: str) -> Learner:
    """An untrained network; see ``family.Build``."""
    from fesearch.nets.train import NetLearner

    make = _make(config, data.width)
    return NetLearner(
        make, config, data, seed=seed, threads=threads, device=device, standardise=False
    )


def load(config: Config, arrays: Arrays, *, width: int, threads: int, device: str) -> Predictor:
    """A trained network; see ``family.Load``."""
    from fesearch.nets.train import NetPredictor

    make = _make(config, width)
    return NetPredictor(make, arrays, width=width, threads=threads, device=device)


FAMILY = Family(
    name="cnn",
    title="Convolutions over the composition as a picture",
    source="Huang and Ling, J. Appl. Phys. 128, 124901 (2020), doi:10.1063/5.0012411, section II",
    published=PUBLISHED,
    full=FULL,
    best=BEST,
    starts=({**BEST, "norm": True, "dropout": 0.0, **TODAY},),
    resource=Resource(unit="epochs", step=1, maximum=500, patience=50),
    build=build,
    load=load,
    check=check,
    unstated=UNSTATED,
    settable=SETTABLE,
    suits=suits,
    capacity="channels",
    length=epochs,
    features="element_grid",
    gpu=True,
    program=True,
)
