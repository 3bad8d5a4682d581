"""Packages a user can do without, imported with the line that installs them."""

import importlib
from types import ModuleType

from fesearch.errors import NotInstalledError


def require(module: str, extra: str) -> ModuleType:
    """Import ``module``, which the optional dependency group ``extra`` brings.

    Raises:
        NotInstalledError: the package is not there; the hint is the pip line.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise NotInstalledError(
            f"This needs the package '{error.name}', which is not installed.",
            f"Type: pip install 'fesearch[{extra}]'",
        ) from None
