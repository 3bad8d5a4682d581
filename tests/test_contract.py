"""The contract finds what is wrong with a family: each check fails where it must."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_files import EXAMPLE, LENGTHS, RIDGES, forget, full, write

from fesearch.arrays import Arrays
from fesearch.cli.app import run as command
from fesearch.contract import checks, elsewhere
from fesearch.contract.asking import ContractError
from fesearch.contract.checks import CHECKS
from fesearch.contract.data import data_for
from fesearch.contract.examine import examine
from fesearch.errors import InputError
from fesearch.family import FAMILIES, Family, Learner, Resource
from fesearch.own import run_files
from fesearch.space import Choice, Config, Space
from fesearch.split import Development


@pytest.fixture(autouse=True)
def new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    forget(monkeypatch)


class Mean:
    """Learns nothing: it predicts the first feature, and how often it was advanced."""

    def __init__(self, config: Config, data: Development, seed: int) -> None:
        self.data, self.seed, self.steps = data, seed, 0

    parameters = 1

    def advance(self) -> np.ndarray:
        self.steps += 1
        return self.predictions()

    def predictions(self) -> np.ndarray:
        x = np.nan_to_num(self.data.val_x[:, 0], posinf=0.0, neginf=0.0)
        return x.astype(np.float64) + self.seed + self.steps

    def model(self) -> Arrays:
        return {"offset": np.array(float(self.seed + self.steps))}

    def checkpoint(self) -> Arrays:
        return {"steps": np.array(self.steps), "width": np.array(self.data.width)}

    def restore(self, checkpoint: Arrays) -> None:
        if int(checkpoint["width"]) != self.data.width:
            raise InputError("The checkpoint is of another width.", "Build another.")
        self.steps = int(checkpoint["steps"])


def load(
    config: Config, arrays: Arrays, *, width: int, threads: int, device: str
) -> Callable[[np.ndarray], np.ndarray]:
    if width not in (1, 8) or arrays.keys() != {"offset"} or arrays["offset"].shape != ():
        raise InputError("These are not the arrays of the model.", "Give others.")
    if arrays["offset"].dtype != np.float64:
        raise InputError("The offset is no float64.", "Give another.")
    offset = arrays["offset"]
    return lambda x: np.nan_to_num(x[:, 0], posinf=0.0, neginf=0.0).astype(float) + offset


def family(kind: type[Mean] = Mean, **keys: Any) -> Family:
    """A family of that learner; only what the test is about is wrong with it, and it is no good."""
    space = Space({"a": Choice((1, 2), source="a test")})

    def build(
        config: Config, data: Development, *, seed: int, threads: int, device: str
    ) -> Learner:
        return kind(config, data, seed)

    given: dict[str, Any] = {
        "name": "mean",
        "published": space,
        "full": space,
        "best": {"a": 1},
        "build": build,
        "load": load,
        "check": space.check,
        "resource": replace(FAMILIES.get("irnet").resource, maximum=50),
        "length": lambda config: None,
        "seeded": True,
        "linear": False,
    }
    return replace(FAMILIES.get("ridge"), **{**given, **keys})


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


class Flat(Mean):
    def predictions(self) -> np.ndarray:
        return np.full(len(self.data.val_y), float(self.seed + self.steps))


class Forgetful(Mean):
    def restore(self, checkpoint: Arrays) -> None:
        """Nothing is taken up, and nothing refused."""


class Paused(Mean):
    """It can be looked at in the middle of each step, and goes on from there."""

    look = staticmethod(lambda: None)
    within = False

    def on_pause(self, look: Callable[[], None]) -> None:
        self.look = look

    def advance(self) -> np.ndarray:
        if not self.within:
            self.within = True
            self.steps += 1
            self.look()
        self.within = False
        return self.predictions()

    def checkpoint(self) -> Arrays:
        return {**super().checkpoint(), "within": np.array(self.within)}

    def restore(self, checkpoint: Arrays) -> None:
        super().restore(checkpoint)
        self.within = bool(checkpoint["within"])


class Astray(Paused):
    """It does not know within which step it was."""

    def restore(self, checkpoint: Arrays) -> None:
        super().restore(checkpoint)
        self.within = False


class Meddling(Mean):
    def advance(self) -> np.ndarray:
        self.data.train_x[0] += 1.0
        return super().advance()


class Lucky(Mean):
    def predictions(self) -> np.ndarray:
        return super().predictions() + np.random.default_rng().normal()


class Shared(Mean):
    """Its models change as training goes on."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.offset = np.array(float(self.seed))

    def model(self) -> Arrays:
        self.offset[...] = self.seed + self.steps
        return {"offset": self.offset}

    def advance(self) -> np.ndarray:
        found = super().advance()
        self.offset[...] = self.seed + self.steps
        return found


