"""Quasi-random search: points that fill the space evenly, whatever their number."""

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from fesearch.metrics import Direction
from fesearch.record import TrialResult
from fesearch.search.sampler import Method
from fesearch.search.samplers.random import Random
from fesearch.seeds import derive
from fesearch.space import Space, Value

if TYPE_CHECKING:
    from scipy.stats.qmc import Sobol

_BITS = 32  # of a coordinate: the sequence has 2^32 points, and studies at most 2^31 trials


class QMC(Random):
    """Sobol points (Owen-scrambled by the study's seed), that of a trial chosen by its number.

    Taken from SciPy, and not by Optuna's QMCSampler: that counts the points given out in its own
    storage and draws conditional parameters at random. Here every parameter has a coordinate of
    its own, unused where the parameter does not exist. A config given before is replaced by a
    random new one.
    """

    def __init__(self, space: Space, seed: int) -> None:
        super().__init__(space, seed)
        self._sobol_seed = derive(seed, "sobol")

    @cached_property
    def _sequence(self) -> "Sobol":
        # A second and a half, for which the first trial need not wait.
        from scipy.stats.qmc import Sobol

        return Sobol(max(1, len(self._space.parameters)), seed=self._sobol_seed, bits=_BITS)

    def suggest(self, number: int) -> dict[str, Value] | None:
        if self.exhausted:
            return None
        config = self._space.at(self._point(number))
        return self.another(number) if self.given(config) else config

    def _point(self, number: int) -> dict[str, float]:
        self._sequence.reset()
        if number:
            self._sequence.fast_forward(number)
        point = self._sequence.random(1)[0]
        return dict(zip(self._space.parameters, map(float, point), strict=False))


def _make(space: Space, seed: int, direction: Direction, priors: Iterable[TrialResult]) -> QMC:
    return QMC(space, seed)


SAMPLER = Method("qmc", "Quasi-random points, spread evenly", _make)
