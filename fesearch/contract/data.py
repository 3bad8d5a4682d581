"""Small data to check training with: a linear target, so that any sane model beats its mean.

And a curved one that no linear model has a hold on.
"""

import numpy as np

from fesearch.family import Family
from fesearch.features import Combination
from fesearch.featureset import Inputs
from fesearch.split import Development

METALS = ("Al", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn")


def linear(rows: int = 200, width: int = 8, seed: int = 0, *, curved: bool = False) -> Development:
    """``rows`` rows, one in five of them for validation; the target has mean -3.

    Args:
        curved: the target is the square of the first feature.
    """
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(rows, width)).astype(np.float32)
    y = x.astype(np.float64) @ np.linspace(2.0, -1.0, width) - 3.0
    return _divided(x, x[:, 0].astype(np.float64) ** 2 if curved else y)


def compositions(
    features: str, rows: int = 200, seed: int = 0, *, curved: bool = False
) -> Development:
    """The same for alloys of three metals; the target is linear in the fractions.

    Args:
        curved: the target is the squared distance of that one from its middle.
    """
    draw = np.random.default_rng(seed)
    formulas, y = [], np.zeros(rows)
    for row in range(rows):
        places = np.sort(draw.choice(len(METALS), size=3, replace=False))
        amounts = draw.integers(1, 6, size=3)
        formulas.append("".join(f"{METALS[i]}{n}" for i, n in zip(places, amounts, strict=True)))
        y[row] = amounts @ np.linspace(2.0, -1.0, len(METALS))[places] / amounts.sum() - 3.0
    x = Combination.parse(features).compute(Inputs.of_formulas(formulas)).matrix
    return _divided(x, (y - np.mean(y)) ** 2 if curved else y)


def data_for(family: Family, rows: int = 200, *, curved: bool = False) -> Development:
    """Data of the features the family is meant for, where a formula determines them.

    Any other family gets plain numbers.
    """
    if plain(family):
        return linear(rows, curved=curved)
    return compositions(family.features, rows, curved=curved)


def plain(family: Family) -> bool:
    """Whether it is checked on plain numbers, of any width."""
    return family.features == "magpie" or Combination.parse(family.features).needs != {"formula"}


def _divided(x: np.ndarray, y: np.ndarray) -> Development:
    val = len(y) // 5
    return Development(train_x=x[val:], train_y=y[val:], val_x=x[:val], val_y=y[:val])
