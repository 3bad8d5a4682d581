"""Configs scored on inner folds of the training part."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import searched
from small import furnished, small

from fesearch.archive import write as write_archive
from fesearch.arrays import Arrays
from fesearch.bundle import open_bundle
from fesearch.bundlefiles import README
from fesearch.cli.app import run as command
from fesearch.dataset import Dataset
from fesearch.dataset import make as dataset_of
from fesearch.errors import InputError
from fesearch.export import export
from fesearch.family import FAMILIES
from fesearch.finalists import kept_model
from fesearch.folds import Folded, parts
from fesearch.holdout import holdout
from fesearch.joint import holdout_ensemble
from fesearch.metrics import METRICS
from fesearch.record import TrialSpec
from fesearch.search import start
from fesearch.search.prepare import prepare_again
from fesearch.split import Development, make
from fesearch.splitspec import SplitSpec
from fesearch.store.results import Store
from fesearch.trial import run

RIDGE = FAMILIES.get("ridge")


def dataset() -> Dataset:
    """Rows of which two have each reduced formula."""
    metals = ("Al", "Ti", "V", "Cr", "Mn", "Fe")
    formulas = [f"{a}{n}O{m}" for a in metals for n in (1, 2, 3, 4, 5) for m in (7,)] * 2
    values = np.random.default_rng(0).normal(size=len(formulas))
    ids = [f"r{place}" for place in range(len(formulas))]
    return dataset_of("rows", formulas, {"e": values}, {"e": "eV/atom"}, ids=ids)


def folded(rows: int = 40, count: int = 4, seed: int = 0) -> Development:
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(rows, 3)).astype(np.float32)
    y = x @ [1.0, -2.0, 0.5] + 0.1 * draw.normal(size=rows)
    return Development(x, y, x[:5], y[:5], np.arange(rows) % count)


def test_folds_keep_formulas_whole_and_are_about_equal() -> None:
    rows = dataset()
    split = make(rows, SplitSpec.parse("random:folds=5"))
    assert split.folds is not None
    fold_of: dict[str, int] = {}
    for row, fold in zip(split.train.tolist(), split.folds.tolist(), strict=True):
        assert fold_of.setdefault(rows.reduced[row], fold) == fold
    sizes = np.bincount(split.folds)
    assert len(sizes) == 5
    assert sizes.max() - sizes.min() <= 4
    plain = make(rows, SplitSpec.parse("random"))
    assert (split.train == plain.train).all()
    assert (split.test == plain.test).all()
    assert len({split.fingerprint, plain.fingerprint}) == 2
    other = make(rows, SplitSpec.parse("random:folds=4"))
    assert other.fingerprint != split.fingerprint
    assert make(rows, SplitSpec.parse(split.spec)).fingerprint == split.fingerprint


@pytest.mark.parametrize("folds", ["1", "x", "0.5"])
def test_what_is_no_number_of_folds_is_refused(folds: str) -> None:
    with pytest.raises(InputError, match="The split folds is"):
        SplitSpec.parse(f"random:folds={folds}")


def test_more_folds_than_groups_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        make(dataset(), SplitSpec.parse("random:folds=30"))
    assert "which are not 30 folds of whole distinct reduced formulas" in caught.value.message


def test_each_row_is_predicted_by_a_model_that_has_not_seen_it() -> None:
    data = folded()
    learner = Folded(RIDGE.build, RIDGE.best, data, seed=1, threads=1, device="cpu")
    found = learner.advance()
    assert data.folds is not None
    for fold in range(4):
        away = data.folds == fold
        part = Development(
            data.train_x[~away], data.train_y[~away], data.train_x[away], data.train_y[away]
        )
        alone = RIDGE.build(RIDGE.best, part, seed=1, threads=1, device="cpu").advance()
        assert found[away] == pytest.approx(alone)
    assert learner.parameters == 4 * (3 + 1)  # weights and an intercept each


def spec(family: str, steps: tuple[int, ...], **config: Any) -> TrialSpec:
    declared = FAMILIES.get(family)
    return TrialSpec(0, family, {**declared.best, **config}, 5, steps)


def test_the_score_is_over_all_training_rows_and_the_model_their_mean() -> None:
    data = folded()
    running = run([spec("ridge", (1,))], data)
    [report] = list(running)
    model = running.model(0)
    scored = model.scored(data)
    assert report.best == pytest.approx(np.mean(np.abs(scored - data.train_y)))
    singles = [replace(model, arrays=one).predict(data.val_x) for one in parts(model.arrays)]
    assert len(singles) == 4
    assert model.predict(data.val_x) == pytest.approx(np.mean(singles, axis=0))


def test_a_network_goes_on_from_its_checkpoint_bit_for_bit() -> None:
    data = folded()
    wanted = spec("irnet", (1, 2, 3), depth=3, width=1 / 32, batch_size=8)
    whole = run([wanted], data)
    reports = list(whole)
    halted = run([wanted], data)
    next(iter(halted))
    resumed = run([wanted], data, [halted.checkpoint(0)])
    assert [one.raw for one in resumed] == [one.raw for one in reports[1:]]
    assert whole.checkpoint(0).keys() == resumed.checkpoint(0).keys()


@pytest.mark.parametrize(
    ("forged", "said"),
    [
        ({"folds": np.array(4)}, "The checkpoint is after fold 4 of 4."),
        ({"folds": np.array(0)}, "The checkpoint is after fold 0 of 4."),
        ({"folds": np.array(-1)}, "The checkpoint is after fold -1 of 4."),
        ({"folds": np.array(1.0)}, "The array 'folds' of the checkpoint is float64"),
        ({"predictions": np.zeros(3)}, "The array 'predictions' of the checkpoint is float64"),
        ({"folds": None}, "The checkpoint lacks the array 'folds'."),
        ({"predictions": None}, "The checkpoint lacks the array 'predictions'."),
    ],
)
def test_what_is_no_checkpoint_between_folds_is_refused(
    forged: dict[str, np.ndarray | None], said: str
) -> None:
    pauses: list[Arrays] = []
    running = run(
        [spec("ridge", (1,))], folded(), look=lambda: pauses.append(running.checkpoint(0))
    )
    list(running)
    assert len(pauses) == 3
    added = {f"learner.{name}": array for name, array in forged.items()}
    arrays = {k: v for k, v in {**pauses[1], **added}.items() if v is not None}
    with pytest.raises(InputError, match=said):
        run([spec("ridge", (1,))], folded(), [arrays])


def test_a_study_on_folds_is_searched_exported_and_archived(
    tmp_path: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    study = small("folds", trials=2, max_epochs=2, split="random:folds=3")
    with furnished(tmp_path, study) as url:
        with Store.open(url) as store:
            row = store.study("folds")
            prepared = prepare_again(row)
            best = min(store.trials(row), key=lambda trial: trial.value or 9.0)
            model = kept_model(row, prepared, best)
        data = prepared.development
        assert len(parts(model.arrays)) == 3
        assert prepared.metric(data.scored_y, model.scored(data)) == pytest.approx(best.value)
        export("folds", url, tmp_path / "model")
        write_archive("folds", url, tmp_path / "folds.zip")
        start.start(small("plain", trials=1, max_epochs=1), url)
        with Store.open(url) as store:
            assert store.study("plain").key != row.key
            assert store.study("plain").key.data == row.key.data
        assert searched.DATA in {prepared.dataset.name}


@pytest.fixture(scope="module")
def store_with_folds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The URL of a store with a study of forests on inner folds, and a folder."""
    folder = tmp_path_factory.mktemp("folds")
    with furnished(folder) as url:
        configs = [{**searched.SMALL_FOREST, "max_depth": depth} for depth in (10, 2)]
        split = "random:folds=3"
        searched.search(url, "woods", "random_forest", configs, split=split, preset="full")
        yield url, folder


