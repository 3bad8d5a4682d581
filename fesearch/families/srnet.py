"""SRNet: fully connected layers with a shortcut after every block of equal width.

Jha et al., "IRNet: A General Purpose Deep Residual Regression Framework for Materials Discovery",
KDD 2019, doi:10.1145/3292500.3330703, section 3.2. The published space is that of its
"Experimental Settings". A block has four layers at most, as in the published code. Best with 48
layers (Table 2: 0.0471 against 0.0551 eV/atom with 17); the first trial has 17, as that of
``irnet``, where what else is not stated is written down too.
"""

from typing import TYPE_CHECKING

from fesearch.arrays import Arrays
from fesearch.family import Family, Learner, Predictor, Resource
from fesearch.nets.config import (
    BEST_2019,
    FULL_STACK,
    PUBLISHED_2019,
    SETTABLE,
    STACK_OF_TODAY,
    UNSTATED,
    beside_layers,
    check_shortcuts,
    epochs,
    in_layers,
)
from fesearch.nets.elements import of_first_layer
from fesearch.space import Config, Space

if TYPE_CHECKING:
    from fesearch.split import Development


def build(config: Config, data: "Development", *, seed: int, threads: int, device: str) -> Learner:
    """An untrained SRNet; see ``family.Build``."""
    from fesearch.nets.stack import Stack
    from fesearch.nets.train import NetLearner

    stack = Stack.of(config, inputs=data.width, shortcut="block")
    return NetLearner(stack.net, config, data, seed=seed, threads=threads, device=device)


def load(config: Config, arrays: Arrays, *, width: int, threads: int, device: str) -> Predictor:
    """A trained SRNet; see ``family.Load``."""
    from fesearch.nets.stack import Stack
    from fesearch.nets.train import NetPredictor

    stack = Stack.of(config, inputs=width, shortcut="block")
    return NetPredictor(stack.net, arrays, width=width, threads=threads, device=device)


FAMILY = Family(
    name="srnet",
    title="SRNet, a shortcut after every block of layers",
    source="Jha et al., KDD 2019, doi:10.1145/3292500.3330703, sections 3.2 and 4",
    published=Space(PUBLISHED_2019),
    full=Space(FULL_STACK),
    best=BEST_2019,
    starts=(STACK_OF_TODAY,),
    resource=Resource(unit="epochs", step=1, maximum=500, patience=200),
    build=build,
    load=load,
    check=check_shortcuts("block"),
    implied=beside_layers,
    unstated=UNSTATED,
    settable=SETTABLE,
    capacity="width",
    layers=in_layers("block"),
    length=epochs,
    gpu=True,
    program=True,
    element_weights=of_first_layer,
)
