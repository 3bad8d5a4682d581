"""Configs of one's own choice: whole, of the study's space, and tried next."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from driven import check_optuna_agrees, results, study_row
from small import Watch, furnished, small

from fesearch.cli.app import run
from fesearch.errors import InputError, StudyNotFoundError
from fesearch.record import Fault, TrialState
from fesearch.search import start
from fesearch.search.core import Core
from fesearch.search.enqueue import enqueue
from fesearch.search.extend import extend
from fesearch.store.results import Store
from fesearch.store.schema import TRIALS


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a store with the study ``done`` of two trials, beside data and features."""
    with furnished(tmp_path_factory.mktemp("house"), small("done", trials=2, max_epochs=1)) as url:
        yield url


def waiting(url: str, name: str) -> list[tuple[dict[str, Any], str]]:
    """Configs that wait, and who asked for them."""
    with Store.open(url, create=False) as store:
        return [(dict(one.config), one.origin) for one in store.queued(store.study(name))]


def test_what_is_left_out_is_the_familys_best_nearest_in_the_space(house: str) -> None:
    enqueued = enqueue("done", house, sets=("learning_rate=1e-2", "optimizer=sgd"))
    best = dict(results(house, "done")[0].config)
    assert enqueued.config == {**best, "learning_rate": 0.01, "optimizer": "sgd"}
    assert set(enqueued.filled) == set(best) - {"learning_rate", "optimizer"}
    assert (enqueued.left, enqueued.driven) == (0, False)
    assert waiting(house, "done")[-1] == (enqueued.config, "enqueued by hand")


def test_a_config_of_a_trial_with_a_value_replaced(house: str) -> None:
    given = results(house, "done")[1].config
    enqueued = enqueue("done", house, from_trial="done:1", sets=("loss=mse", "norm=none"))
    assert enqueued.config == {**given, "loss": "mse"}
    assert waiting(house, "done")[-1][1] == "enqueued by hand, from done:1"


def test_a_config_in_json_is_written_as_the_space_has_it(house: str) -> None:
    given = '{"depth": 3.0, "batch_size": 8.0, "norm": null}'
    config = enqueue("done", house, config=given).config
    assert (config["depth"], config["batch_size"], config["norm"]) == (3, 8, None)
    assert isinstance(config["depth"], int)


def test_a_running_study_tries_it_next_and_within_its_budget(
    house: str, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choose(core: Core) -> None:
        enqueued = enqueue("deep", sqlite_url, sets=("learning_rate=0.001", "optimizer=sgd"))
        assert (enqueued.left, enqueued.driven) == (2, True)

    start.start(small(trials=3, max_epochs=1), sqlite_url, watchers=[Watch(1, choose)])
    found = results(sqlite_url, "deep")
    assert len(found) == 3
    assert (found[1].config["learning_rate"], found[1].config["optimizer"]) == (0.001, "sgd")
    check_optuna_agrees(sqlite_url, "deep")
    with Store.open(sqlite_url) as store:
        row = store.study("deep")
        assert [store.origin(row, number) for number in range(3)] == [
            None, "enqueued by hand", None
        ]  # fmt: skip


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({}, "Nothing is said of what 'done' is to try.", "Give --set depth=24"),
    ({"sets": ("dpth=3",)}, "There is no parameter 'dpth' in this space.", "'depth'?"),
    ({"sets": ("depth=17",)}, "'depth' is 17, outside its space.", "Give one of: 3."),
    ({"sets": ("depth=true",)}, "'depth' is True, outside its space.", "Give one of: 3."),
    ({"sets": ("depth",)}, "--set got 'depth'.", "Write --set KEY=VALUE, as in depth=24."),
    ({"config": "{"}, "The config '{' is not JSON: ", 'Write it as {"depth": 24}'),
    ({"config": "[1]"}, "The config '[1]' is not an object.", 'Write it as {"depth": 24}.'),
    ({"config": "[" * 100_000}, "The config '[[[", "Write it as"),
    ({"config": '{"learning_rate": NaN}'}, "'learning_rate' is nan, outside", "Give one of"),
    ({"config": '{"depth": [3]}'}, "'depth' is [3], outside its space.", "Give one of: 3."),
    ({"from_trial": "done"}, "--from-trial got 'done'.", "Write it as STUDY:7."),
    ({"from_trial": "done:9"}, "The study 'done' has no trial 9.", "fesearch trials done"),
    ({"from_trial": "done:" + "9" * 30}, "The study 'done' has no trial 99", "fesearch trials"),
    ({"from_trial": "done:0", "config": "{}"}, "Both --config and --from-trial are", "one of"),
]