def test_a_study_on_folds_has_its_holdout(store_with_folds: tuple[str, Path]) -> None:
    url, _ = store_with_folds
    (one,) = holdout("woods", url).scored
    assert one.look.how.validation["mae"] == pytest.approx(one.trial.value)
    again, other = (found.look for found in holdout("woods", url, seeds=2).scored)
    assert (again.scores, again.how.validation) == (one.look.scores, one.look.how.validation)
    assert other.scores != again.scores
    joined = holdout("woods", url, retrain=True).scored[0].look
    with Store.open(url) as store:
        split = prepare_again(store.study("woods")).split
    assert joined.how.n_train == len(split.train) + len(split.val)
    picked = holdout_ensemble(["woods"], url, 4).scored[0].look
    assert picked.how.validation["mae"] <= (one.trial.value or 0.0)


def test_the_card_of_a_model_of_folds_says_so(store_with_folds: tuple[str, Path]) -> None:
    url, folder = store_with_folds
    card = export("woods", url, folder / "model")
    with Store.open(url) as store:
        data = prepare_again(store.study("woods")).development
        trial = store.trial(store.study("woods"), card.trained.trial)
    assert (card.split.folds, card.validation.value) == (3, trial.value)
    assert card.intervals is not None
    assert card.intervals.rows == len(data.val_y)
    assert card.validation.scores == {name: trial.scores[name] for name in METRICS}
    low, high = card.validation.intervals["mae"]
    assert low < card.validation.value < high
    readme = (folder / "model" / README).read_text()
    for words in (
        f"- MAE, {len(data.train_y)} training rows, each by a model that has not seen its inner f",
        "These rows chose nothing, since configs were scored on inner folds",
        "Each model here is the mean of 3, of which each has not seen one inner fold of the\n",
        "score on inner folds chose this model",
    ):
        assert words in readme, words
    assert "cover a little less than they say" not in readme
    bundle = open_bundle(folder / "model")
    assert bundle.predict(["AlTi3"]).shape == (1,)
    both = export("woods", url, folder / "both", ensemble=4)
    assert both.validation.value <= card.validation.value
    once = export("woods", url, folder / "once", refit=True)
    assert once.refit == 60
    assert "is the mean of 3" not in (folder / "once" / README).read_text()
    assert open_bundle(folder / "once").predict(["AlTi3"]).shape == (1,)


def test_a_fold_that_is_left_out_is_missed() -> None:
    with pytest.raises(InputError, match="has arrays beside those of its 1 folds"):
        parts({"fold.0.x": np.zeros(1), "fold.2.x": np.zeros(1)})


def test_a_study_on_folds_is_analysed_replayed_and_divided(
    store_with_folds: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    url, folder = store_with_folds
    for kind in ("parity", "elements", "permutation"):
        assert command(["analyse", kind, "woods", "--format", "json"]) == 0, capsys.readouterr().err
        assert json.loads(capsys.readouterr().out)
    assert command(["data", "split", searched.DATA, "--split", "random:folds=3"]) == 0
    assert "folds=3" in capsys.readouterr().out
    start.start(small("again", trials=2, max_epochs=1, split="random:folds=3"), url)
    assert command(["study", "replay", "again"]) == 0, capsys.readouterr().err
    write_archive("woods", url, folder / "woods.zip")
    assert command(["rank", "--from", str(folder / "woods.zip")]) == 0
    assert "random:" in capsys.readouterr().out
