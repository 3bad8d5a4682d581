"""Ridge regression: least squares with a penalty on squared coefficients.

Huang and Ling, J. Appl. Phys. 128, 124901 (2020), doi:10.1063/5.0012411, Table II; Jha et al., KDD
2019, doi:10.1145/3292500.3330703, Tables 3 and 4: the one says that it searched at random, the
other on a grid, neither which values. The published space is scikit-learn's default; the full
space is ours. Features are standardised; ``alpha`` is in sums over training rows.
"""

from typing import TYPE_CHECKING

from fesearch.arrays import Arrays
from fesearch.family import Family, Learner, Predictor, Resource
from fesearch.space import Choice, Config, Float, Space, number

if TYPE_CHECKING:
    from fesearch.split import Development

DEFAULT = "scikit-learn's default; not stated in either paper"
BEST: Config = {"alpha": 1.0}
PUBLISHED = Space({"alpha": Choice((1.0,), source=DEFAULT)})
FULL = Space({"alpha": Float(1e-3, 1e6, log=True, source="fesearch")})
LIMITS = Space({"alpha": Float(1e-6, 1e15)})


def build(config: Config, data: "Development", *, seed: int, threads: int, device: str) -> Learner:
    """A model not fitted yet; ``device`` is always the CPU. See ``family.Build``."""
    from functools import partial

    from fesearch.classical.linear import learner_of, ridge

    return learner_of(data, partial(ridge, alpha=number(config, "alpha")), threads=threads)


def load(config: Config, arrays: Arrays, *, width: int, threads: int, device: str) -> Predictor:
    """A fitted model; see ``family.Load``."""
    from fesearch.classical.linear import LinearPredictor

    return LinearPredictor(arrays, width=width, threads=threads)


FAMILY = Family(
    name="ridge",
    title="Ridge regression",
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
