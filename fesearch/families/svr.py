"""Support vector regression with a Gaussian kernel.

Drucker et al., NIPS 1996, "Support Vector Regression Machines"; in Tables 3 and 4 of Jha et al.,
KDD 2019, doi:10.1145/3292500.3330703; Huang and Ling, J. Appl. Phys. 128, 124901 (2020),
doi:10.1063/5.0012411, could not finish it on 338,000 rows. Neither says which values were searched:
the published space is scikit-learn's default. The full space is ours.

Features and target are standardised, so that ``epsilon``, the error that costs nothing, and ``c``
are in standard deviations of the target; ``gamma`` is in 1 / number of features.

Its time grows with the square of the rows: before it starts it is estimated, and refused beyond
what ``affordable.py`` allows. ``rows`` of the training rows are drawn then, the same for every
config, as in ``--set space.rows=20000``; none is all of them.
"""

from typing import TYPE_CHECKING

from fesearch.arrays import Arrays
from fesearch.classical import affordable
from fesearch.family import Family, Learner, Predictor, Resource
from fesearch.space import Choice, Config, Float, Space, number

if TYPE_CHECKING:
    from fesearch.split import Development

DEFAULT = "scikit-learn's default; neither paper states any"
OURS = "fesearch"
CACHE = 500
"""Of kernel values, megabytes."""
SECONDS = 5.7e-10
"""A row, row and feature: measured with c = 1 on 3,000 to 10,000 rows, one core."""
OF_A_PAIR = 120
"""Features that a pair of rows costs beside its own: measured at 1, 5, 20 and 145."""
OF_C = 0.4
"""Time grows with c to this power: six times from 1 to 100 on 145 features, the same on 20; 25
times on noisy rows of 5."""

BEST: Config = {"c": 1.0, "epsilon": 0.1, "gamma": 1.0, "rows": None}

PUBLISHED = Space({name: Choice((value,), source=DEFAULT) for name, value in BEST.items()})

FULL = Space(
    {
        "c": Float(0.1, 100.0, log=True, source=OURS),
        "epsilon": Float(0.01, 0.3, log=True, source=OURS),
        "gamma": Float(1e-3, 10.0, log=True, source=OURS),
        "rows": Choice((None,), source=OURS),
    }
)

LIMITS = Space(
    {
        "c": Float(1e-6, 1e6),
        "epsilon": Float(0.0, 1e3),
        "gamma": Float(1e-6, 1e6),
        "rows": affordable.ROWS,
    }
)


def check(config: Config) -> None:
    """Refuse a config no model can be built from; see ``family.Family``."""
    affordable.check(LIMITS, config)


def cost(config: Config, data: "Development", rows: int) -> affordable.Cost:
    """Of a fit on so many rows: these, as they are and scaled, and the cache; time."""
    width = data.width
    slower = max(1.0, number(config, "c")) ** OF_C
    return affordable.Cost(
        memory=20.0 * rows * width + 1e6 * CACHE,
        seconds=SECONDS * slower * rows**2 * (width + OF_A_PAIR),
    )


def build(config: Config, data: "Development", *, seed: int, threads: int, device: str) -> Learner:
    """A model not fitted yet; ``device`` is always the CPU. See ``family.Build``.

    libsvm fits with one thread, whatever ``threads``, which predict.

    Raises:
        InputError: the fit would take too much memory or time.
    """
    from fesearch.classical.kernels import kernel_arrays
    from fesearch.classical.onefit import FitOnce, standardised

    affordable.refuse_too_many("svr", config, data, cost)
    rows = affordable.drawn(data, config["rows"])

    def fit() -> Arrays:
        from sklearn.svm import SVR

        scaling, x, y = standardised(rows.train_x, rows.train_y)
        machine = SVR(
            C=number(config, "c"),
            epsilon=number(config, "epsilon"),
            gamma=number(config, "gamma") / data.width,
            cache_size=CACHE,
        ).fit(x, y)
        weights, intercept = machine.dual_coef_[0], machine.intercept_[0]
        return kernel_arrays(scaling, machine.support_vectors_, weights, intercept)

    return FitOnce(
        fit,
        lambda arrays: load(config, arrays, width=data.width, threads=threads, device=device),
        data.val_x,
        counted=("rows", "weights", "intercept"),
        threads=threads,
    )


def load(config: Config, arrays: Arrays, *, width: int, threads: int, device: str) -> Predictor:
    """A fitted model; see ``family.Load``."""
    from fesearch.classical.kernels import KernelPredictor

    gamma = number(config, "gamma")
    return KernelPredictor(arrays, kernel="rbf", gamma=gamma, width=width, threads=threads)


FAMILY = Family(
    name="svr",
    title="Support vector regression",
    source="Drucker et al., NIPS 1996; Jha et al., KDD 2019, doi:10.1145/3292500.3330703, Tables 3 "
    "and 4",
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
