"""The estimator: scikit-learn's own checks, compounds and numbers, pipelines, matbench's loop."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import searched
import small
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from fesearch import FesearchRegressor
from fesearch import open as open_study

CHEAP: dict[str, Any] = {"trials": 1, "runner": "inline", "random_state": 0}
"""One fit of a family without anything to search: what is checked is the estimator."""


@pytest.fixture(autouse=True, scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a cache of its own, where nothing else is left."""
    folder = tmp_path_factory.mktemp("regressor")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("FESEARCH_CACHE_DIR", str(folder / "cache"))
        yield folder


def alloys(count: int = 60) -> tuple[list[str], np.ndarray]:
    """Formulas, and a target that follows from the elements."""
    formulas = searched.FORMULAS[:count]
    return formulas, np.array([0.01 * sum(map(ord, text)) - 3 for text in formulas])


@parametrize_with_checks([FesearchRegressor("ridge", **CHEAP)])
def test_keeps_the_conventions(estimator: FesearchRegressor, check: Any) -> None:
    check(estimator)
