"""Kernel ridge regression, with a Gaussian or a Laplacian kernel.

Murphy, "Machine Learning: A Probabilistic Perspective", 2012, 14.4.3; Huang and Ling, J. Appl.
Phys. 128, 124901 (2020), doi:10.1063/5.0012411, could not finish it on 338,000 rows and state no
values: the published space is scikit-learn's default, but for the kernel, whose default is linear:
that is ``ridge`` again, at the cost of a square matrix of all rows. The full space is ours.

Features and target are standardised; ``gamma`` is in 1 / number of features.

Its memory grows with the square of the rows, its time with their cube: both are estimated before
it starts, and refused beyond what ``affordable.py`` allows. ``rows`` of the training rows are drawn
then, the same for every config, as in ``--set space.rows=20000``; none is all of them.
"""

from typing import TYPE_CHECKING

from fesearch.arrays import Arrays
from fesearch.classical import affordable
from fesearch.family import Family, Learner, Predictor, Resource
from fesearch.space import Choice, Config, Float, Space, number

if TYPE_CHECKING:
    from fesearch.split import Development

DEFAULT = "scikit-learn's default; not stated in Huang 2020"
UNSTATED = "fesearch; not stated in Huang 2020"
OURS = "fesearch"
NAMES = ("rbf", "laplacian")
KERNEL_SECONDS = 1.2e-9
"""A row, row and feature: measured with the Laplacian kernel, 6,000 rows of 145, one core."""
FACTOR_SECONDS = 3e-11
"""A row, row and row of the Cholesky factor: measured on 6,000 rows, one core."""

BEST: Config = {"kernel": "rbf", "alpha": 1.0, "gamma": 1.0, "rows": None}

PUBLISHED = Space(
    {
        name: Choice((value,), source=UNSTATED if name == "kernel" else DEFAULT)
        for name, value in BEST.items()
    }
)

FULL = Space(
    {
        "kernel": Choice(NAMES, source=OURS),
        "alpha": Float(1e-4, 1.0, log=True, source=OURS),
        "gamma": Float(1e-3, 10.0, log=True, source=OURS),
        "rows": Choice((None,), source=OURS),
    }
)

LIMITS = Space(
    {
        "kernel": Choice(NAMES),
        "alpha": Float(1e-6, 1e9),
        "gamma": Float(1e-6, 1e6),
        "rows": affordable.ROWS,
    }
)


def check(config: Config) -> None:
    """Refuse a config no model can be built from; see ``family.Family``."""
    affordable.check(LIMITS, config)


def cost(config: Config, data: "Development", rows: int) -> affordable.Cost:
    """Of a fit on so many rows: the kernel matrix, and the rows as they are and scaled."""
    width = data.width
    return affordable.Cost(
        memory=8.0 * rows**2 + 20.0 * rows * width,
        seconds=KERNEL_SECONDS * rows**2 * width + FACTOR_SECONDS * rows**3,
    )


def build(config: Config, data: "Development", *, seed: int, threads: int, device: str) -> Learner:
    """A model not fitted yet; ``device`` is always the CPU. See ``family.Build``.

    Raises:
        InputError: the fit would take too much memory or time.
    """
    from fesearch.classical.kernels import KERNELS, kernel_arrays, solve_ridge
    from fesearch.classical.onefit import FitOnce, standardised

    affordable.refuse_too_many("krr", config, data, cost)
    rows = affordable.drawn(data, config["rows"])

    def fit() -> Arrays:
        scaling, x, y = standardised(rows.train_x, rows.train_y)
        kernel, gamma = KERNELS[str(config["kernel"])], number(config, "gamma") / data.width
        weights = solve_ridge(x, y, kernel, gamma, number(config, "alpha"))
        return kernel_arrays(scaling, x, weights, 0.0)

    return FitOnce(
        fit,
        lambda arrays: load(config, arrays, width=data.width, threads=threads, device=device),
        data.val_x,
        counted=("weights",),
        threads=threads,
    )


def load(config: Config, arrays: Arrays, *, width: int, threads: int, device: str) -> Predictor:
    """A fitted model; see ``family.Load``."""
    from fesearch.classical.kernels import KernelPredictor

    kernel, gamma = str(config["kernel"]), number(config, "gamma")
    return KernelPredictor(arrays, kernel=kernel, gamma=gamma, width=width, threads=threads)


FAMILY = Family(
    name="krr",
    title="Kernel ridge regression",
    source="Murphy 2012, 14.4.3; Huang and Ling, J. Appl. Phys. 128, 124901 (2020), "
    "doi:10.1063/5.0012411",
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
