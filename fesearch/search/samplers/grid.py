"""Exact grids: every config of a finite space once."""

from collections.abc import Iterable

from fesearch.metrics import Direction
from fesearch.record import TrialResult
from fesearch.search.sampler import Method
from fesearch.search.samplers.random import Random, written
from fesearch.seeds import derive
from fesearch.space import Space, Value


class Grid(Random):
    """Every config of the space once, in an order shuffled by the seed.

    Raises:
        InputError: a parameter is continuous, so that there is no grid.
    """

    def __init__(self, space: Space, seed: int) -> None:
        super().__init__(space, seed)
        configs = list(space.grid())
        configs.sort(key=lambda config: derive(seed, "grid", written(config)))
        self._order = iter(configs)

    def suggest(self, number: int) -> dict[str, Value] | None:
        return next((config for config in self._order if not self.given(config)), None)


def _make(space: Space, seed: int, direction: Direction, priors: Iterable[TrialResult]) -> Grid:
    return Grid(space, seed)


def _check(space: Space) -> None:
    space.grid()


SAMPLER = Method("grid", "Every config of the space once", _make, _check)
