"""Linear regression: least squared error, the plainest model of both papers.

Huang and Ling, J. Appl. Phys. 128, 124901 (2020), doi:10.1063/5.0012411, Table II; Jha et al., KDD
2019, doi:10.1145/3292500.3330703, Tables 3 and 4. It has no hyperparameter: a study of it is one
trial. Features are standardised; of dependent ones, such as magpie has, the smallest coefficients
are taken.
"""

from typing import TYPE_CHECKING

from fesearch.arrays import Arrays
from fesearch.family import Family, Learner, Predictor, Resource
from fesearch.space import Config, Space

if TYPE_CHECKING:
    from fesearch.split import Development

BEST: Config = {}
PUBLISHED = FULL = LIMITS = Space({})


def build(config: Config, data: "Development", *, seed: int, threads: int, device: str) -> Learner:
    """A model not fitted yet; ``device`` is always the CPU. See ``family.Build``."""
    from fesearch.classical.linear import learner_of, least_squares

    return learner_of(data, least_squares, threads=threads)


def load(config: Config, arrays: Arrays, *, width: int, threads: int, device: str) -> Predictor:
    """A fitted model; see ``family.Load``."""
    from fesearch.classical.linear import LinearPredictor

    return LinearPredictor(arrays, width=width, threads=threads)


FAMILY = Family(
    name="linear_regression",
    title="Linear regression",
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
