"""Studies from their beginning: what they leave, and what is refused."""

import json
import sqlite3
import sys
import tomllib
from collections.abc import Sequence
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any

import optuna
import pytest
import searched
from driven import check_optuna_agrees, kept, results, story
from small import SPACE, Watch, interrupt, small

from fesearch import dataset, hardware, library
from fesearch.classical import affordable
from fesearch.cli.app import run
from fesearch.errors import FesearchError, InputError
from fesearch.export import export
from fesearch.paths import artifacts_dir
from fesearch.record import TrialState
from fesearch.search import driver, start
from fesearch.search.checkpoint import CHECKPOINT
from fesearch.search.folder import study_folder
from fesearch.search.mirror import in_database
from fesearch.search.prepare import prepare
from fesearch.search.worker import LOG, MODEL, Worker
from fesearch.store.results import Store
from fesearch.store.types import StudyState
from fesearch.study import Study


def test_what_is_loaded_while_ray_starts_is_there_and_no_error_if_it_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in driver._MEANWHILE:
        import_module(name)
    (tmp_path / "needed_soon.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(driver, "_MEANWHILE", ("no_such_module", "needed_soon"))
    driver._load()
    assert "needed_soon" in sys.modules


def test_a_study_ends_with_states_curves_and_files(url: str) -> None:
    outcome = start.start(small(), url)
    states = {result.state for result in outcome.results}
    assert states == {TrialState.COMPLETE, TrialState.PRUNED}
    assert (outcome.stopped, outcome.usable) == ("", True)
    assert outcome.row.state is StudyState.COMPLETE
    assert [result.number for result in outcome.results] == list(range(6))
    check_optuna_agrees(url, "deep")
    assert kept(outcome.row, LOG) == set(range(6))
    assert kept(outcome.row, CHECKPOINT) == set()
    with Store.open(url) as store:
        assert not store.driven(outcome.row)


def test_the_same_seed_gives_the_same_trials_and_another_does_not(
    url: str, whole: tuple[Any, Any]
) -> None:
    start.start(small("again"), url)
    assert story(url, "again") == whole
    start.start(small("other", seed=4), url)
    configs = [result.config for result in results(url, "other")]
    assert configs[1:] != [result.config for result in whole[0]][1:]


def test_a_study_that_counts_latency_measures_it_and_searches_as_without(
    url: str, whole: tuple[Any, Any]
) -> None:
    start.start(small("timed", objectives=["latency"]), url, watchers=[Watch(7, interrupt)])
    start.resume("timed", url)
    assert story(url, "timed") == whole
    with Store.open(url) as store:
        trials = store.trials(store.study("timed"))
    assert all(trial.latency is not None and 0.0 < trial.latency < 1.0 for trial in trials)


def test_a_name_that_exists_is_refused_with_the_ways_out(url: str) -> None:
    start.start(small(trials=1), url)
    with pytest.raises(InputError) as caught:
        start.start(small(trials=1), url)
    assert caught.value.message == "There is a study 'deep' already."
    assert caught.value.hint == (
        "Type: fesearch study resume deep (or add --or-resume), or give another --name."
    )


def test_or_resume_of_a_finished_study_trains_nothing(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = start.start(small(), url)
    monkeypatch.setattr(Worker, "__init__", None)
    again = start.start(small(), url, or_resume=True)
    assert again.results == first.results
    assert again.row.state is StudyState.COMPLETE


def test_or_resume_does_not_take_one_study_for_another(url: str) -> None:
    start.start(small(trials=1), url)
    with pytest.raises(InputError) as caught:
        start.start(small(trials=2), url, or_resume=True)
    assert caught.value.message == "The study 'deep' was started with trials = 1, not 2."
    assert caught.value.hint == "Type: fesearch study resume deep; or give another --name."


def test_or_resume_takes_a_study_of_old_for_the_one_it_was(url: str) -> None:
    row = start.start(small(trials=1), url).row
    definition = {key: value for key, value in row.definition.items() if key != "asked"}
    definition["study"] = {**definition["study"], "reduction_factor": 3, "grace": None}
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        change = "UPDATE fesearch_studies SET definition = ?"
        connection.execute(change, (json.dumps(definition),))
    for factor in (None, 3):
        asked = small(trials=1, reduction_factor=factor)
        assert len(start.start(asked, url, or_resume=True).results) == 1
    with pytest.raises(InputError, match="was started with reduction_factor = "):
        start.start(small(trials=1, reduction_factor=4), url, or_resume=True)


def test_a_trial_is_as_long_as_its_config_says_beyond_the_familys_maximum(url: str) -> None:
    forest = {"n_estimators": [520, 540], "max_depth": 10, "min_samples_split": 20}
    study = small(family="random_forest", space=forest, trials=1, max_epochs=None, grace=180)
    start.start(study, url)
    [one] = results(url, "deep")
    assert (one.resource, one.config["n_estimators"]) == (520, 520)
    with Store.open(url, create=False) as store:
        assert store.reports(store.study("deep"))[-1].resource == 520


def test_a_space_smaller_than_the_budget_is_searched_whole(url: str) -> None:
    two = {**SPACE, "activation": "relu", "loss": "mae", "optimizer": "adam"}
    narrow = small(space={**two, "learning_rate": [0.01, 0.001]}, trials=50)
    outcome = start.start(narrow, url)
    assert len(outcome.results) == 2
    assert outcome.row.state is StudyState.COMPLETE
    watch = Watch()
    start.resume("deep", url, watchers=[watch])
    assert watch.core.settings.trials == 2
    assert watch.core.done


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"data": "aloys"}, "There is no data set 'aloys'."),
        ({"target": "h_frm"}, "There is no target 'h_frm'."),
        ({"features": "magpi"}, "There is no feature set 'magpi'."),
        ({"split": "column:fold9"}, "There is no column of roles 'fold9'."),
        ({"gpus": 4}, "4 GPUs are asked for, but "),
        ({"cpus": 10_000}, "10000 CPU cores are asked for, but there are "),
        ({"family": "irnt"}, "There is no family 'irnt'."),
    ],
    ids=lambda part: "" if isinstance(part, str) else next(iter(part)),
)
def test_nothing_is_written_where_something_is_not_there(
    keys: dict[str, Any], message: str, url: str, tmp_path: Path
) -> None:
    before = sorted(artifacts_dir().rglob("*"))
    with pytest.raises(InputError) as caught:
        start.start(small(**keys), url)
    assert caught.value.message.startswith(message)
    assert list(tmp_path.iterdir()) == []
    assert sorted(artifacts_dir().rglob("*")) == before


