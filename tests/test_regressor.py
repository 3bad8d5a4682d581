"""The estimator: scikit-learn's own checks, compounds and numbers, pipelines, matbench's loop."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import searched
from matbenched import local
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from fesearch import FesearchRegressor
from fesearch import open as open_study
from fesearch.paths import artifacts_at
from fesearch.search.prepare import prepare_again
from fesearch.store.how import Trained
from fesearch.store.results import Store

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
    """Formulas, and a target that is the mean over their elements."""
    formulas = searched.FORMULAS[:count]
    shares = [[metal in text for metal in searched.METALS] for text in formulas]
    return formulas, np.array(shares) @ np.linspace(-1.0, 1.0, len(searched.METALS)) / 2


@parametrize_with_checks([FesearchRegressor("ridge", **CHEAP)])
def test_keeps_the_conventions(estimator: FesearchRegressor, check: Any) -> None:
    check(estimator)


def test_the_same_seed_gives_the_same_model_of_formulas() -> None:
    formulas, y = alloys()
    model = FesearchRegressor("decision_tree", **{**CHEAP, "trials": 3}, preset="full")
    assert model.fit(formulas, y) is model
    assert model.score(formulas, y) > 0.8
    assert model.n_features_in_ == 1
    assert len(model.trials_) == 3
    assert model.best_config_ == model.best_trial_.config == dict(model.study_.best.config)
    assert model.best_score_ == min(trial.value or 0.0 for trial in model.trials_)
    again = clone(model).fit(pd.DataFrame({"formula": formulas}), y)
    assert again.feature_names_in_.tolist() == ["formula"]
    assert again.predict(pd.DataFrame({"formula": formulas})).tolist() == (
        model.predict(np.array(formulas)).tolist()
    )
    other = pickle.loads(pickle.dumps(model))
    assert other.predict(formulas).tolist() == model.predict(formulas).tolist()
    assert not hasattr(other, "study_")  # its place is this process's own


def test_trains_on_all_rows_when_it_refits() -> None:
    formulas, y = alloys()
    kept, refitted = (
        FesearchRegressor("decision_tree", **CHEAP, refit=refit).fit(formulas, y)
        for refit in (False, True)
    )
    assert np.abs(refitted.predict(formulas) - y).max() < 1e-9  # a full tree knows its rows
    assert np.abs(kept.predict(formulas) - y).max() > 1e-3


def test_leaves_nothing_behind(place: Path) -> None:
    formulas, y = alloys()
    before = {path.name for path in place.iterdir()}
    model = FesearchRegressor("ridge", **CHEAP).fit(formulas, y)
    folder = model.study_.artifacts
    assert folder is not None
    left = lambda: list((folder / "studies").glob(f"{model.study_.name}*"))  # noqa: E731
    assert left()
    name = model.study_.name
    del model.study_
    assert not list((folder / "studies").glob(f"{name}*"))
    assert {path.name for path in place.iterdir()} <= {*before, "cache"}


def test_a_study_of_a_given_store_stays_and_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FESEARCH_ARTIFACTS", str(tmp_path / "artifacts"))
    url = f"sqlite:///{tmp_path}/studies.db"
    x, y = np.random.default_rng(0).normal(size=(30, 2)), np.arange(30.0)
    model = FesearchRegressor("ridge", **CHEAP, storage=url).fit(x, y)
    assert open_study(model.study_.name, storage=url).best == model.best_trial_
    again = clone(model).fit(x, y)
    assert again.study_.name == model.study_.name
    assert clone(model).set_params(random_state=1).fit(x, y).study_.name != model.study_.name
    assert pickle.loads(pickle.dumps(model)).study_.best == model.best_trial_


TESTED: dict[str, Any] = {"split": "random:fractions=80:10:10", "refit": False}


def divided(model: FesearchRegressor) -> tuple[list[str], list[str]]:
    """Formulas of the training part of a fitted model, and of its test part."""
    study = model.study_
    with Store.open(study.url) as store, artifacts_at(study.artifacts):
        prepared = prepare_again(store.study(study.name))
    names, split = prepared.dataset.formulas, prepared.split
    return [names[row] for row in split.train], [names[row] for row in split.test]


def test_rows_of_its_test_part_are_on_record_when_it_predicts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FESEARCH_ARTIFACTS", str(tmp_path / "artifacts"))
    url = f"sqlite:///{tmp_path}/studies.db"
    formulas, y = alloys()
    model = FesearchRegressor("ridge", **CHEAP, **TESTED, storage=url).fit(formulas, y)
    train, test = divided(model)
    model.predict(train)  # in silence
    said = f"^{len(test)} of these compounds have formulas .* on record as look 1"
    with pytest.warns(UserWarning, match=said) as caught:
        model.predict([*train, *test])
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="on record as look 1"):
        model.score(test, [y[formulas.index(text)] for text in test])
    with pytest.warns(UserWarning, match="on record as look 1"):
        pickle.loads(pickle.dumps(model)).predict(test[:1])
    with Store.open(url) as store:
        [look] = store.looks()
    assert (look.study, look.trial) == (model.study_.name, model.best_trial_.number)
    assert (look.how.trained, look.rows) == (Trained.PREDICTED, len(test))
    clone(model).set_params(refit=True).fit(formulas, y).predict(test)  # has learned them


def test_predictions_of_a_temporary_study_are_said_and_not_on_record() -> None:
    formulas, y = alloys()
    model = FesearchRegressor("ridge", **CHEAP, **TESTED).fit(formulas, y)
    with pytest.warns(UserWarning, match="not on record, .* was in a temporary place"):
        model.predict(divided(model)[1])
    with Store.open(model.study_.url) as store:
        assert store.looks(store.study(model.study_.name).key) == []


def test_names_of_numbers_are_those_of_the_table() -> None:
    x = np.random.default_rng(0).normal(size=(40, 2))
    frame = pd.DataFrame(x, columns=["radius", "mass"])
    y = x[:, 0] - 2 * x[:, 1]
    model = FesearchRegressor("ridge", **CHEAP).fit(frame, y)
    assert model.score(frame, y) > 0.9  # and the columns are not mixed up
    holes = frame.copy()
    holes.iloc[0, 0] = np.nan
    assert np.isfinite(model.fit(holes, y).predict(holes)).all()


def test_searches_several_families() -> None:
    formulas, y = alloys()
    given = {**CHEAP, "trials": 2}
    model = FesearchRegressor(["ridge", "decision_tree"], **given).fit(formulas, y)
    assert {trial.family for trial in model.trials_} == {"ridge", "decision_tree"}
    assert model.best_trial_.family == model.model_.family


def test_drops_into_pipelines_and_cross_validation() -> None:
    x = np.random.default_rng(0).normal(size=(60, 3))
    whole = make_pipeline(StandardScaler(), FesearchRegressor("ridge", **CHEAP))
    assert cross_val_score(whole, x, x[:, 0], cv=2).min() > 0.9
    formulas, y = alloys()
    assert cross_val_score(FesearchRegressor("ridge", **CHEAP), formulas, y, cv=2).shape == (2,)


def test_says_what_is_wrong_as_scikit_learn_does() -> None:
    formulas, y = alloys(12)
    model = FesearchRegressor("ridge", **CHEAP)
    with pytest.raises(ValueError, match=r"row 1: .*'Xx2'"):
        model.fit(["NaCl", "Xx2", *formulas[2:]], y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(formulas, y[:-1])
    with pytest.raises(ValueError, match="unknown key 'trails'"):
        clone(model).set_params(keys={"trails": 3}).fit(formulas, y)
    with pytest.raises(ValueError, match="too large for a feature"):
        model.fit(np.full((9, 2), 1e39), np.arange(9.0))
    model.fit(formulas, y)
    with pytest.raises(ValueError, match="Row 1 is None, not a formula"):
        model.predict(["NaCl", None])
    with pytest.raises(ValueError, match="Xx2"):
        model.predict(["Xx2"])
    with pytest.raises(ValueError, match="are compounds"):
        model.predict(np.zeros((2, 3)))


class Task:
    """What matbench gives a model: Series of folds, without the target where it is to predict."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame
        self.folds = (0, 1)
        self.recorded: dict[int, np.ndarray] = {}

    def get_train_and_val_data(self, fold: int) -> tuple[pd.Series, pd.Series]:
        rows = self.frame[self.frame.index % 2 != fold]
        return rows["composition"], rows["gap"]

    def get_test_data(self, fold: int, include_target: bool = True) -> pd.Series:
        assert not include_target
        return self.frame[self.frame.index % 2 == fold]["composition"]

    def record(self, fold: int, predictions: np.ndarray) -> None:
        self.recorded[fold] = predictions


