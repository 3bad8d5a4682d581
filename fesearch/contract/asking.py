"""What checks are made of: sentences that must hold, small configs, models trained on little."""

from collections.abc import Callable

import numpy as np

from fesearch.errors import InputError
from fesearch.family import Family, Learner
from fesearch.model import FittedModel
from fesearch.space import Config
from fesearch.split import Development

SMALLER: Config = {"width": 1 / 16, "depth": 4}


class ContractError(Exception):
    """A family does not do what every family must; the sentence says what."""


def require(holds: object, sentence: str) -> None:
    """Raise ``ContractError`` with the sentence, unless it holds."""
    if not holds:
        raise ContractError(sentence)


def refusal(action: Callable[[], object], what: str) -> str:
    """The message of the ``InputError`` that an action must end in.

    Args:
        what: must be refused, in words.
    """
    try:
        action()
    except InputError as error:
        return error.message
    raise ContractError(f"{what} is not refused with an InputError.")


def require_equal(one: np.ndarray, other: np.ndarray, sentence: str) -> None:
    """Raise ``ContractError`` with the sentence, unless the arrays are equal bit for bit."""
    require(np.array_equal(one, other, equal_nan=True), sentence)


def learner_of(family: Family, config: Config, data: Development, seed: int = 1) -> Learner:
    """A learner on one thread of the CPU."""
    return family.build(config, data, seed=seed, threads=1, device="cpu")


def small(family: Family) -> Config:
    """The family's best config, shallower and narrower where it is a network: quick to train."""
    return smaller(family, family.best)


def smaller(family: Family, config: Config) -> Config:
    """The config, shallower and narrower where it is a network."""
    less = {name: SMALLER.get(name, value) for name, value in config.items()}
    try:
        family.check(less)
    except InputError:  # its width or depth is another thing
        return config
    return less


def fitted(family: Family, data: Development, advances: int = 2) -> FittedModel:
    """A model of the small config."""
    learner = learner_of(family, small(family), data)
    for _ in range(advances):
        learner.advance()
    return FittedModel(family.name, small(family), data.width, learner.model())


def require_predictions(predictions: np.ndarray, data: Development, of_what: str) -> None:
    """Raise ``ContractError`` unless there is a finite number for each validation row."""
    shape = predictions.shape
    require(shape == data.val_y.shape, f"Predictions {of_what} have the shape {shape}.")
    require(np.isfinite(predictions).all(), f"Predictions {of_what} are not all finite.")
