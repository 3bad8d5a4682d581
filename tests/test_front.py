"""The front: what nothing beats stays, what anything beats goes."""

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from fesearch.front import front
from fesearch.record import TrialResult, TrialState
from fesearch.store.results import Store
from fesearch.store.schema import TRIALS


def trial(number, value, parameters, seconds=1.0, state=TrialState.COMPLETE, latency=None):
    return TrialResult(
        number,
        "toy",
        {},
        0,
        state,
        value,
        1,
        1,
        seconds=seconds,
        parameters=parameters,
        latency=latency,
    )


def numbers(trials, objectives=("parameters",), direction="minimize"):
    return [one.number for one in front(trials, objectives, direction)]


def test_a_cheaper_trial_stays_and_a_dearer_worse_one_goes():
    trials = [trial(0, 0.2, 100), trial(1, 0.1, 1000), trial(2, 0.3, 100), trial(3, 0.4, 10)]
    assert numbers(trials) == [1, 0, 3]
    assert numbers(trials, direction="maximize") == [3]
    assert numbers(trials, objectives=()) == [1]


def test_equals_both_stay_and_unusable_trials_never_do():
    trials = [trial(0, 0.2, 5), trial(1, 0.2, 5), trial(2, 0.1, None)]
    failed = trial(3, 0.0, 1, state=TrialState.FAIL)
    running = trial(4, 0.0, 1, state=TrialState.RUNNING)
    stopped = trial(5, 0.3, 4, state=TrialState.PRUNED)
    assert numbers([*trials, failed, running, stopped]) == [0, 1, 5]


def test_a_trial_whose_latency_is_not_known_is_on_no_front_that_asks_for_it():
    trials = [trial(0, 0.1, 10), trial(1, 0.2, 10, latency=2e-6), trial(2, 0.3, 10, latency=1e-6)]
    assert numbers(trials, ("latency",)) == [1, 2]
    assert numbers(trials, ("parameters", "latency")) == [1, 2]
    assert numbers(trials) == [0]


@given(
    st.lists(
        st.tuples(*[st.integers(0, 3)] * 4).map(
            lambda t: trial(0, float(t[0]), t[1], float(t[2]), latency=float(t[3]))
        ),
        max_size=12,
    )
)
def test_it_is_what_nothing_beats(trials):
    trials = [replace(one, number=number) for number, one in enumerate(trials)]

    def beats(a, b):
        names = ("value", "parameters", "seconds", "latency")
        pairs = [(getattr(a, name), getattr(b, name)) for name in names]
        return all(x <= y for x, y in pairs) and any(x < y for x, y in pairs)

    expected = {b.number for b in trials if not any(beats(a, b) for a in trials)}
    assert set(numbers(trials, ("parameters", "seconds", "latency"))) == expected


def test_best_shows_the_front_of_a_study_with_objectives(studies):
    import searched

    from fesearch.cli.app import app

    big = {**searched.SMALL_NET, "width": 0.0625, "learning_rate": 1e-5}
    configs = [searched.SMALL_NET, big]
    searched.search(
        studies, "both", "irnet", configs, max_epochs=2, preset="full", objectives=["parameters"]
    )
    said = CliRunner().invoke(app, ["best", "both", "--format", "json"]).stdout
    found = json.loads(said)
    assert found["trial"] == found["front"][0]["trial"]
    assert [one["parameters"] for one in found["front"]] == sorted(
        (one["parameters"] for one in found["front"]), reverse=True
    )
    table = CliRunner().invoke(app, ["best", "both"]).stdout
    assert "parameters" in table.split("\n\n")[1].splitlines()[0]
    plain = json.loads(CliRunner().invoke(app, ["best", "nets", "--format", "json"]).stdout)
    assert "front" not in plain


def test_best_shows_the_front_of_all_families_of_a_search(studies):
    import searched

    from fesearch.cli.app import app

    common = {"preset": "full", "objectives": ["parameters"]}
    for name, family, config in (
        ("all-irnet", "irnet", searched.SMALL_NET),
        ("all-random_forest", "random_forest", searched.SMALL_FOREST),
    ):
        more = {"max_epochs": 2} if family == "irnet" else {}
        searched.search(studies, name, family, [config], **common, **more)
    searched.join(studies, "all", ["all-irnet", "all-random_forest"])
    found = json.loads(CliRunner().invoke(app, ["best", "all", "--format", "json"]).stdout)
    front = {one["study"]: one for one in found["front"]}
    best = front[found["study"]]
    assert (found["trial"], found["parameters"]) == (best["trial"], best["parameters"])
    assert found["val_mae"] == min(one["value"] for one in found["front"])
    assert {one["unit"] for one in found["front"]} <= {"epochs", "trees"}
    table = CliRunner().invoke(app, ["best", "all"]).stdout
    assert table.split("\n\n")[1].split()[0] == "study"


def test_best_shows_latencies_and_how_many_trials_have_none(studies):
    import searched

    from fesearch.cli.app import app

    objectives = ["parameters", "latency"]
    nets = [searched.SMALL_NET, {**searched.SMALL_NET, "learning_rate": 1e-4}]
    row = searched.search(
        studies, "quick", "irnet", nets, max_epochs=2, preset="full", objectives=objectives
    )
    said = CliRunner().invoke(app, ["best", "quick"])
    assert "Not on the front, for want of parameters or latency: 2 of 2.\n" in said.stderr
    with Store.open(studies) as store, store.write() as connection:
        here = TRIALS.c.study_id == row.id
        connection.execute(TRIALS.update().where(here, TRIALS.c.number == 1).values(latency=2.5e-6))
    said = CliRunner().invoke(app, ["best", "quick"])
    assert "Not on the front, for want of parameters or latency: 1 of 2.\n" in said.stderr
    assert "predicts a row in (µs)" in said.stdout
    found = json.loads(CliRunner().invoke(app, ["best", "quick", "--format", "json"]).stdout)
    assert [(one["trial"], one["latency_us"]) for one in found["front"]] == [(1, 2.5)]
    trials = json.loads(CliRunner().invoke(app, ["trials", "quick", "--format", "json"]).stdout)
    assert [one["latency_us"] for one in trials] == [None, 2.5]
