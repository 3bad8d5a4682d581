"""Plain deep network of Huang and Ling: fully connected layers with ReLU, trained by SGD.

Huang and Ling, J. Appl. Phys. 128, 124901 (2020), doi:10.1063/5.0012411, section II: 3, 6, 10, 17
or 21 layers, learning rates 1e-1 to 1e-4, 100 or 500 epochs, squared error, SGD, early stopping.
Which of them won is not printed; the first trial is ours: 6 layers at 1e-2. A trial runs to 500
epochs; its curve has the 100 epochs in it, since the rate is constant.

Not stated and declared here: widths (the tapered ones of ``nets/layers.py``, a quarter as wide:
256 at the widest), batches of 64, no batch norm, patience (50 epochs), momentum (none: plain SGD),
scaling of features and target (``scaling.py``), initial weights (Glorot's, as Keras has them where
nothing is said: with torch's own, networks of 10 layers and more learn nothing). The rates
1e-1 … 1e-4 are taken as decades. The full space, with batch norm and today's optimizers, is ours.
"""

from typing import TYPE_CHECKING

from fesearch.arrays import Arrays
from fesearch.family import Family, Learner, Predictor, Resource
from fesearch.nets.config import (
    BY_DEPTH,
    FULL_STACK,
    OURS,
    SETTABLE,
    STACK_OF_TODAY,
    UNSTATED,
    beside_layers,
    check_shortcuts,
    epochs,
    in_layers,
)
from fesearch.nets.elements import of_first_layer
from fesearch.space import Choice, Config, Space, When

if TYPE_CHECKING:
    from fesearch.split import Development

SECTION_2 = "Huang 2020, II"

PUBLISHED = Space(
    {
        "layers": Choice(BY_DEPTH, source=OURS),
        "depth": When("layers", BY_DEPTH, Choice((3, 6, 10, 17, 21), source=SECTION_2)),
        "width": When("layers", BY_DEPTH, Choice((0.25,), source=OURS)),
        "norm": When("layers", BY_DEPTH, Choice((None,), source=OURS)),
        "activation": Choice(("relu",), source=SECTION_2),
        "output_activation": Choice((None,), source=OURS),
        "loss": Choice(("mse",), source=SECTION_2),
        "optimizer": Choice(("sgd",), source=SECTION_2),
        "learning_rate": Choice((1e-1, 1e-2, 1e-3, 1e-4), source=SECTION_2),
        "batch_size": Choice((64,), source=OURS),
    }
)

BEST: Config = {
    "layers": None,
    "depth": 6,
    "width": 0.25,
    "norm": None,
    "activation": "relu",
    "output_activation": None,
    "loss": "mse",
    "optimizer": "sgd",
    "learning_rate": 1e-2,
    "batch_size": 64,
}


def build(config: Config, data: "Development", *, seed: int, threads: int, device: str) -> Learner:
    """An untrained network; see ``family.Build``."""
    from fesearch.nets.stack import Stack
    from fesearch.nets.train import NetLearner

    stack = Stack.of(config, inputs=data.width, shortcut="none")
    return NetLearner(stack.net, config, data, seed=seed, threads=threads, device=device)


def load(config: Config, arrays: Arrays, *, width: int, threads: int, device: str) -> Predictor:
    """A trained network; see ``family.Load``."""
    from fesearch.nets.stack import Stack
    from fesearch.nets.train import NetPredictor

    stack = Stack.of(config, inputs=width, shortcut="none")
    return NetPredictor(stack.net, arrays, width=width, threads=threads, device=device)


FAMILY = Family(
    name="dnn",
    title="Plain deep network with ReLU, by SGD",
    source="Huang and Ling, J. Appl. Phys. 128, 124901 (2020), doi:10.1063/5.0012411, section II",
    published=PUBLISHED,
    full=Space(FULL_STACK),
    best=BEST,
    starts=(STACK_OF_TODAY,),
    resource=Resource(unit="epochs", step=1, maximum=500, patience=50),
    build=build,
    load=load,
    check=check_shortcuts("none"),
    implied=beside_layers,
    unstated=UNSTATED,
    settable=SETTABLE,
    capacity="width",
    layers=in_layers("none"),
    length=epochs,
    gpu=True,
    program=True,
    element_weights=of_first_layer,
)
