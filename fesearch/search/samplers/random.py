"""Random search: configs drawn uniformly."""

import json
from collections.abc import Iterable

from fesearch.metrics import Direction
from fesearch.record import TrialResult
from fesearch.search.sampler import Method
from fesearch.seeds import derive
from fesearch.space import Config, Space, Value

_REDRAWS = 100


class Random:
    """Configs drawn uniformly from the space, each once as long as there are new ones."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._seed = seed
        self._size = space.size()
        self._given: set[str] = set()

    def suggest(self, number: int) -> dict[str, Value] | None:
        return None if self.exhausted else self.another(number)

    def another(self, number: int) -> dict[str, Value]:
        """A random config, new where there are new ones."""
        for draw in range(_REDRAWS):
            config = self._space.sample(derive(self._seed, "sampler", number, draw))
            if not self.given(config):
                return config
        return config if self._size is None else self._one_left(number)

    def _one_left(self, number: int) -> dict[str, Value]:
        """One of the few configs of a space not given yet, drawn by the trial's number."""
        left = [config for config in self._space.grid() if not self.given(config)]
        return left[derive(self._seed, "sampler", number) % len(left)]

    def begin(self, number: int, family: str, config: Config) -> None:
        self._given.add(written(config))

    def report(self, number: int, resource: int, best: float | None) -> None:
        """Random search does not learn."""

    def finish(self, result: TrialResult) -> None:
        """Random search does not learn."""

    @property
    def exhausted(self) -> bool:
        """Every config of the space has been given."""
        return self._size is not None and len(self._given) >= self._size

    def given(self, config: Config) -> bool:
        """Whether a trial has had this config."""
        return written(config) in self._given


def written(config: Config) -> str:
    """A config as text, the same for equal ones."""
    return json.dumps(dict(config), sort_keys=True)


def _make(space: Space, seed: int, direction: Direction, priors: Iterable[TrialResult]) -> Random:
    return Random(space, seed)


SAMPLER = Method("random", "Random search", _make)
