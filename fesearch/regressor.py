"""A search as an estimator of scikit-learn: ``fit`` searches and keeps the best model.

It is imported with scikit-learn, when ``fesearch.FesearchRegressor`` is first asked for.
"""

import atexit
import hashlib
import json
import os
import secrets
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from fesearch import api, chosen, dataset, frame, library
from fesearch.chosen import Searched
from fesearch.dataset import LARGEST_NUMBER, Dataset
from fesearch.errors import InputError
from fesearch.features import Combination
from fesearch.featureset import Inputs
from fesearch.found import Handle
from fesearch.glance import Origin
from fesearch.paths import artifacts_at
from fesearch.record import TrialResult
from fesearch.sealed import Sealed
from fesearch.search.folder import study_folder
from fesearch.store.results import Store
from fesearch.structure import Structures, from_cell

TARGET = "target"
FORMULAS = "random:fractions=90:10:0"
ROWS = "random:fractions=90:10:0,group=none"
"""Divisions of formulas and of bare numbers, which have no formula in common; ``fit`` is given the
training part of whoever calls it, and so leaves out no test rows of its own."""
FEWEST = 3  # rows: two to train on and one to validate
_LARGEST_SEED = np.iinfo(np.int32).max
_DIGITS = 16  # of a hash, in the name of a study


class FesearchRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Searches hyperparameters of a model family in ``fit``, and predicts with the best model.

    >>> from sklearn.datasets import make_regression
    >>> from fesearch import FesearchRegressor
    >>> X, y = make_regression(60, 4, random_state=0)
    >>> model = FesearchRegressor("ridge", trials=3, preset="full", runner="inline", random_state=0)
    >>> model.fit(X, y).score(X, y) > 0.99
    True

    X of ``fit`` and ``predict`` is one of two:

    - compounds: n formulas, or n pymatgen compositions or structures, as a sequence, a Series or a
      table of one column. Features are the family's own, or ``features``.
    - numbers (n, d): features of the user's own; NaN is what is missing.

    One row in ten validates, rows of one formula together, unless ``split`` says otherwise.

    Args:
        family: its name, or a list of families that share the budget.
        trials: configs to try.
        features: feature set, such as "magpie+element_fractions"; of numbers it is "columns".
        preset, space, split, metric, max_epochs, time_limit, gpus, cpus, runner: as in a study
            file, see ``fesearch.study.Study``. ``runner="inline"`` searches in this process, one
            trial at a time; "ray" starts Ray; "auto" does unless the search is very short.
        keys: other keys of a study file.
        refit: train the best config once more on all rows.
        unit: of the target.
        storage: URL of a store, in which the study then stays; by default it is in a temporary
            place, and gone with the estimator.
        progress: show the live lines of the search.
        random_state: seed of the search and of every trial; a number gives the same model again.

    Attributes:
        best_config_: parameter -> value; best_score_: its validation metric; best_trial_: its
            number and more, as a ``TrialResult``.
        trials_: every trial.
        study_: a `fesearch.handle.StudyHandle`, or a `PortfolioHandle` of several families. It is
            not pickled where the place is temporary.
        model_: the model in plain arrays.
        n_features_in_, feature_names_in_: as scikit-learn has them; compounds are one feature.
    """

    def __init__(
        self,
        family: str | Sequence[str] = "irnet",
        *,
        trials: int = 20,
        features: str | None = None,
        preset: str = "published",
        space: Mapping[str, Any] | None = None,
        split: str | None = None,
        metric: str = "mae",
        max_epochs: int | None = None,
        time_limit: str | None = None,
        gpus: int = 0,
        cpus: int | None = None,
        runner: str = "auto",
        keys: Mapping[str, Any] | None = None,
        refit: bool = True,
        unit: str = "eV/atom",
        storage: str | None = None,
        progress: bool = False,
        random_state: Any = None,
    ) -> None:
        self.family = family
        self.trials = trials
        self.features = features
        self.preset = preset
        self.space = space
        self.split = split
        self.metric = metric
        self.max_epochs = max_epochs
        self.time_limit = time_limit
        self.gpus = gpus
        self.cpus = cpus
        self.runner = runner
        self.keys = keys
        self.refit = refit
        self.unit = unit
        self.storage = storage
        self.progress = progress
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803  scikit-learn's word
        """Search, and keep the best model.

        Args:
            X: n compounds, or (n, d) numbers; see the class.
            y: (n,) target, in ``unit``.

        Raises:
            ValueError: rows or parameters are wrong; compounds are named by their row.
            NoResultError: no trial is usable.
        """
        compounds = _compounds(X)
        if compounds is None:
            x, y = validate_data(
                self,
                X,
                y,
                dtype=np.float64,
                ensure_all_finite="allow-nan",
                ensure_min_samples=FEWEST,
                y_numeric=True,
            )
        else:
            self._note_compounds(X, reset=True)
            y = column_or_1d(check_array(y, ensure_2d=False, dtype=np.float64), warn=True)
            check_consistent_length(compounds, y)
        self._numbers = () if compounds is not None else self._names()
        folder = None if self.storage is not None else _temporary(os.getpid())
        try:
            with artifacts_at(folder):
                rows = self._rows(x, y) if compounds is None else _imported(compounds, y, self.unit)
                self._search(rows, folder)
        except InputError as error:
            raise ValueError(f"{error.message} {error.hint}") from error
        return self

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """Predictions (n,) in ``unit``, for the kind of X that ``fit`` was given.

        Those of formulas of a test part that ``split`` sealed are put on record in ``storage``,
        with a warning that says so. Rows of numbers have no formula and are not known; and after
        ``refit`` no row is sealed, for the model has learned them all.

        Raises:
            ValueError: it is of the other kind, or compounds cannot be read or have no features.
        """
        check_is_fitted(self)
        compounds = None if self._numbers else _compounds(X)
        try:
            if self._numbers:
                inputs = self._inputs(X)
            elif compounds is None:
                raise ValueError(
                    "The rows that the model was fitted to are compounds, and X has none: "
                    "give a list or a column of formulas."
                )
            else:
                self._note_compounds(X, reset=False)
                inputs = _read(compounds)
            matrix, lacking = Combination.parse(self._features).compute(inputs)
            if lacking:
                row = min(lacking)
                raise ValueError(
                    f"Row {row} and {len(lacking) - 1} more have no features: {lacking[row]}."
                )
            found = self.model_.predict(matrix)
        except InputError as error:
            raise ValueError(f"{error.message} {error.hint}") from error
        if self._origin is not None and (warning := self._origin.meet(inputs.formulas)):
            warnings.warn(warning, stacklevel=2)
        return found

    def _search(self, rows: Dataset, folder: Path | None) -> None:
        """Search on rows that are in the library, and take the best model."""
        keys = self._keys()
        said = json.dumps([keys, rows.hash], sort_keys=True, default=str)
        token = hashlib.sha256(said.encode()).hexdigest()[:_DIGITS]
        url = self.storage or f"sqlite:///{folder}/fesearch.db"
        self.study_: Handle = api.search(
            rows.name,
            TARGET,
            storage=url,
            artifacts=folder,
            or_resume=True,
            progress=self.progress,
            name=f"fit-{token if folder is None else secrets.token_hex(8)}",
            **keys,
        )
        first = self.study_.rank()[0].entries[0].trial
        with Store.open(url, create=False) as store:
            searched = chosen.searched(store, first.study, first.number)
            folders = [study_folder(store.study(name)) for name in self.study_.names]
        device = "cuda" if self.refit and self.gpus and searched.prepared.family.gpu else "cpu"
        [best] = chosen.one(searched, refitted=self.refit, device=device)
        self.model_ = best.model
        self.best_trial_: TrialResult = best.trial
        self.best_config_ = dict(best.trial.config)
        self.best_score_ = best.trial.value
        self.trials_ = self.study_.trials
        self._features = searched.prepared.features.name
        self._origin = None if self._numbers else self._sealed(searched)
        if folder is not None:
            for one in folders:
                weakref.finalize(self.study_, shutil.rmtree, one, ignore_errors=True)

    def _sealed(self, searched: Searched) -> Origin | None:
        """The test part of the division; None where no row of it is left that is not learned."""
        row, prepared = searched.row, searched.prepared
        if not (rows := prepared.sealed(refit=self.refit)).size:
            return None
        sealed = Sealed.of(prepared.dataset.reduced[place] for place in rows)
        return Origin(sealed, row.key, row.name, self.best_trial_.number, self.storage)

    def _keys(self) -> dict[str, Any]:
        """The study's keys; those that are None are left to their defaults."""
        many = not isinstance(self.family, str)
        known = {
            "families" if many else "family": list(self.family) if many else self.family,
            "trials": self.trials,
            "features": self.features or ("columns" if self._numbers else None),
            "preset": self.preset,
            "space": None if self.space is None else dict(self.space),
            "split": self.split or (ROWS if self._numbers else FORMULAS),
            "metric": self.metric,
            "max_epochs": self.max_epochs,
            "time_limit": self.time_limit,
            "gpus": self.gpus or None,
            "cpus": self.cpus,
            "runner": self.runner,
            "seed": int(check_random_state(self.random_state).randint(_LARGEST_SEED)),
            **(self.keys or {}),
        }
        return {key: value for key, value in known.items() if value is not None}

    def _names(self) -> tuple[str, ...]:
        """What the columns of numbers are called in the data set: as in the table, if it can be."""
        given = tuple(getattr(self, "feature_names_in_", ()))
        if given and len(set(given)) == len(given) and all(given):
            return given
        return tuple(f"x{place}" for place in range(self.n_features_in_))

    def _rows(self, x: np.ndarray, y: np.ndarray) -> Dataset:
        """Numbers without compounds as a data set; a row is called by its place."""
        _refuse_large(x)
        places = [f"row{place:09d}" for place in range(len(y))]
        made = dataset.make(
            f"rows-{secrets.token_hex(8)}",
            places,
            {TARGET: y},
            {TARGET: self.unit},
            ids=places,
            reduced=places,
            numbers={name: x[:, place] for place, name in enumerate(self._numbers)},
            source="an array in Python",
        )
        if self.storage is not None:  # the same rows again are the same data
            made = dataset.renamed(made, f"rows-{made.hash[:_DIGITS]}")
        library.save(made)
        return made

    def _inputs(self, X: Any) -> Inputs:  # noqa: N803
        """Numbers to predict for."""
        x = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        _refuse_large(x)
        columns = {name: x[:, place] for place, name in enumerate(self._numbers)}
        return Inputs([""] * len(x), None, columns)

    def _note_compounds(self, X: Any, *, reset: bool) -> None:  # noqa: N803
        """The name of their column, where they are a table of one."""
        if getattr(X, "ndim", 1) == 2:
            validate_data(self, X, skip_check_array=True, reset=reset)
        elif reset:
            self.n_features_in_ = 1

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if self.storage is None:
            state.pop("study_", None)
        return state


