"""What the samplers have in common that see a search as ``Past`` tells it."""

from collections.abc import Iterable

from fesearch.metrics import Direction
from fesearch.record import TrialResult
from fesearch.search.past import Past
from fesearch.search.samplers.qmc import QMC
from fesearch.space import Config, Space


class Told:
    """Keeps what it is told, and the quasi-random points that such a sampler begins with."""

    def __init__(
        self, space: Space, seed: int, direction: Direction, priors: Iterable[TrialResult] = ()
    ) -> None:
        self._space = space
        self._seed = seed
        self._spread = QMC(space, seed)
        self._past = Past(direction, priors)

    def begin(self, number: int, family: str, config: Config) -> None:
        self._spread.begin(number, family, config)
        self._past.begin(number, config)

    def report(self, number: int, resource: int, best: float | None) -> None:
        self._past.report(number, resource, best)

    def finish(self, result: TrialResult) -> None:
        self._past.finish(result)
