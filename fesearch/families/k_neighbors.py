"""The mean of the nearest training rows.

Fix and Hodges 1951; in Tables 3 and 4 of Jha et al., KDD 2019, doi:10.1145/3292500.3330703, which
says that a grid was searched but not which one: the published space is scikit-learn's default. The
full space is ours. Features are standardised; every training row is compared with.

The model holds its training rows, and predicting is all the work: it is estimated, and refused
beyond what ``affordable.py`` allows. ``rows`` of the training rows are drawn then, the same for
every config, as in ``--set space.rows=20000``; none is all of them.
"""

from typing import TYPE_CHECKING

from fesearch.arrays import Arrays
from fesearch.classical import affordable
from fesearch.family import Family, Learner, Predictor, Resource
from fesearch.space import Choice, Config, Int, Space

if TYPE_CHECKING:
    from fesearch.split import Development

DEFAULT = "scikit-learn's default; not stated in Jha 2019"
OURS = "fesearch"
METRICS = ("euclidean", "manhattan")
WEIGHTS = ("uniform", "distance")
SECONDS = 1e-9
"""A validation row, training row and feature: measured with the Manhattan metric, one core."""
OF_A_PAIR = 10
"""Features that a pair of rows costs beside its own: measured at 1, 5, 20 and 145."""

BEST: Config = {"n_neighbors": 5, "weights": "uniform", "metric": "euclidean", "rows": None}

PUBLISHED = Space({name: Choice((value,), source=DEFAULT) for name, value in BEST.items()})

FULL = Space(
    {
        "n_neighbors": Int(1, 50, log=True, source=OURS),
        "weights": Choice(WEIGHTS, source=OURS),
        "metric": Choice(METRICS, source=OURS),
        "rows": Choice((None,), source=OURS),
    }
)

LIMITS = Space(
    {
        "n_neighbors": Int(1, 1 << 30),
        "weights": Choice(WEIGHTS),
        "metric": Choice(METRICS),
        "rows": affordable.ROWS,
    }
)


def check(config: Config) -> None:
    """Refuse a config no model can be built from; see ``family.Family``."""
    affordable.check(LIMITS, config)


def cost(config: Config, data: "Development", rows: int) -> affordable.Cost:
    """Of predicting the validation rows by so many training rows: these, and a chunk of both."""
    val_rows, width = len(data.val_y), data.width
    return affordable.Cost(
        memory=12.0 * rows * width,
        seconds=SECONDS * rows * val_rows * (width + OF_A_PAIR),
    )


def build(config: Config, data: "Development", *, seed: int, threads: int, device: str) -> Learner:
    """A model without rows yet; ``device`` is always the CPU. See ``family.Build``.

    Raises:
        InputError: it would take too much memory or time.
    """
    from fesearch.arrays import prefixed
    from fesearch.classical.onefit import FitOnce
    from fesearch.scaling import Scaling

    affordable.refuse_too_many("k_neighbors", config, data, cost)
    rows = affordable.drawn(data, config["rows"])

    def fit() -> Arrays:
        scaling = Scaling.of(rows.train_x, rows.train_y)
        scaled = prefixed(scaling.arrays(), "scaling.")
        return {"rows": scaling.features(rows.train_x), "target": rows.train_y.copy(), **scaled}

    return FitOnce(
        fit,
        lambda arrays: load(config, arrays, width=data.width, threads=threads, device=device),
        data.val_x,
        counted=("rows", "target"),
        threads=threads,
    )


def load(config: Config, arrays: Arrays, *, width: int, threads: int, device: str) -> Predictor:
    """The training rows, ready to be compared with; see ``family.Load``."""
    from fesearch.classical.neighbours import NeighboursPredictor

    neighbours = config["n_neighbors"]
    assert isinstance(neighbours, int)
    return NeighboursPredictor(
        arrays,
        neighbours=neighbours,
        metric=str(config["metric"]),
        by_distance=config["weights"] == "distance",
        width=width,
        threads=threads,
    )


FAMILY = Family(
    name="k_neighbors",
    title="Nearest neighbours",
    source="Jha et al., KDD 2019, doi:10.1145/3292500.3330703, Tables 3 and 4",
    published=PUBLISHED,
    full=FULL,
    best=BEST,
    resource=Resource(unit="fits", step=1, maximum=1),
    build=build,
    load=load,
    check=check,
    cost=cost,
    length=lambda config: 1,
    seeded=False,
)
