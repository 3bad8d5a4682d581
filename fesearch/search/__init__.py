"""Deciding what to train next and when to stop it; the home of Optuna and Ray.

In Python, ``fesearch.search`` is what one calls to search, too: ``fesearch.search(df, …)`` is
``fesearch.api.search(df, …)``. A package hides whatever else is called as it is, as soon as one of
its modules is imported; so it is the package itself that can be called.
"""

import importlib
import inspect
import sys
from types import ModuleType
from typing import Any


class _Called(ModuleType):
    """This package; a call of it is one of ``fesearch.api.search``."""

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        # By its name: code imports what is below it, and this is a doorway to what is above.
        return importlib.import_module("fesearch.api").search(*arguments, **keywords)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(importlib.import_module("fesearch.api").search)


sys.modules[__name__].__class__ = _Called
