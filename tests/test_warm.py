"""Warm starts: what is taken from an earlier study, and what does not depend on it any more."""

from collections.abc import Iterator
from typing import Any

import pytest
from driven import check_optuna_agrees, results, story, study_row
from small import SPACE, Watch, furnished, small

from fesearch.errors import InputError, StudyNotFoundError
from fesearch.nets.train import NetLearner
from fesearch.record import Fault, TrialState
from fesearch.search import start, warm
from fesearch.search.mirror import NUMBER
from fesearch.search.samplers.tpe import TPE
from fesearch.store.results import Store
from fesearch.study import Study

RANGE = {**SPACE, "learning_rate": {"low": 1e-5, "high": 1e-2, "log": True}}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a store with the study ``before`` of twelve trials, beside data and features."""
    with furnished(
        tmp_path_factory.mktemp("house"), short("before", trials=12, sampler="random")
    ) as url:
        yield url


def short(name: str, **keys: Any) -> Study:
    """A study of trials of one epoch."""
    return small(name, **{"max_epochs": 1, "pruner": "none", "space": RANGE, **keys})


def best_first(url: str, name: str) -> list[dict[str, Any]]:
    """The configs of a study, the best first."""
    usable = [one for one in results(url, name) if one.state.usable]
    usable.sort(key=lambda one: (one.value, one.number))
    return [dict(one.config) for one in usable]


def given(url: str, name: str) -> list[dict[str, Any]]:
    """The configs a study has tried, in order."""
    return [dict(one.config) for one in results(url, name)]


def test_the_best_configs_are_tried_first(house: str) -> None:
    start.start(short("after", trials=4, warm_start="before"), house)
    assert given(house, "after") == best_first(house, "before")[:4]
    check_optuna_agrees(house, "after")
    with Store.open(house) as store:
        row = store.study("after")
        assert store.origin(row, 0) == "warm start from before"
        assert len(store.queued(row)) == 6


def test_no_more_than_ten_are_tried_first(house: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "MOST", 2)
    start.start(short("ten", trials=4, warm_start="before"), house)
    assert given(house, "ten")[:2] == best_first(house, "before")[:2]
    assert given(house, "ten")[3] not in best_first(house, "before")


def test_in_another_space_the_nearest_configs_are_tried_each_once(house: str) -> None:
    narrow = {**SPACE, "optimizer": "adam", "learning_rate": [0.01, 0.0001]}
    start.start(short("narrow", trials=8, warm_start="before", space=narrow), house)
    tried = given(house, "narrow")
    assert {config["learning_rate"] for config in tried} <= {0.01, 0.0001}
    assert len({str(config) for config in tried}) == len(tried)


def test_of_the_same_division_the_trials_are_known_to_the_sampler(house: str) -> None:
    start.start(short("known", trials=1, warm_start="before"), house)
    row = study_row(house, "known")
    earlier = results(house, "before")
    assert [one["value"] for one in row.definition["priors"]] == [one.value for one in earlier]
    space = short("known").search_space()
    sampler = TPE(space, 3, "minimize", warm.priors(row))
    known = sampler._mirror.study.trials
    assert [trial.user_attrs[NUMBER] for trial in known] == [-n for n in range(1, 13)]
    assert [(trial.value, trial.params) for trial in known] == [
        (one.value, dict(one.config)) for one in earlier
    ]
    assert sampler.suggest(20) != TPE(space, 3, "minimize").suggest(20)


def test_of_another_division_configs_are_taken_and_values_are_not(house: str) -> None:
    start.start(short("apart", trials=2, warm_start="before", split="random:seed=7"), house)
    assert study_row(house, "apart").definition["priors"] == []
    assert given(house, "apart") == best_first(house, "before")[:2]


def test_trials_outside_the_space_are_not_known_to_the_sampler(house: str) -> None:
    start.start(
        short("adams", trials=1, warm_start="before", space={**RANGE, "optimizer": "adam"}), house
    )
    priors = study_row(house, "adams").definition["priors"]
    assert 0 < len(priors) < 12
    assert {one["config"]["optimizer"] for one in priors} == {"adam"}


def test_a_resume_does_not_need_the_earlier_study(house: str) -> None:
    start.start(short("first", trials=8, sampler="random", seed=5), house)
    start.start(short("whole", trials=11, warm_start="first"), house)
    watch = Watch(2, lambda core: core.stop("for a while"))
    start.start(short("torn", trials=11, warm_start="first"), house, watchers=[watch])
    start.delete("first", house)
    assert start.resume("torn", house).stopped == ""
    assert story(house, "torn") == story(house, "whole")
    again = short("torn", trials=11, warm_start="first")
    assert len(start.start(again, house, or_resume=True).results) == 11


def test_what_diverged_is_known_as_such(house: str) -> None:
    wild = {**SPACE, "optimizer": "sgd", "loss": "mse", "learning_rate": [1000.0, 0.001]}
    start.start(short("wild", trials=4, space=wild), house)
    start.start(short("tame", trials=1, space=wild, warm_start="wild"), house)
    priors = list(warm.priors(study_row(house, "tame")))
    diverged = [one for one in priors if one.state is TrialState.FAIL]
    assert diverged
    assert {one.fault for one in diverged} == {Fault.DIVERGED}
    sampler = TPE(short("tame", space=wild).search_space(), 3, "minimize", priors)
    assert "PRUNED" in {trial.state.name for trial in sampler._mirror.study.trials}


@pytest.mark.parametrize(
    ("keys", "error", "message"),
    [
        ({"warm_start": "befor"}, StudyNotFoundError, "There is no study 'befor'."),
        (
            {"warm_start": "before", "family": "srnet"},
            InputError,
            "'no' cannot start from 'before': that is of irnet, and this of srnet.",
        ),
    ],
)
def test_what_cannot_be_started_from_is_refused_and_nothing_is_written(
    keys: dict[str, Any], error: type[InputError], message: str, house: str
) -> None:
    with pytest.raises(error) as caught:
        start.start(short("no", **keys), house)
    assert caught.value.message == message
    with pytest.raises(StudyNotFoundError):
        study_row(house, "no")


def test_a_study_without_a_usable_trial_is_refused(
    house: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise ValueError("no")

    with monkeypatch.context() as patch:
        patch.setattr(NetLearner, "advance", fail)
        start.start(short("poor", trials=1), house)
    with pytest.raises(InputError) as caught:
        start.start(short("no", warm_start="poor"), house)
    assert caught.value.message == "'no' cannot start from 'poor', which has no usable trial."