@pytest.mark.parametrize(("asked", "message", "hint"), REFUSED, ids=lambda part: str(part)[:30])
def test_what_the_space_has_not_is_refused_and_not_queued(
    asked: dict[str, Any], message: str, hint: str, house: str
) -> None:
    before = waiting(house, "done")
    with pytest.raises(InputError) as caught:
        enqueue("done", house, **asked)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert waiting(house, "done") == before


def test_of_a_finite_space_no_config_is_had_twice(house: str, sqlite_url: str) -> None:
    space = {"n_neighbors": [3, 5], "weights": ["uniform"], "metric": ["manhattan"]}
    few = small("few", family="k_neighbors", preset="full", space=space, sampler="grid", trials=1)
    few = few.model_copy(update={"max_epochs": None})
    start.start(few, sqlite_url)
    extend("few", sqlite_url, trials="2")
    [first] = [one.config["n_neighbors"] for one in results(sqlite_url, "few")]
    with pytest.raises(InputError) as caught:
        enqueue("few", sqlite_url, sets=(f"n_neighbors={first}",))
    assert caught.value.message == (
        "The config is that of trial 0: 'few' has each of its space once."
    )
    enqueue("few", sqlite_url, sets=(f"n_neighbors={8 - first}",))
    with pytest.raises(InputError, match="The config waits to be tried already: 'few'"):
        enqueue("few", sqlite_url, sets=(f"n_neighbors={8 - first}",))
    fail("few", sqlite_url, TrialState.FAIL)
    assert enqueue("few", sqlite_url, sets=(f"n_neighbors={first}",)).config  # it had failed
    fail("few", sqlite_url, TrialState.COMPLETE)
    start.resume("few", sqlite_url)
    assert [one.config["n_neighbors"] for one in results(sqlite_url, "few")] == [first, 8 - first]


def fail(name: str, url: str, state: TrialState) -> None:
    """Have the first trial of a study failed by a fault of the machine, or not."""
    fault = Fault.MACHINE if state is TrialState.FAIL else None
    with Store.open(url, create=False) as store:
        first = (TRIALS.c.study_id == store.study(name).id) & (TRIALS.c.number == 0)
        with store.write() as connection:
            connection.execute(sa.update(TRIALS).where(first).values(state=state, fault=fault))


def test_a_study_that_is_not_there(house: str) -> None:
    for asked in ({"sets": ("depth=3",)}, {"from_trial": "dne:1"}):
        with pytest.raises(StudyNotFoundError):
            enqueue("don" if "sets" in asked else "done", house, **asked)  # type: ignore[arg-type]


def test_the_command_line(house: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["study", "enqueue", "done", "--set", "depth=3", "--format", "json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["depth"] == 3
    assert told.err.endswith(
        "It waits, since the budget of 2 trials is spent: fesearch study extend done --trials +1\n"
    )
    before = study_row(house, "done")
    assert run(["study", "enqueue", "done", "--set", "dpth=3"]) == 2
    assert capsys.readouterr().err.startswith(
        "The study 'done' cannot try that config: There is no parameter 'dpth' in this space.\n"
    )
    assert study_row(house, "done") == before


def test_the_command_line_says_that_it_is_tried_next(
    house: str, sqlite_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def choose(core: Core) -> None:
        words = ["study", "enqueue", "deep", "--storage", sqlite_url]
        assert run([*words, "--from-trial", "deep:0", "--set", "loss=mse"]) == 0

    start.start(small(trials=2, max_epochs=1), sqlite_url, watchers=[Watch(1, choose)])
    assert capsys.readouterr().err.endswith(
        "\nIt is tried next, within the budget of 2 trials.\n"
        "The study is running, and takes it up by itself.\n"
    )
    assert results(sqlite_url, "deep")[1].config["loss"] == "mse"
