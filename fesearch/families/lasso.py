"""Lasso: least squares with a penalty on absolute coefficients, many of which become zero.

Huang and Ling, J. Appl. Phys. 128, 124901 (2020), doi:10.1063/5.0012411, Table II; Jha et al., KDD
2019, doi:10.1145/3292500.3330703, Table 4: the one says that it searched at random, the other on a
grid, neither which values. Features and target are standardised, so that ``alpha`` is the share of
a target's standard deviation a feature must explain to be used at all; with scikit-learn's default
of 1.0 none would be, so the published space has a first trial of ours. The full space is ours.
"""

from typing import TYPE_CHECKING

from fesearch.arrays import Arrays
from fesearch.family import Family, Learner, Predictor, Resource
from fesearch.space import Choice, Config, Float, Space, number

if TYPE_CHECKING:
    from fesearch.split import Development

UNSTATED = "fesearch; not stated in either paper"
BEST: Config = {"alpha": 1e-4}
PUBLISHED = Space({"alpha": Choice((1e-4,), source=UNSTATED)})
FULL = Space({"alpha": Float(1e-6, 1e-1, log=True, source="fesearch")})
LIMITS = Space({"alpha": Float(1e-9, 1e9)})


def build(config: Config, data: "Development", *, seed: int, threads: int, device: str) -> Learner:
    """A model not fitted yet; ``device`` is always the CPU. See ``family.Build``."""
    from functools import partial

    from fesearch.classical.linear import elastic_net, learner_of

    solve = partial(elastic_net, alpha=number(config, "alpha"), l1_ratio=1.0)
    return learner_of(data, solve, threads=threads)


def load(config: Config, arrays: Arrays, *, width: int, threads: int, device: str) -> Predictor:
    """A fitted model; see ``family.Load``."""
    from fesearch.classical.linear import LinearPredictor

    return LinearPredictor(arrays, width=width, threads=threads)


FAMILY = Family(
    name="lasso",
    title="Lasso",
    source="Huang and Ling, J. Appl. Phys. 128, 124901 (2020), doi:10.1063/5.0012411, Table II; "
    "Jha et al., KDD 2019, doi:10.1145/3292500.3330703, Table 4",
    published=PUBLISHED,
    full=FULL,
    best=BEST,
    resource=Resource(unit="fits", step=1, maximum=1),
    build=build,
    load=load,
    check=LIMITS.check,
    length=lambda config: 1,
    seeded=False,
    linear=True,
)
