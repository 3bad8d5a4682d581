"""Elastic net: least squares with penalties on squared and on absolute coefficients.

Huang and Ling, J. Appl. Phys. 128, 124901 (2020), doi:10.1063/5.0012411, Table II; Jha et al., KDD
2019, doi:10.1145/3292500.3330703, Tables 3 and 4: the one says that it searched at random, the
other on a grid, neither which values. Features and target are standardised, so that ``alpha`` has
no unit; with scikit-learn's default of 1.0 hardly a coefficient would be left, so the published
space has a first trial of ours, and scikit-learn's ``l1_ratio``. The full space is ours.
"""

from typing import TYPE_CHECKING

from fesearch.arrays import Arrays
from fesearch.family import Family, Learner, Predictor, Resource
from fesearch.space import Choice, Config, Float, Space, number

if TYPE_CHECKING:
    from fesearch.split import Development

UNSTATED = "fesearch; not stated in either paper"
DEFAULT = "scikit-learn's default; not stated in either paper"
BEST: Config = {"alpha": 1e-4, "l1_ratio": 0.5}

PUBLISHED = Space(
    {
        "alpha": Choice((1e-4,), source=UNSTATED),
        "l1_ratio": Choice((0.5,), source=DEFAULT),
    }
)

FULL = Space(
    {
        "alpha": Float(1e-6, 1e-1, log=True, source="fesearch"),
        "l1_ratio": Float(0.05, 0.95, source="fesearch"),
    }
)

LIMITS = Space({"alpha": Float(1e-9, 1e9), "l1_ratio": Float(0.01, 1.0)})


def build(config: Config, data: "Development", *, seed: int, threads: int, device: str) -> Learner:
    """A model not fitted yet; ``device`` is always the CPU. See ``family.Build``."""
    from functools import partial

    from fesearch.classical.linear import elastic_net, learner_of

    alpha, l1_ratio = number(config, "alpha"), number(config, "l1_ratio")
    return learner_of(data, partial(elastic_net, alpha=alpha, l1_ratio=l1_ratio), threads=threads)


def load(config: Config, arrays: Arrays, *, width: int, threads: int, device: str) -> Predictor:
    """A fitted model; see ``family.Load``."""
    from fesearch.classical.linear import LinearPredictor

    return LinearPredictor(arrays, width=width, threads=threads)


FAMILY = Family(
    name="elastic_net",
    title="Elastic net",
    source="Huang and Ling, J. Appl. Phys. 128, 124901 (2020), doi:10.1063/5.0012411, Table II; "
    "Jha et al., KDD 2019, doi:10.1145/3292500.3330703, Tables 3 and 4",
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
