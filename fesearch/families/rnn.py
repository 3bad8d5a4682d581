"""Recurrent network over the elements of a compound: LSTM, attention, nine highway layers.

Huang and Ling, J. Appl. Phys. 128, 124901 (2020), doi:10.1063/5.0012411, section II: sequences of
up to 8 elements as vectors 100 wide; the last state of an LSTM, the context of an attention and
the vectors of the two most attended elements go through nine highway layers and one fully
connected layer; Adam, Huber loss, learning rates 1e-1 … 1e-4, 100 or 500 epochs (one trial has both
in its curve).

Not stated and declared here: the order of the elements (by falling fraction, see the feature set
``element_sequence``; the LSTM reads them in it), the vectors (an element's fraction at its place
among 100), the attention (additive), 128 units, batches of 64, scaling of the target
(``scaling.py``), so that the Huber loss bends at one standard deviation of it. Initial weights are
Glorot's and forget gates begin open, as in the TensorFlow they used; those of the LSTM are torch's.
A deviation: they stop the DNN early alone, here 50 epochs without a better one end a trial, whose
best epoch it is that counts. Longer compounds are read with ``--features
element_sequence:longest=12``.
"""

from typing import TYPE_CHECKING, Any

from fesearch.arrays import Arrays
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
from fesearch.nets.elements import of_recurrent
from fesearch.space import Choice, Config, Float, Int, Space

if TYPE_CHECKING:
    from fesearch.split import Development

SECTION_2 = "Huang 2020, II"

PUBLISHED = Space(
    {
        "hidden": Choice((128,), source=OURS),
        "highways": Choice((9,), source=SECTION_2),
        "loss": Choice(("huber",), source=SECTION_2),
        "optimizer": Choice(("adam",), source=SECTION_2),
        "learning_rate": Choice((1e-1, 1e-2, 1e-3, 1e-4), source=SECTION_2),
        "batch_size": Choice((64,), source=OURS),
    }
)

FULL = Space(
    {
        "hidden": Int(32, 512, log=True, source=OURS),
        "highways": Int(1, 12, source=OURS),
        "dropout": Float(0.0, 0.5, source=OURS),
        **FULL_TRAINING,
    }
)

LIMITS = Space(
    {
        "hidden": Int(1, 1 << 13),
        "highways": Int(0, 48),
        "dropout": Float(0.0, 0.95),
        **TRAINING,
    }
)

BEST: Config = {
    "hidden": 128,
    "highways": 9,
    "loss": "huber",
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "batch_size": 64,
}


def check(config: Config) -> None:
    """Refuse a config no such network can be trained from; see ``family.Family``."""
    check_net(config, LIMITS)


def suits(config: Config, data: "Development") -> None:
    """Refuse features that are no sequences of elements; see ``family.Family``."""
    from fesearch.nets.sequence import require_sequences

    require_sequences(data.train_x, "rnn")


def _make(config: Config) -> Any:
    from fesearch.nets.recurrent import SequenceNet

    given: dict[str, Any] = complete(config)
    return lambda: SequenceNet(
        hidden=given["hidden"], highways=given["highways"], dropout=given["dropout"]
    )


def build(config: Config, data: "Development", *, seed: int, threads: int, device: str) -> Learner:
    """An untrained network; see ``family.Build``."""
    from fesearch.nets.train import NetLearner

    suits(config, data)
    make = _make(config)
    return NetLearner(
        make, config, data, seed=seed, threads=threads, device=device, standardise=False
    )


def load(config: Config, arrays: Arrays, *, width: int, threads: int, device: str) -> Predictor:
    """A trained network; see ``family.Load``."""
    import numpy as np

    from fesearch.nets.sequence import require_sequences
    from fesearch.nets.train import NetPredictor

    require_sequences(np.zeros((0, width)), "rnn")
    return NetPredictor(_make(config), arrays, width=width, threads=threads, device=device)


FAMILY = Family(
    name="rnn",
    title="LSTM over elements, with attention and highway layers",
    source="Huang and Ling, J. Appl. Phys. 128, 124901 (2020), doi:10.1063/5.0012411, section II",
    published=PUBLISHED,
    full=FULL,
    best=BEST,
    starts=({**BEST, "dropout": 0.0, **TODAY},),
    resource=Resource(unit="epochs", step=1, maximum=500, patience=50),
    build=build,
    load=load,
    check=check,
    unstated=UNSTATED,
    settable=SETTABLE,
    suits=suits,
    capacity="hidden",
    length=epochs,
    features="element_sequence",
    gpu=True,
    program=True,
    element_weights=of_recurrent,
)