class Short(Mean):
    def predictions(self) -> np.ndarray:
        return super().predictions()[:-1]


class Fussy(Mean):
    """It divides by the spread of its target."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        if np.ptp(self.data.train_y) == 0:
            raise ZeroDivisionError("no spread")


class Useless(Mean):
    def predictions(self) -> np.ndarray:
        return super().predictions() + 100.0


def careless(config: Config, arrays: Arrays, **rest: Any) -> Callable[[np.ndarray], np.ndarray]:
    offset = float(np.mean(next(iter(arrays.values()), np.zeros(1))))
    return lambda x: np.nan_to_num(x[:, 0], posinf=0.0, neginf=0.0).astype(float) + offset


def blind(config: Config, arrays: Arrays, **rest: Any) -> Callable[[np.ndarray], np.ndarray]:
    checked = load(config, arrays, **rest)
    return lambda x: np.where(np.isfinite(x[:, 0]), checked(x), np.nan)


def as_they_lie(config: Config, arrays: Arrays, **rest: Any) -> Callable[[np.ndarray], np.ndarray]:
    checked = load(config, arrays, **rest)
    return lambda x: checked(x.ravel(order="K").reshape(x.shape))


class Frozen(Mean):
    """A network with a weight that no gradient reaches."""

    def model(self) -> Arrays:
        return {**super().model(), "net.unused": np.ones(2)}


def with_unused(config: Config, arrays: Arrays, **rest: Any) -> Callable[[np.ndarray], np.ndarray]:
    if "net.unused" not in arrays:
        raise InputError("There is no 'net.unused'.", "Give it.")
    return load(config, {name: arrays[name] for name in arrays if name != "net.unused"}, **rest)


def one_of(*values: int) -> Space:
    return Space({"a": Choice(values, source="a test")})


def at_corners_alone(
    config: Config, data: Development, *, seed: int, threads: int, device: str
) -> Learner:
    if config["a"] not in (1, 99):
        raise InputError("No model has that a.", "Give another.")
    return Mean(config, data, seed)


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
    assert len(CHECKS) == len(set(CHECKS)) == 30


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


def test_the_worked_example_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["families", "check", str(EXAMPLE), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found) == len(CHECKS)
    others = [one["reason"] for one in found if one["result"] != "passed"]
    assert others == ["it does not pause within a step", "its models are not written as programs"]


def test_a_family_that_exits_fails_its_checks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exits = "\ndef build(*args, **keys):\n    raise SystemExit('enough')\n"
    path = write(tmp_path, "mine.py", RIDGES, exits, "FAMILY = replace(FAMILY, build=build)\n")
    assert command(["families", "check", str(path), "--format", "json"]) == 1
    found = {one["check"]: one for one in json.loads(capsys.readouterr().out)}
    assert len(found) == len(CHECKS)
    failed = [one["reason"] for one in found.values() if one["result"] == "failed"]
    assert len(failed) > 10
    assert all("SystemExit: enough" in reason for reason in failed)


def test_a_family_that_fails_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "mine.py", RIDGES.replace('"Mine"', '""'))
    assert command(["families", "check", str(path)]) == 1
    done = capsys.readouterr()
    [line] = [line for line in done.out.splitlines() if line.startswith("failed")]
    assert line.split(None, 1)[1].endswith("It has no title.")
    assert done.err.splitlines()[-2:] == [
        f"{full('ridges', path)} fails 1 of 30 checks.",
        f"For tracebacks type: fesearch -v families check {path}",
    ]
    assert "skipped" in done.out  # it is linear
