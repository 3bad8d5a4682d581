"""Data that are odd and legal: next to no rows or features, and nothing that varies."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from fesearch.contract.asking import (
    ContractError,
    learner_of,
    require_equal,
    require_predictions,
    small,
)
from fesearch.contract.data import data_for, plain
from fesearch.errors import first_line
from fesearch.family import Family
from fesearch.model import FittedModel
from fesearch.split import Development


def odd_data_are_no_obstacle(family: Family) -> None:
    """Two rows, a single feature, and a target or features that never vary, still give numbers."""
    for what, data in odd_data(family):
        try:
            _trained_and_loaded(family, data, what)
        except ContractError:
            raise
        except (Exception, SystemExit) as error:
            raise ContractError(f"Of {what} it makes: {first_line(error)}") from error


def odd_data(family: Family) -> Iterator[tuple[str, Development]]:
    """What is odd, and data of the family's features that are."""
    data = data_for(family, rows=30)
    level, flat = np.full_like(data.train_y, -1.5), np.tile(data.train_x[0], (len(data.train_y), 1))
    few = replace(data, train_x=data.train_x[:8], train_y=data.train_y[:8])
    if plain(family):  # other features have a width of their own
        few = replace(few, train_x=few.train_x[:, :1], val_x=few.val_x[:, :1])
    yield "eight rows of one feature", few
    yield "two rows", replace(data, train_x=data.train_x[:2], train_y=data.train_y[:2])
    yield "a target that never varies", replace(data, train_y=level)
    yield "features that never vary", replace(data, train_x=flat)
    yield "neither of them varying", replace(data, train_x=flat, train_y=level)


def _trained_and_loaded(family: Family, data: Development, what: str) -> None:
    config = small(family)
    learner = learner_of(family, config, data)
    for _ in range(2):
        predictions = learner.advance()
        require_predictions(predictions, data, f"of {what}")
    model = FittedModel(family.name, config, data.width, learner.model())
    again = model.predict(data.val_x)
    require_equal(again, predictions, f"Of {what} a model predicts other numbers than training.")
