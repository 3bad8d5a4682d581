"""Plain network: fully connected layers with batch norm and activation, and no shortcuts.

Jha et al., "IRNet: A General Purpose Deep Residual Regression Framework for Materials Discovery",
KDD 2019, doi:10.1145/3292500.3330703, section 3.1. The published space is that of its
"Experimental Settings", with what was tried on this network (4.1.1): batch norm before or after
the activation or none, and dropout after the first four stacks, whose probability is not printed:
ours is 0.2. Best with 17 layers (Table 2). For what else is not stated see ``irnet``.
"""

from typing import TYPE_CHECKING

from fesearch.arrays import Arrays
from fesearch.family import Family, Learner, Predictor, Resource
from fesearch.nets.config import (
    BEST_2019,
    BY_DEPTH,
    COMPONENTS,
    FULL_STACK,
    NORMS,
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
from fesearch.space import Choice, Config, Space, When

if TYPE_CHECKING:
    from fesearch.split import Development

PUBLISHED = Space(
    {
        **PUBLISHED_2019,
        "norm": When("layers", BY_DEPTH, Choice(NORMS, source=COMPONENTS)),
        "dropout": Choice((0.0, 0.2), source=f"{COMPONENTS}; probability: fesearch"),
    }
)


def build(config: Config, data: "Development", *, seed: int, threads: int, device: str) -> Learner:
    """An untrained plain network; see ``family.Build``."""
    from fesearch.nets.stack import Stack
    from fesearch.nets.train import NetLearner

    stack = Stack.of(config, inputs=data.width, shortcut="none")
    return NetLearner(stack.net, config, data, seed=seed, threads=threads, device=device)


def load(config: Config, arrays: Arrays, *, width: int, threads: int, device: str) -> Predictor:
    """A trained plain network; see ``family.Load``."""
    from fesearch.nets.stack import Stack
    from fesearch.nets.train import NetPredictor

    stack = Stack.of(config, inputs=width, shortcut="none")
    return NetPredictor(stack.net, arrays, width=width, threads=threads, device=device)


FAMILY = Family(
    name="plain_mlp",
    title="Plain deep network",
    source="Jha et al., KDD 2019, doi:10.1145/3292500.3330703, sections 3.1 and 4",
    published=PUBLISHED,
    full=Space(FULL_STACK),
    best={**BEST_2019, "dropout": 0.0},
    starts=(STACK_OF_TODAY,),
    resource=Resource(unit="epochs", step=1, maximum=500, patience=200),
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
