"""Self-attention over the elements of a compound, pooled by fraction: beyond both papers.

What a user of today would compare with. The idea is that of CrabNet (Wang et al., npj Comput.
Mater. 7, 77 (2021), doi:10.1038/s41524-021-00545-1) and Roost (Goodall and Lee, Nat. Commun. 11,
6280 (2020)); the network is ours and smaller: learned vectors of the elements, pre-norm blocks,
mean over the atoms. The order of elements is of no effect. The ``published`` space has what we
found to work, since no paper prints one for it.
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
from fesearch.nets.elements import of_embedding
from fesearch.space import Choice, Config, Float, Int, Space

if TYPE_CHECKING:
    from fesearch.split import Development

PUBLISHED = Space(
    {
        "blocks": Choice((2, 3, 4), source=OURS),
        "heads": Choice((4,), source=OURS),
        "head_size": Choice((16, 32), source=OURS),
        "dropout": Choice((0.0, 0.1), source=OURS),
        "loss": Choice(("mae", "huber"), source=OURS),
        "optimizer": Choice(("adamw",), source=OURS),
        "learning_rate": Choice((3e-4, 1e-3, 3e-3), source=OURS),
        "weight_decay": Choice((0.0, 1e-2), source=OURS),
        "batch_size": Choice((128, 256, 512), source=OURS),
    }
)

FULL = Space(
    {
        "blocks": Int(1, 6, source=OURS),
        "heads": Choice((1, 2, 4, 8), source=OURS),
        "head_size": Int(8, 64, log=True, source=OURS),
        "dropout": Float(0.0, 0.5, source=OURS),
        **FULL_TRAINING,
    }
)

LIMITS = Space(
    {
        "blocks": Int(1, 48),
        "heads": Int(1, 64),
        "head_size": Int(1, 1024),
        "dropout": Float(0.0, 0.95),
        **TRAINING,
    }
)

BEST: Config = {
    "blocks": 3,
    "heads": 4,
    "head_size": 32,
    "dropout": 0.0,
    "loss": "mae",
    "optimizer": "adamw",
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "batch_size": 256,
}


def check(config: Config) -> None:
    """Refuse a config no such network can be trained from; see ``family.Family``."""
    check_net(config, LIMITS)


def suits(config: Config, data: "Development") -> None:
    """Refuse features that are no sequences of elements; see ``family.Family``."""
    from fesearch.nets.sequence import require_sequences

    require_sequences(data.train_x, "attention")


def _make(config: Config) -> Any:
    from fesearch.nets.attention import AttentionNet

    given: dict[str, Any] = complete(config)
    return lambda: AttentionNet(
        blocks=given["blocks"],
        heads=given["heads"],
        head_size=given["head_size"],
        dropout=given["dropout"],
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

    require_sequences(np.zeros((0, width)), "attention")
    return NetPredictor(_make(config), arrays, width=width, threads=threads, device=device)


FAMILY = Family(
    name="attention",
    title="Self-attention over elements, pooled by fraction",
    source="fesearch; after Wang et al., npj Comput. Mater. 7, 77 (2021)",
    published=PUBLISHED,
    full=FULL,
    best=BEST,
    starts=({**BEST, **TODAY, "learning_rate": 3e-3},),
    resource=Resource(unit="epochs", step=1, maximum=500, patience=50),
    build=build,
    load=load,
    check=check,
    unstated=UNSTATED,
    settable=SETTABLE,
    suits=suits,
    capacity="head_size",
    length=epochs,
    features="element_sequence",
    gpu=True,
    program=True,
    element_weights=of_embedding,
)
