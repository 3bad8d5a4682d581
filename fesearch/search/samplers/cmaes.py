"""CMA-ES: for a thousand trials and more, of parameters that are numbers.

Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv:1604.00772, as the package ``cmaes`` has it.
"""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from fesearch.errors import InputError
from fesearch.metrics import Direction
from fesearch.optional import require
from fesearch.record import TrialResult
from fesearch.search.past import Seen
from fesearch.search.sampler import Method
from fesearch.search.samplers._optuna import limited, study_of, suggested, tpe_apart
from fesearch.search.samplers._told import Told
from fesearch.seeds import derive, generator
from fesearch.space import Config, Float, Int, Space, Value, number

if TYPE_CHECKING:
    from cmaes import CMA

SIGMA = 0.3
"""First step size, in units of each parameter's range (the tutorial, appendix A)."""
LARGEST, BEST = 1000, 100
"""Trials that TPE looks at for what CMA-ES cannot take."""


class CMAES(Told):
    """A normal distribution that moves and turns towards the better half of each generation.

    It is rebuilt for each suggestion from the trials so far: they are its generations, in order of
    number, so many trials each as the tutorial advises. Those that it did not draw from the
    distribution they are told to (the published best, configs by hand, trials that began before the
    last generation had ended) are injected: shortened to the length of a likely step (Hansen,
    arXiv:1110.4181). Once it has shrunk to a point it begins anew elsewhere, with generations twice
    as large (Auger and Hansen 2005, doi:10.1109/CEC.2005.1554902). Until there is a generation,
    points are quasi-random. Choices, and what exists under conditions only, are drawn by TPE, each
    parameter by itself. Of trials stopped early it sees what ``Past`` says. A config given before
    is replaced by a random new one.
    """

    def __init__(
        self, space: Space, seed: int, direction: Direction, priors: Iterable[TrialResult] = ()
    ) -> None:
        super().__init__(space, seed, direction, priors)
        self._numbers = numbers(space)
        self._size = 4 + math.floor(3 * math.log(len(self._numbers)))  # the tutorial, table 1

    def suggest(self, number: int) -> dict[str, Value] | None:
        if self._spread.exhausted:
            return None
        trials = self._past.seen()
        told = [(one.config, one.loss) for one in trials if one.loss is not None]
        if len(told) < self._size:
            return self._spread.suggest(number)
        evolved = self._evolved(told)
        evolved.reseed_rng(derive(self._seed, "sampler", number))
        point = dict(zip(self._numbers, evolved.ask(), strict=True))
        config = self._completed(point, trials, number)
        return self._spread.another(number) if self._spread.given(config) else config

    def _evolved(self, told: Sequence[tuple[Config, float]]) -> "CMA":
        """The distribution after all whole generations."""
        restarts, first = 0, 0
        evolved = self._begun(restarts)
        while first + (size := evolved.population_size) <= len(told):
            generation = told[first : first + size]
            evolved.tell([(_injected(evolved, self._place(one)), loss) for one, loss in generation])
            first += size
            if evolved.should_stop():
                restarts += 1
                evolved = self._begun(restarts)
        return evolved

    def _begun(self, restarts: int) -> "CMA":
        """The distribution before its first generation."""
        count = len(self._numbers)
        mean = np.full(count, 0.5)
        if restarts:
            mean = generator(self._seed, "restart", restarts).uniform(size=count)
        begun: CMA = require("cmaes", "cmaes").CMA(
            mean=mean,
            sigma=SIGMA,
            bounds=np.tile([0.0, 1.0], (count, 1)),
            population_size=self._size * 2**restarts,
        )
        return begun

    def _place(self, config: Config) -> np.ndarray:
        """A config in the unit cube of the numbers, (d,)."""
        return np.array(
            [place(domain, number(config, name)) for name, domain in self._numbers.items()]
        )

    def _completed(
        self, point: dict[str, float], trials: Sequence[Seen], number: int
    ) -> dict[str, Value]:
        """The config at a point, the parameters that are no coordinates of it drawn by TPE."""
        trial = None
        config: dict[str, Value] = {}
        for name in self._space.parameters:
            domain = self._space.active(name, config)
            if domain is None:
                continue
            if name in point:
                config[name] = domain.at(float(point[name]))
                continue
            if trial is None:
                sampler = tpe_apart(derive(self._seed, "apart", number))
                trial = study_of(limited(trials, LARGEST, BEST), self._space, sampler).ask()
            config[name] = suggested(trial, name, domain)
        return config


def numbers(space: Space) -> dict[str, Float | Int]:
    """The parameters CMA-ES can take: ranges that every config has a value of."""
    return {
        name: entry
        for name, entry in space.parameters.items()
        if isinstance(entry, Float | Int) and entry.low < entry.high
    }


def place(domain: Float | Int, value: float) -> float:
    """A number u for which ``domain.at(u)`` is the value; for whole ones, the middle of these."""
    if isinstance(domain, Float):
        if domain.log:
            return math.log(value / domain.low) / math.log(domain.high / domain.low)
        return (value - domain.low) / (domain.high - domain.low)
    if domain.log:
        return math.log((value + 0.5) / domain.low) / math.log((domain.high + 1) / domain.low)
    count = len(domain.values())
    return ((value - domain.low) / domain.step + 0.5) / count


def _injected(evolved: "CMA", point: np.ndarray) -> np.ndarray:
    """A point (d,), or the nearest on its way from the mean that the distribution may draw."""
    count = len(point)
    step = (point - evolved.mean) / evolved._sigma
    length = math.sqrt(step @ np.linalg.solve(evolved._C, step))
    longest = math.sqrt(count) + 2 * count / (count + 2)  # arXiv:1110.4181, eq. 6
    shorter = min(1.0, longest / length) if length else 1.0
    return np.asarray(evolved.mean + evolved._sigma * shorter * step)


def _check(space: Space) -> None:
    found = numbers(space)
    if len(found) < 2:
        raise InputError(
            f"CMA-ES wants two or more parameters that are ranges, but here are {len(found)}.",
            "Widen it, as in --set space.NAME='{low=1, high=9}', or use --sampler tpe.",
        )
    require("cmaes", "cmaes")


SAMPLER = Method("cmaes", "Covariance matrix adaptation", CMAES, _check, learns=True)
