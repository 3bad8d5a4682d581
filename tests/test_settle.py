"""What a study leaves to its budget, and what is settled for it when it starts."""

from importlib.util import find_spec
from typing import Any

import pytest
from small import furnished, small

from fesearch.errors import InputError
from fesearch.family import FAMILIES
from fesearch.search import auto, start
from fesearch.search.budget import rungs_of
from fesearch.search.settle import settled
from fesearch.store.results import Store
from fesearch.study import Study

RANGES = {"alpha": {"low": 1e-6, "high": 1e2, "log": True}}
TWO = {
    "alpha": {"low": 1e-6, "high": 1e2, "log": True},
    "l1_ratio": {"low": 0.1, "high": 0.9},
}


def study(family: str = "ridge", **keys: Any) -> Study:
    return Study(name="one", family=family, sampler="auto", **keys)


@pytest.mark.parametrize(
    ("asked", "picked", "why"),
    [
        (study("random_forest", trials=48), "grid", "has room for each of the 48 configs"),
        (study("random_forest", trials=10), "tpe", "asha stops trials early"),
        (study("random_forest", trials=47), "tpe", "asha stops trials early"),
        (study("random_forest", trials=47, pruner="none"), "gp", "47 trials is small, no param"),
        (study("irnet", preset="full", trials=60), "tpe", "some parameters depend on others"),
        (study(preset="full", space=RANGES, trials=200), "gp", "200 trials is"),  # one step
        (study("elastic_net", preset="full", space=TWO, trials=30), "gp", "no trial is stopped"),
        (study(preset="full", space=RANGES, trials=201), "tpe", "201 trials are many"),
        (study(preset="full", space=RANGES, trials=2000), "tpe", "2000 trials are many"),
        (study("elastic_net", preset="full", space=TWO, trials=1000), "cmaes", "1000 trials"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_auto_picks_by_space_and_budget(asked: Study, picked: str, why: str) -> None:
    found = settled(asked)
    assert found.study.sampler == picked
    assert found.asked["sampler"] == "auto"
    [line] = [line for line in found.why if line.startswith(f"sampler {picked}: ")]
    assert why in line


def test_what_no_config_can_have_is_said_to_have_no_effect() -> None:
    alone = settled(study("irnet", preset="full", space={"optimizer": "adam", "momentum": 0.9}))
    assert alone.why[1:] == ("space.momentum has no effect: 0.9, when optimizer is momentum",)
    both = settled(study("irnet", preset="full", space={"momentum": 0.9}))
    assert both.why[1:] == ()


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"pruner": "none", "grace": 1}, ("grace has no effect: the pruner is none",)),
        (
            {"pruner": "median", "grace": 1, "reduction_factor": 4},
            ("reduction_factor has no effect: the pruner is median",),
        ),
        ({"pruner": "asha", "grace": 1, "reduction_factor": 4}, ()),
        (
            {"gpus_per_trial": 0.25},
            ("gpus_per_trial has no effect: the study has no GPUs; add --gpus 1",),
        ),
        ({"gpus_per_trial": 0.25, "gpus": 1}, ()),
    ],
)
def test_keys_that_mean_nothing_are_told_of(keys: dict[str, Any], said: tuple[str, ...]) -> None:
    assert settled(Study(name="one", family="irnet", **keys)).why == said


def test_auto_does_without_cma_es_where_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert find_spec("cmaes")
    monkeypatch.setattr(auto, "find_spec", lambda name: None)
    found = settled(study("elastic_net", preset="full", space=TWO, trials=1000))
    assert found.study.sampler == "tpe"
    assert "is not installed" in found.why[0]


@pytest.mark.parametrize(
    ("trials", "grace", "factor"),
    [(3, 27, 3), (9, 9, 3), (27, 3, 3), (255, 3, 3), (256, 1, 4)],
)
def test_rungs_follow_from_the_budget(trials: int, grace: int, factor: int) -> None:
    asked = Study(name="one", family="irnet", trials=trials, max_epochs=81)
    found = settled(asked).study
    assert (found.grace, found.reduction_factor) == (grace, factor)
    said = settled(asked.model_copy(update={"grace": 2, "reduction_factor": 5})).study
    assert (said.grace, said.reduction_factor) == (2, 5)


@pytest.mark.parametrize(
    ("family", "space", "max_epochs", "rungs"),
    [
        ("dnn", {"schedule": "cosine", "epochs": [2700, 100]}, None, (100, 300, 900, 2700)),
        ("dnn", {"schedule": "cosine", "epochs": {"low": 20, "high": 81}}, None, (3, 9, 27, 81)),
        ("dnn", {"schedule": "cosine", "epochs": 2700}, 81, (3, 9, 27, 81)),
        ("dnn", {"schedule": ["cosine", "constant"], "epochs": 81}, None, (18, 54, 162, 486)),
        (
            "adaboost",
            {"n_estimators": {"low": 10, "high": 810, "step": 10}},
            None,
            (30, 90, 270, 810),
        ),
        ("xgboost", {}, None, (200, 600, 1800)),
    ],
)
def test_rungs_reach_as_far_as_the_longest_trial(
    family: str, space: dict[str, Any], max_epochs: int | None, rungs: tuple[int, ...]
) -> None:
    asked = Study(name="one", family=family, preset="full", space=space, max_epochs=max_epochs)
    assert rungs_of(settled(asked).study, FAMILIES.get(family).resource) == rungs


def test_hyperband_has_a_bracket_for_each_rung_it_could_begin_at() -> None:
    asked = Study(name="one", family="irnet", trials=60, max_epochs=81, pruner="hyperband")
    assert settled(asked).study.brackets == 4
    for brackets, there in [(2, 2), (4, 4), (9, 4)]:
        found = settled(asked.model_copy(update={"brackets": brackets}))
        assert found.study.brackets == there
        assert found.asked.get("brackets", brackets) == brackets
    assert found.asked["brackets"] == 9


def test_brackets_without_hyperband_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        Study(name="one", family="irnet", brackets=3).check()
    assert "brackets is 3" in caught.value.message
    assert "hyperband" in (caught.value.hint or "")


def test_what_was_settled_stays_and_the_same_words_go_on_with_it(tmp_path: Any) -> None:
    asked = small("deep", trials=2, max_epochs=1, sampler="auto", pruner="hyperband")
    with furnished(tmp_path, asked) as url:
        with Store.open(url) as store:
            row = store.study("deep")
        assert row.definition["study"]["sampler"] == "tpe"
        assert row.definition["asked"]["sampler"] == "auto"
        assert row.definition["why"][0].startswith("sampler tpe: ")
        again = start.start(asked, url, or_resume=True)
        assert len(again.results) == 2
        with pytest.raises(InputError, match="was started with sampler = auto, not gp"):
            start.start(asked.model_copy(update={"sampler": "gp"}), url, or_resume=True)
