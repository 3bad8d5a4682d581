"""IRNet: fully connected layers with a shortcut after every one of them.

Jha et al., "IRNet: A General Purpose Deep Residual Regression Framework for Materials Discovery",
KDD 2019, doi:10.1145/3292500.3330703. The published space is that of its "Experimental Settings",
one search for all deep models of the paper; depths are those of Table 1.

The first trial has the reported hyperparameters: Adam, 1e-4, batch 64, MAE, ReLU, no
output activation, batch norm before the activation, no dropout. Its depth is 17. The paper's 48
layers are better on OQMD-SC (Table 2: 0.0382 against 0.0411 eV/atom, 435,582 rows), but on MP-C,
83,989 rows and the size of data most users have, 17 layers are as good or better (Table 4), at
half the cost.

Not stated in the paper and chosen here: the momentum coefficient, 0.9; 500 epochs at most (the
paper gives its patience, 200 epochs, and no end); initial weights, of which torch's are better here
than those of the paper's TensorFlow (``nets/initial.py``); epsilon and decay rates, which are
torch's defaults too; scaling of features and target (``scaling.py``). Batch norm elsewhere than
before the activation, and dropout, were tried on the plain network only (4.1.1): the full space has
them here.
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
    """An untrained IRNet; see ``family.Build``."""
    from fesearch.nets.stack import Stack
    from fesearch.nets.train import NetLearner

    stack = Stack.of(config, inputs=data.width, shortcut="layer")
    return NetLearner(stack.net, config, data, seed=seed, threads=threads, device=device)


def load(config: Config, arrays: Arrays, *, width: int, threads: int, device: str) -> Predictor:
    """A trained IRNet; see ``family.Load``."""
    from fesearch.nets.stack import Stack
    from fesearch.nets.train import NetPredictor

    stack = Stack.of(config, inputs=width, shortcut="layer")
    return NetPredictor(stack.net, arrays, width=width, threads=threads, device=device)


FAMILY = Family(
    name="irnet",
    title="IRNet, a shortcut after every layer",
    source="Jha et al., KDD 2019, doi:10.1145/3292500.3330703, sections 3.3 and 4",
    published=Space(PUBLISHED_2019),
    full=Space(FULL_STACK),
    best=BEST_2019,
    starts=(STACK_OF_TODAY,),
    resource=Resource(unit="epochs", step=1, maximum=500, patience=200),
    build=build,
    load=load,
    check=check_shortcuts("layer"),
    implied=beside_layers,
    unstated=UNSTATED,
    settable=SETTABLE,
    capacity="width",
    layers=in_layers("layer"),
    length=epochs,
    gpu=True,
    program=True,
    element_weights=of_first_layer,
)