def test_drops_into_the_loop_of_matbench() -> None:
    formulas, y = alloys()
    task = Task(pd.DataFrame({"composition": formulas, "gap": y}))
    model = FesearchRegressor("ridge", **CHEAP, features="element_fractions", unit="eV")
    for fold in task.folds:
        inputs, outputs = task.get_train_and_val_data(fold)
        model.fit(inputs, outputs)
        task.record(fold, model.predict(task.get_test_data(fold, include_target=False)))
    for fold, predictions in task.recorded.items():
        truth = y[fold::2]
        assert np.abs(predictions - truth).mean() < np.abs(truth - truth.mean()).mean()


@pytest.mark.filterwarnings("default")
def test_runs_a_task_of_matbench_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = pytest.importorskip("matbench.bench", reason="no matbench: make test-tools")
    whole = bench.MatbenchBenchmark(autoload=False, subset=["matbench_steels"])
    [task] = whole.tasks
    task.df = local(task)
    model = FesearchRegressor("ridge", **CHEAP, features="element_fractions")
    model.set_params(unit=task.metadata.unit)
    for fold in task.folds:
        model.fit(*task.get_train_and_val_data(fold))
        task.record(fold, model.predict(task.get_test_data(fold)), params=model.best_config_)
    assert whole.is_valid
    assert task.scores.mae.mean < 0.1 * task.df[task.metadata.target].std()


def test_reads_structures() -> None:
    from pymatgen.core import Composition, Lattice, Structure

    formulas, y = alloys(20)
    pairs = [list(Composition(text).as_dict()) for text in formulas]
    cells = [Structure(Lattice.cubic(3.0), two, [[0, 0, 0], [0.5] * 3]) for two in pairs]
    model = FesearchRegressor("ridge", **CHEAP).fit(pd.Series(cells), y)
    assert model.predict(cells).tolist() == model.predict(formulas).tolist()
