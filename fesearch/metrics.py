"""What a model is judged by: name, unit, direction, function."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from fesearch.registry import Registry

if TYPE_CHECKING:
    import numpy as np

Direction = Literal["minimize", "maximize"]
Array: TypeAlias = "np.ndarray"


@dataclass(frozen=True)
class Metric:
    """A score of predictions against truth.

    Attributes:
        name: as typed after ``--metric``.
        title: as printed in a table heading.
        unit: ``{unit}`` stands for the unit of the target; empty if the score has none.
        direction: Optuna's word for which way is better.
        function: (truth (n,), prediction (n,)) -> score.
        spread: it is defined only where true values differ.
    """

    name: str
    title: str
    unit: str
    direction: Direction
    function: "Callable[[Array, Array], float]"
    spread: bool = False

    def __call__(self, truth: Array, prediction: Array) -> float:
        """The score of (n,) predictions against (n,) true values."""
        return self.function(truth, prediction)

    def in_unit(self, target_unit: str) -> str:
        """The unit of the score for a target of that unit, such as "eV/atom"."""
        return self.unit.format(unit=target_unit)


def _mae(truth: Array, prediction: Array) -> float:
    import numpy as np

    return float(np.mean(np.abs(prediction - truth), dtype=np.float64))


def _rmse(truth: Array, prediction: Array) -> float:
    import numpy as np

    return float(np.sqrt(np.mean(np.square(prediction - truth), dtype=np.float64)))


def _p90(truth: Array, prediction: Array) -> float:
    import numpy as np

    return float(np.percentile(np.abs(prediction - truth), 90))


def _r2(truth: Array, prediction: Array) -> float:
    import numpy as np

    spread = np.sum(np.square(truth - np.mean(truth)), dtype=np.float64)
    if spread == 0.0:
        return float("nan")
    return float(1.0 - np.sum(np.square(prediction - truth), dtype=np.float64) / spread)


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            Metric("mae", "MAE", "{unit}", "minimize", _mae),
            Metric("rmse", "RMSE", "{unit}", "minimize", _rmse),
            Metric("p90", "90th percentile of |error|", "{unit}", "minimize", _p90),
            Metric("r2", "R²", "", "maximize", _r2, spread=True),
        )
    }
)
"""Those that come with fesearch; every look at a test part scores with all of them."""

MAE_INTERVAL = ("mae_low", "mae_high")
"""Beside them among the validation scores of a trial: the ends of the 95 % interval of its MAE."""


def target_unit(metric: str, unit: str) -> str:
    """The unit of a target, as far as that of a score in a metric tells it; else empty."""
    known = METRICS.get(metric)
    return unit if known is not None and known.unit == "{unit}" else ""


def scores(truth: Array, prediction: Array) -> dict[str, float]:
    """What predictions have in each of them, as far as that is a finite number."""
    found = {metric.name: metric(truth, prediction) for metric in METRICS.values()}
    return {name: score for name, score in found.items() if math.isfinite(score)}


ALL_METRICS: Registry[Metric] = Registry(
    "metric",
    Metric,
    "fesearch.metrics",
    "METRIC",
    f"--metric {'|'.join(METRICS)}",
    METRICS,
    called=lambda metric, name: replace(metric, name=name),
)


def metric_named(name: str) -> Metric:
    """The metric called ``name``.

    Raises:
        InputError: there is none; the hint has the nearest name.
    """
    return ALL_METRICS.get(name)


def title_of(name: str) -> str:
    """How a metric is called in print: its title, or its name where it is not known here."""
    return METRICS[name].title if name in METRICS else name