def _compounds(given: Any) -> list[Any] | None:
    """The compounds of X, or None where it is numbers: those are for scikit-learn to check."""
    if hasattr(given, "iloc"):  # a table or a column of pandas
        column = given if given.ndim == 1 else given.iloc[:, 0] if given.shape[1] == 1 else ()
    elif isinstance(given, np.ndarray):
        wide = given.ndim == 2 and given.shape[1] == 1
        column = given[:, 0] if wide else given if given.ndim == 1 else ()
    else:
        column = given if isinstance(given, list | tuple) else ()
    cells = list(column)
    return cells if any(isinstance(one, str) or hasattr(one, "as_dict") for one in cells) else None


def _imported(compounds: Sequence[Any], y: np.ndarray, unit: str) -> Dataset:
    """Compounds and their target in the library."""
    import pandas as pd

    what = "structure" if any(map(_is_structure, compounds)) else "formula"
    return frame.keep(pd.DataFrame({what: compounds, TARGET: y}), TARGET, unit=unit)


def _read(compounds: Sequence[Any]) -> Inputs:
    """Compounds to predict for."""
    formulas = [
        one.composition.formula if _is_structure(one) else getattr(one, "formula", one)
        for one in compounds
    ]
    for row, text in enumerate(formulas):
        if not isinstance(text, str):
            raise ValueError(f"Row {row} is {text!r}, not a formula.")
    structures = None
    if all(map(_is_structure, compounds)):
        structures = Structures.of(from_cell(one.as_dict(), Path()) for one in compounds)
    return Inputs.of_formulas(formulas, structures)


def _is_structure(one: Any) -> bool:
    """A crystal structure of pymatgen."""
    return hasattr(one, "composition") and hasattr(one, "as_dict")


def _refuse_large(x: np.ndarray) -> None:
    """Features are float32, in which larger numbers are infinite."""
    if (np.abs(x) > LARGEST_NUMBER).any():
        raise ValueError(f"X has a value beyond {LARGEST_NUMBER:.2g}, too large for a feature.")


@lru_cache
def _temporary(process: int) -> Path:
    """The folder of a process for studies that nobody named: a new store for each takes a second.

    It is removed with the process.
    """
    folder = Path(tempfile.mkdtemp(prefix="fesearch-"))
    atexit.register(_remove, folder, process)
    return folder


def _remove(folder: Path, process: int) -> None:
    """What a forked process inherits is not its own to remove."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
