"""What a data set is like: its elements, and how its targets lie."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fesearch import formula
from fesearch.dataset import Dataset


@dataclass(frozen=True)
class Distribution:
    """How the values of a target lie, in its unit.

    Attributes:
        quartiles: the values below which 25, 50 and 75 % of the rows lie.
        sd: standard deviation of these rows (divided by n).
        counts: rows in each of the equal bins between ``minimum`` and ``maximum``.
    """

    unit: str
    mean: float
    sd: float
    minimum: float
    quartiles: tuple[float, float, float]
    maximum: float
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Description:
    """What ``data show`` prints.

    Attributes:
        compositions: distinct reduced formulas.
        elements: symbol -> rows that contain it, the most frequent first.
        structures: rows that have one.
        targets: name -> distribution.
    """

    dataset: Dataset
    compositions: int
    elements: Mapping[str, int]
    structures: int
    targets: Mapping[str, Distribution]


def describe(dataset: Dataset, bins: int = 20) -> Description:
    """Elements and target distributions of a data set."""
    elements = Counter(symbol for text in dataset.reduced for symbol in formula.symbols(text))
    return Description(
        dataset=dataset,
        compositions=len(set(dataset.reduced)),
        elements=dict(sorted(elements.items(), key=lambda item: (-item[1], item[0]))),
        structures=sum(map(bool, dataset.structures.digests)) if dataset.structures else 0,
        targets={
            name: _distribution(array, dataset.units[name], bins)
            for name, array in dataset.targets.items()
        },
    )


def _distribution(values: np.ndarray, unit: str, bins: int) -> Distribution:
    low, q1, median, q3, high = np.percentile(values, (0, 25, 50, 75, 100)).tolist()
    return Distribution(
        unit=unit,
        mean=float(np.mean(values)),
        sd=float(np.std(values)),
        minimum=low,
        quartiles=(q1, median, q3),
        maximum=high,
        counts=tuple(np.histogram(values, bins=bins)[0].tolist()),
    )
