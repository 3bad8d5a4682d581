"""Fair hyperparameter search for formation energies of inorganic compounds.

    import fesearch

    study = fesearch.search(df, target="e_form", family="irnet", trials=50)
    study.best, study.rank(), study.predict(["Fe2O3"])
    model = fesearch.FesearchRegressor(family="irnet", trials=50).fit(formulas, energies)

Importing this package imports nothing heavy; each stage is a module of its own
(``fesearch.dataset``, ``fesearch.split``, ``fesearch.trial``, ...) and can be used alone.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fesearch.api import open, search, studies
    from fesearch.regressor import FesearchRegressor

__version__ = "0.1.0"

__all__ = ["FesearchRegressor", "__version__", "open", "search", "studies"]

_HOMES = {
    "open": "fesearch.api",
    "studies": "fesearch.api",
    "search": "fesearch",  # the package of that name can be called, see there
    "FesearchRegressor": "fesearch.regressor",
}


def __getattr__(name: str) -> Any:
    """What is asked for, from the module it is in, which is imported then and not before."""
    if name not in _HOMES:
        raise AttributeError(f"module 'fesearch' has no attribute {name!r}")
    if _HOMES[name] == "fesearch":
        return importlib.import_module(f"fesearch.{name}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
