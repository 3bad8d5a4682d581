"""The contract finds what is wrong with a family: each check fails where it must."""

from dataclasses import replace
from pathlib import Path

import pytest
from faulty_families import (
    Astray,
    Flat,
    Forgetful,
    Frozen,
    Fussy,
    Lucky,
    Meddling,
    Paused,
    Shared,
    Short,
    Useless,
    as_they_lie,
    at_corners_alone,
    blind,
    careless,
    family,
    with_unused,
)
from own_files import LENGTHS, RIDGES, forget, full, write

from fesearch.contract import checks, elsewhere
from fesearch.contract.asking import ContractError
from fesearch.contract.checks import CHECKS
from fesearch.contract.data import data_for
from fesearch.contract.examine import examine
from fesearch.family import FAMILIES, Family, Resource
from fesearch.own import run_files
from fesearch.space import Choice, Space


@pytest.fixture(autouse=True)
def new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    forget(monkeypatch)


def failed(broken: Family, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the checks that a family fails, but for those that ask what it has learned."""
    monkeypatch.setattr(FAMILIES, "_added", {"mean@000000000000": broken})
    monkeypatch.setattr(checks, "MOST_STEPS", 3)
    sums = elsewhere.sums
    monkeypatch.setattr(  # the class of a test is unknown to another process
        checks, "trained_elsewhere", lambda pairs: {one.name: sums(one, c) for one, c in pairs}
    )
    names = {(check.__doc__ or "").splitlines()[0].rstrip("."): check.__name__ for check in CHECKS}
    found = {names[one.check] for one in examine(broken) if one.result == "failed"}
    return found - {
        "beats_the_mean_on_a_linear_target",
        "beats_linear_regression_on_a_curved_target",
    }


def one_of(*values: int) -> Space:
    return Space({"a": Choice(values, source="a test")})


WIDER = Space({"a": Choice((1, 2), source="a test"), "b": Choice((1, 2, 3), source="a test")})

STEPPED = Resource("epochs", step=10, maximum=50)

BROKEN = {
    "nothing": (family(), set()),
    "no source": (family(source=""), {"says_where_it_is_from"}),
    "no source of a parameter": (
        family(published=Space({"a": Choice((1, 2))})),
        {"says_where_it_is_from"},
    ),
    "a best that is not published": (
        family(published=Space({"a": Choice((2,), source="a test")})),
        {"best_is_a_published_config"},
    ),
    "a size that no config has": (family(capacity="width"), {"its_capacity_is_a_number"}),
    "a length of no whole number of steps": (
        family(resource=STEPPED, length=lambda config: 45),
        {"a_config_is_trained_as_long_as_it_says"},
    ),
    "no check": (
        family(check=lambda config: None),
        {"an_unknown_parameter_is_refused_by_name", "an_impossible_value_is_refused_by_name"},
    ),
    "one prediction for all": (
        family(Flat),
        {
            "predictions_are_finite_and_differ_by_row",
            "odd_data_are_no_obstacle",
            "a_model_stays_when_training_goes_on",
        },
    ),
    "a prediction too few": (
        family(Short),
        {
            "corners_of_a_space_are_trained",
            "drawn_configs_are_trained",
            "predictions_are_finite_and_differ_by_row",
            "odd_data_are_no_obstacle",
            "a_model_stays_when_training_goes_on",
            "a_trial_reports_every_step",
            "a_trial_stops_within_a_step",
        },
    ),
    "a config between the corners that cannot be built": (
        family(
            published=one_of(1, 99),
            full=one_of(*range(1, 100)),
            check=one_of(*range(1, 100)).check,
            build=at_corners_alone,
        ),
        {"drawn_configs_are_trained"},
    ),
    "a parameter that the best config does not mean": (
        family(full=WIDER, check=lambda config: WIDER.check({"b": 1, **config})),
        {"the_first_trial_is_its_best_config"},
    ),
    "a settable parameter, and not what a config without it means": (
        family(settable={"a": Choice((1, 2))}),
        {"the_first_trial_is_its_best_config"},
    ),
    "a settable parameter that no config may have": (
        family(settable={"b": Choice((1, 2))}, unstated={"b": 1}),
        {"the_first_trial_is_its_best_config"},
    ),
    "a weight that is not trained": (
        family(Frozen, load=with_unused),
        {"training_changes_every_weight"},
    ),
    "no checkpoint": (
        family(Forgetful),
        {
            "a_checkpoint_goes_on_as_if_never_interrupted",
            "a_checkpoint_of_another_width_is_refused",
        },
    ),
    "nothing, with pauses": (family(Paused), set()),
    "no way to go on from a pause": (
        family(Astray),
        {"a_checkpoint_within_a_step_goes_on"},
    ),
    "changed data": (family(Meddling), {"data_are_left_as_they_were"}),
    "luck": (
        family(Lucky),
        {
            "odd_data_are_no_obstacle",
            "same_seed_same_numbers",
            "same_numbers_in_another_process",
            "a_model_stays_when_training_goes_on",
            "a_checkpoint_goes_on_as_if_never_interrupted",
            "a_checkpoint_before_training_goes_on",
        },
    ),
    "a seed that is said to be of no effect": (
        family(seeded=False),
        {"same_seed_same_numbers"},
    ),
    "a model that goes on": (family(Shared), {"a_model_stays_when_training_goes_on"}),
    "arrays of anybody": (family(load=careless), {"arrays_of_another_model_are_refused"}),
    "no way with a target that never varies": (family(Fussy), {"odd_data_are_no_obstacle"}),
    "no eye for what is missing": (family(load=blind), {"missing_features_are_no_obstacle"}),
    "no module to write as a program": (family(program=True), {"a_program_predicts_the_same"}),
    "rows as they lie in memory": (family(load=as_they_lie), {"features_may_lie_in_columns"}),
}


@pytest.mark.parametrize("what", BROKEN)
def test_each_fault_is_found_by_its_checks(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, expected = BROKEN[what]
    broken = replace(broken, name="mean@000000000000")
    assert failed(broken, monkeypatch) == expected


def test_what_learns_nothing_beats_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "MOST_STEPS", 3)
    with pytest.raises(ContractError, match="After 3 steps on a linear target its MAE is"):
        checks.beats_the_mean_on_a_linear_target(family(Useless))
    with pytest.raises(ContractError, match="After 3 steps on a curved target its MAE is"):
        checks.beats_linear_regression_on_a_curved_target(family(Useless))
    reason = checks.beats_linear_regression_on_a_curved_target(FAMILIES.get("ridge"))
    assert reason == "its predictions are linear in the features"


def test_what_is_odd_is_said_with_what_it_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    fussy = family(Fussy, name="mean@000000000000")
    monkeypatch.setattr(FAMILIES, "_added", {fussy.name: fussy})
    with pytest.raises(ContractError) as caught:
        checks.odd_data_are_no_obstacle(fussy)
    said = "Of a target that never varies it makes: ZeroDivisionError: no spread"
    assert str(caught.value) == said


def test_every_check_says_what_it_asks() -> None:
    for check in CHECKS:
        assert check.__doc__
        assert check.__doc__.splitlines()[0].endswith(".")
    assert len(CHECKS) == len(set(CHECKS)) == 32


def test_another_process_trains_ones_own_and_tells_what_went_wrong(tmp_path: Path) -> None:
    good = write(tmp_path, "good.py", RIDGES)
    run_files([good])
    fault = "\ndef build(*args, **keys):\n    import os\n    return 1 / int(os.getpid() == 0)\n"
    bad = write(tmp_path, "bad.py", RIDGES.replace("ridges", "bad"), fault)
    bad.write_text(bad.read_text() + "\nFAMILY = replace(FAMILY, build=build)\n")
    run_files([bad])
    pairs = [(FAMILIES.get(name), FAMILIES.get(name).best) for name in ("ridges", "bad")]
    found = elsewhere.trained_elsewhere(pairs)
    ridges = FAMILIES.get("ridges")
    assert found[full("ridges", good)] == elsewhere.sums(ridges, ridges.best)
    assert found[full("bad", bad)] == "ZeroDivisionError: division by zero"
    with pytest.raises(ContractError, match="In another process the sums of predictions are"):
        checks.same_numbers_in_another_process(ridges, {ridges.name: [0.0, 0.0]})


def test_data_are_of_the_features_a_family_is_meant_for(tmp_path: Path) -> None:
    run_files(
        [write(tmp_path, "mine.py", RIDGES.replace('"Mine"', '"M", features="lengths"'), LENGTHS)]
    )
    assert data_for(FAMILIES.get("ridges")).width == 2
    voronoi = replace(FAMILIES.get("ridge"), features="magpie_voronoi")
    assert data_for(voronoi).width == 8