@pytest.mark.parametrize(
    ("family", "message"),
    [
        ("rnn", "The family rnn reads sequences of elements, and these features are none."),
        ("cnn", "The family cnn reads pictures of 100 cells, and there are 145 features."),
        ("krr", "krr on "),
        ("svr", "svr on "),
        ("k_neighbors", "k_neighbors on "),
    ],
)
def test_a_family_that_cannot_be_trained_on_the_data_is_refused_before_the_study(
    family: str, message: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(affordable, "MOST_HOURS", 1e-12)
    study = Study(name="deep", family=family, data=searched.DATA, features="magpie")
    with pytest.raises(InputError) as caught:
        start.start(study, url)
    assert caught.value.message.startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_a_study_goes_on_where_less_memory_is_free_than_at_its_start(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study(name="kernels", family="krr", data=searched.DATA, runner="inline", trials=1)
    start.start(study, url)
    monkeypatch.setattr(affordable, "free_memory", lambda: 1_000)
    assert start.resume("kernels", url).row.state is StudyState.COMPLETE
    with pytest.raises(InputError, match="krr on "):
        start.start(study.model_copy(update={"name": "others"}), url)


def test_trials_side_by_side_are_to_be_affordable_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(affordable, "free_memory", lambda: 4_000_000)
    study = Study(name="kernels", family="krr", data=searched.DATA, runner="inline")
    prepare(study)
    monkeypatch.setattr(hardware, "cores", lambda: 64)
    with pytest.raises(InputError, match=r"a trial may take 0\.0 GB"):
        prepare(study.model_copy(update={"runner": "ray"}))


def test_data_that_changed_are_refused(url: str) -> None:
    start.start(small(trials=1), url)
    rows = library.load(searched.DATA)
    library.delete(searched.DATA)
    energies = rows.target(searched.TARGET) * 2
    units = {searched.TARGET: searched.UNIT}
    library.save(dataset.make(searched.DATA, rows.formulas, {searched.TARGET: energies}, units))
    try:
        with pytest.raises(InputError) as caught:
            start.resume("deep", url)
    finally:
        library.delete(searched.DATA)
        searched.save_data()
    assert caught.value.message.startswith(f"The data of 'deep' is {''}")
    assert "when it was started." in caught.value.message
    assert caught.value.hint.startswith(f"Restore '{searched.DATA}' and the package versions")


def save_pair(order: Sequence[str]) -> None:
    """Keep a data set of two very different targets, its columns in that order."""
    rows = library.load(searched.DATA)
    energies = rows.target(searched.TARGET)
    columns = {"ea": energies, "eb": 5.0 - 3.0 * energies[::-1]}
    targets = {name: columns[name] for name in order}
    library.save(dataset.make("pair", rows.formulas, targets, dict.fromkeys(order, "eV")))


def test_the_default_target_is_the_one_it_was_started_with(url: str, tmp_path: Path) -> None:
    save_pair(["ea", "eb"])
    try:
        start.start(small("told", data="pair", target="ea"), url)
        start.start(small("untold", data="pair"), url, watchers=[Watch(2, interrupt)])
        save_pair(["eb", "ea"])
        again = small("untold", data="pair")
        assert start.start(again, url, or_resume=True).row.state is StudyState.COMPLETE
        assert story(url, "untold") == story(url, "told")
        export("untold", url, tmp_path / "model")
    finally:
        library.delete("pair")
    written = tomllib.loads((tmp_path / "model" / "study.toml").read_text())
    assert written["target"] == "ea"
    assert written["features"] == "magpie"
    assert written["split"] == str(small().split_spec())


def test_another_unit_of_the_same_data_is_refused(url: str) -> None:
    start.start(small(trials=1), url)
    with Store.open(url) as store, store.write() as connection:
        connection.exec_driver_sql("UPDATE fesearch_keys SET unit = 'meV/atom'")
    with pytest.raises(InputError) as caught:
        start.resume("deep", url)
    assert caught.value.message == (
        "The unit of 'deep' is eV/atom now and was meV/atom when it was started."
    )


def test_only_the_weights_of_the_best_are_kept(url: str) -> None:
    outcome = start.start(small(keep=2), url)
    usable = sorted((r.value, r.number) for r in outcome.results if r.state.usable)
    assert kept(outcome.row, MODEL) == {number for _, number in usable[:2]}
    assert list(study_folder(outcome.row).rglob(f"*{CHECKPOINT}*")) == []


@pytest.mark.parametrize("begun", [False, True])
def test_an_optuna_study_of_somebody_else_is_left_alone(
    begun: bool, url: str, tmp_path: Path
) -> None:
    storage = in_database(url)
    theirs = optuna.create_study(storage=storage, study_name="deep", direction="maximize")
    if begun:
        theirs.tell(theirs.ask(), 0.5)
    storage.engine.dispose()
    before = database(tmp_path)
    with pytest.raises(InputError) as caught:
        start.start(small(), url)
    assert caught.value.message == (
        "The database has an Optuna study 'deep' that is not of fesearch."
    )
    with pytest.raises(FesearchError):
        start.delete("deep", url)
    assert database(tmp_path) == before
    start.start(small("deep2", trials=1), url)
    start.delete("deep2", url)
    assert [one.study_name for one in storage.get_all_studies()] == ["deep"]
    storage.engine.dispose()


def database(folder: Path) -> list[str]:
    """All tables and rows of the one database in a folder."""
    with closing(sqlite3.connect(folder / "studies.db")) as connection:
        return list(connection.iterdump())


def test_the_budget_of_a_list_is_no_more_than_there_are_configs(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    two = {**SPACE, "activation": "relu", "loss": "mae", "optimizer": "adam"}
    start.start(small(space={**two, "learning_rate": [0.01, 0.001]}, trials=50), url)
    start.start(small("other", trials=1), url)
    assert run(["study", "list", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["trials"], row["budget"]) for row in rows] == [
        ("deep", 2, 2), ("other", 1, 1)
    ]  # fmt: skip
    with Store.open(url) as store, store.write() as connection:
        connection.exec_driver_sql(
            "UPDATE fesearch_studies SET definition = replace(definition, 'irnet', 'gone')"
        )
    assert run(["study", "list", "--format", "json"]) == 0
    assert [row["budget"] for row in json.loads(capsys.readouterr().out)] == [50, 1]
