"""Policies compared on recorded curves: numbers worked out by hand, the shipped curves, errors."""

import gzip
import json
import math
import re
from dataclasses import replace

import pytest
from searched import fail, join, search
from small import small
from test_simulated import CONFIGS, STUDY, curve, curves_of

from fesearch import simulation
from fesearch.cli.app import run
from fesearch.errors import InputError, StudyNotFoundError
from fesearch.families import decision_tree, ridge
from fesearch.search import curves as recorded
from fesearch.search import start
from fesearch.search.simulated import Course
from fesearch.simulation import Comparison, Limits, Outcome, Policy, compare, policies
from fesearch.store.results import Store


def course(times, values, *, sign=1.0, end=10.0):
    return Course(sign, times, values, 5, 20, 8.0, end)


def test_the_best_at_a_time_is_a_median_over_searches():
    outcome = Outcome(
        Policy("random", "none"),
        (course([1, 4], [0.5, 0.2]), course([2], [0.3]), course([3, 5], [0.9, 0.1])),
    )
    first, middle, last = outcome.at([0.5, 2.0, 9.0])
    assert all(map(math.isnan, (first.median, first.low, first.high)))
    assert middle.median == 0.5
    assert (last.low, last.median, last.high) == (0.2, 0.2, 0.2) or last.median == 0.2
    assert outcome.seconds_to(0.3) == 4
    assert outcome.seconds_to(0.15) is None
    assert outcome.efficiency == pytest.approx(0.8)


def test_where_larger_is_better_the_best_is_the_largest():
    outcome = Outcome(Policy("random", "none"), (course([1, 4], [0.5, 0.8], sign=-1.0),))
    assert [point.median for point in outcome.at([2.0, 9.0])] == [0.5, 0.8]
    assert outcome.seconds_to(0.7) == 4


def test_speed_is_how_much_sooner_a_policy_has_what_the_first_has_in_the_end():
    slow = Outcome(Policy("random", "none"), (course([1, 8], [0.5, 0.2]),))
    fast = Outcome(Policy("random", "asha"), (course([1, 2], [0.5, 0.2]),))
    never = Outcome(Policy("grid", "none"), (course([1], [0.5]),))
    found = Comparison(curves_of(), (slow, fast, never), 10.0)
    assert [found.speed(one) for one in found.outcomes] == [1.0, 4.0, None]
    assert found.times == [10 / 32, 10 / 16, 10 / 8, 10 / 4, 10 / 2, 10]


def test_every_combination_is_a_policy_and_no_pruner_has_no_terms():
    every = policies(["random"], ["none", "asha"], [3, 4], [1], [1, 8])
    assert len(every) == len(set(every)) == 6
    assert [one.label for one in every[::2]] == [
        "random + none",
        "random + asha (factor 3 grace 1)",
        "random + asha (factor 4 grace 1)",
    ]


def test_asha_finds_the_best_sooner_than_whole_trials_where_curves_do_not_cross():
    found = compare(curves_of(), policies(["random"], ["none", "asha"]), seeds=20)
    whole, halved = found.outcomes
    assert found.horizon == 9 * 9 / 2  # half of nine curves of nine seconds
    assert halved.trials > whole.trials
    assert halved.at([found.horizon])[0].median <= whole.at([found.horizon])[0].median
    again = compare(curves_of(), policies(["random"], ["none", "asha"]), seeds=20)
    assert again == found or again.outcomes == found.outcomes


def test_more_workers_than_curves_have_the_time_of_a_whole_training():
    curves = curves_of()
    found = compare(curves, policies(["random"], ["none"], workers=[10_000]), seeds=2)
    assert found.horizon == 9.0
    [outcome] = found.outcomes
    assert outcome.trials == 9
    assert outcome.at([9.0])[0].median == min(min(one.values) for one in curves.curves)


def test_a_limit_of_trials_alone_lasts_as_long_as_its_longest_search():
    found = compare(curves_of(), policies(["random"], ["none"]), seeds=2, limits=Limits(trials=3))
    assert found.horizon == 27.0
    assert found.outcomes[0].trials == 3


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (Policy("tpf", "none"), "There is no sampler 'tpf'."),
        (Policy("random", "asah"), "The study 'nets' has pruner = 'asah'."),
        (Policy("random", "asha", 1), "The study 'nets' has reduction_factor = 1."),
        (Policy("random", "asha", 3, 50), "grace is 50, but trials end at 9 epochs"),
    ],
)
def test_a_policy_no_study_could_have_is_refused(policy, message):
    with pytest.raises(InputError) as caught:
        compare(curves_of(), [policy], seeds=1)
    assert caught.value.message.startswith(message)


def test_brackets_of_a_recorded_search_are_not_those_of_another_pruner():
    study = STUDY.model_copy(update={"pruner": "hyperband", "brackets": 2})
    found = compare(replace(curves_of(), study=study), policies(["random"], ["asha"]), seeds=1)
    assert found.outcomes[0].trials > 0


def test_no_workers_are_refused():
    with pytest.raises(InputError) as caught:
        policies(["random"], ["none"], workers=[0])
    assert caught.value.message == "--workers is 0."


def test_the_shipped_curves_are_those_of_real_searches():
    found = recorded.read()
    assert [one.study.family for one in found][:2] == ["irnet", "dnn"]
    for one in found:
        assert one.data == "453e5cd87f12642992cfb9a60a7931d629d44c4902550e7b72850ce62fff611d"
        assert len(one.curves) >= 20
        assert one.cut == 0
    assert recorded.SHIPPED.stat().st_size < 500_000


def test_curves_are_the_same_when_they_are_read_again(tmp_path):
    values = (0.5, 0.25, math.nan)
    bad = curve(CONFIGS[1], 0.0, values=values, diverged="validation MAE is nan")
    made = curves_of(curve(CONFIGS[0], 0.125, steps=3), bad)
    recorded.write([made], tmp_path / "c.json.gz", commit="abc", device="a machine")
    (found,) = recorded.read(tmp_path / "c.json.gz")
    assert found.origin == "a machine, commit abc"
    assert found.space == made.space
    first, second = found.curves
    assert first.values == pytest.approx(made.curves[0].values, rel=1e-4)
    assert second.values[:2] == values[:2]
    assert math.isnan(second.values[2])
    assert second.diverged == bad.diverged
    assert found.study.sampler == made.study.sampler


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("studies"),
        lambda content: content["studies"][0].update(curves=[]),
        lambda content: content["studies"][0]["curves"][0].update(values=[]),
        lambda content: content["studies"][0]["curves"][0].update(values=[None, 1.0]),
        lambda content: content["studies"][0]["curves"][0].update(seconds=0.0),
        lambda content: content["studies"][0]["curves"][0].update(seconds="long"),
    ],
)
def test_a_file_that_is_wrong_is_refused(change, tmp_path):
    path = tmp_path / "c.json.gz"
    recorded.write([curves_of()], path, commit="abc", device="a machine")
    content = json.loads(gzip.decompress(path.read_bytes()))
    change(content)
    path.write_bytes(gzip.compress(json.dumps(content).encode()))
    with pytest.raises(InputError) as caught:
        recorded.read(path)
    assert caught.value.message.startswith(f"'{path}' is no file of curves: ")
    path.write_bytes(b"none")
    with pytest.raises(InputError):
        recorded.read(path)


def test_a_config_outside_its_space_is_refused(tmp_path):
    path = tmp_path / "c.json.gz"
    made = curves_of(curve({**CONFIGS[0], "depth": 99}, 0.1))
    recorded.write([made], path, commit="abc", device="a machine")
    with pytest.raises(InputError) as caught:
        recorded.read(path)
    assert caught.value.message == "'depth' is 99, outside its space."


@pytest.fixture
def grown(studies):
    """A store with a study ``grown`` of two forests of the published space, and a fault."""
    config = {"n_estimators": 100, "min_samples_split": 5, "max_features": 0.33, "max_depth": 10}
    search(studies, "grown", "random_forest", [config, {**config, "max_depth": 25}])
    fail(studies, "grown")
    return studies


def test_curves_of_a_study_are_its_reports(grown):
    [found] = recorded.recorded("grown", grown)
    with Store.look(grown) as store:
        reports = [report.raw for report in store.reports(store.study("grown"), 1)]
    assert len(found.curves) == 2  # and not the one that failed by a fault of the machine
    assert found.curves[1].values == tuple(reports)
    assert found.curves[1].whole
    assert found.curves[1].seconds > 0
    course = simulation.simulate(found, found.study, 1, 0, Limits(trials=2))
    assert course.trials == 2
    assert course.values[-1] == min(min(one.values) for one in found.curves)


def test_a_study_without_a_curve_of_its_space_is_refused(studies):
    with pytest.raises(InputError) as caught:
        recorded.recorded("nets", studies)  # its configs leave a parameter out
    assert caught.value.message == (
        "The study 'nets' has no curve to replay: no trial of its space has ended by itself."
    )


def test_the_command_prints_a_table_and_rows_and_draws(grown, tmp_path, capsys):
    figure = tmp_path / "curves.svg"
    words = ["simulate", "--from", "grown", "--sampler", "random", "--seeds", "2"]
    assert run([*words, "--workers", "1,2", "--trials", "2", "--to", str(figure)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("grown: 2 recorded configs of random_forest, random:")
    assert [line.split("  ")[0] for line in lines[4:]] == [
        "random + none", "random + none", "random + asha", "random + asha"
    ]  # fmt: skip
    assert "random + asha, 2 workers" in figure.read_text()
    assert run([*words, "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["policy"] for row in rows} == {"random + none", "random + asha"}
    assert rows[0]["best"] is None  # before the first report
    assert rows[5]["best"] == rows[-1]["best"] > 0


def test_of_a_search_over_many_families_each_is_replayed_that_has_curves(grown, capsys):
    join(grown, "every", ["grown", "nets"])
    words = ["simulate", "--from", "every", "--sampler", "random", "--seeds", "1"]
    assert run([*words, "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert {row["source"] for row in json.loads(out)} == {"grown"}
    assert "The study 'nets' has no curve to replay: no trial of its space has ended" in err
    search(grown, "trees", "decision_tree", [decision_tree.BEST])
    join(grown, "every", ["trees"])
    assert run([*words, "--format", "csv"]) == 0  # with rungs, too, where a trial has one step
    lines = capsys.readouterr().out.splitlines()[1:]
    assert {line.split(",")[0] for line in lines} == {"trees", "grown"}
    with pytest.raises(StudyNotFoundError, match="'evry'"):
        recorded.recorded("evry", grown)


def test_terms_are_for_pruners_that_have_them():
    every = policies(["random"], ["none", "median", "asha"], [3, 4], [1])
    assert [one.label for one in every] == [
        "random + none",
        "random + median (grace 1)",
        "random + asha (factor 3 grace 1)",
        "random + asha (factor 4 grace 1)",
    ]


def test_what_auto_picks_is_said(grown, capsys):
    words = ["simulate", "--from", "grown", "--sampler", "auto,random", "--seeds", "1"]
    assert run([*words, "--pruner", "none"]) == 0
    assert re.search(
        r"^grown: auto \+ none: sampler \w+: .*\.$", capsys.readouterr().err, re.MULTILINE
    )


def test_a_simulated_search_begins_as_its_study_was_told_to():
    made = curves_of()
    given = STUDY.model_copy(update={"first": [CONFIGS[3], CONFIGS[1]]})
    said = simulation.settings_of(made, given, 0, Limits(trials=4))
    assert said.firsts() == (CONFIGS[3], CONFIGS[1])
    said = simulation.settings_of(made, STUDY, 0, Limits(trials=4))
    assert said.firsts() == (said.family.first(made.space),)


@pytest.mark.parametrize("first", [[], [{"depth": 3}]])
def test_starts_that_a_family_brings_along_are_not_its_studys_own(first, empty_house, sqlite_url):
    given = small("begun", first=first, preset="full", space={}, trials=2, max_epochs=1)
    start.start(given, sqlite_url)
    [found] = recorded.recorded("begun", sqlite_url)
    assert len(found.study.first) == len(first)


def test_terms_that_no_pruner_has_are_told_of(grown, capsys):
    words = ["simulate", "--from", "grown", "--sampler", "random", "--seeds", "1", "--grace", "10"]
    assert run([*words, "--reduction-factor", "2,4", "--pruner", "none,median"]) == 0
    said = "--reduction-factor has no effect with --pruner none,median.\n"
    assert said in capsys.readouterr().err


def test_a_grace_of_zero_is_refused_not_told_of_as_without_effect(grown, capsys):
    words = ["simulate", "--from", "grown", "--sampler", "random", "--seeds", "1", "--grace", "0"]
    assert run([*words, "--pruner", "asha"]) == 2
    assert "has no effect" not in capsys.readouterr().err


def test_a_sampler_that_cannot_take_a_space_is_left_out_there(grown, capsys):
    search(grown, "lines", "ridge", [ridge.BEST], preset="full")
    search(grown, "trees", "decision_tree", [decision_tree.BEST])
    join(grown, "both", ["lines", "trees"])
    words = ["simulate", "--from", "both", "--sampler", "grid,random", "--pruner", "none"]
    assert run([*words, "--seeds", "1", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    had = {(row["source"], row["policy"]) for row in json.loads(out)}
    assert had == {
        ("lines", "random + none"),
        ("trees", "random + none"),
        ("trees", "grid + none"),
    }
    assert "\nlines: grid is left out: The parameter 'alpha' is continuous" in err
    assert run([*words[:4], "grid", "--from", "lines"]) == 2
    said = "No search of 'lines' can be simulated: The parameter 'alpha' is continuous"
    assert said in capsys.readouterr().err


def test_workers_without_a_trial_are_told_of(grown, capsys):
    words = ["simulate", "--from", "grown", "--sampler", "random", "--seeds", "1"]
    assert run([*words, "--workers", "1,2"]) == 0
    assert "idle" not in capsys.readouterr().err
    assert run([*words, "--workers", "1,100"]) == 0
    assert capsys.readouterr().err.endswith(
        "A search of 'grown' has 2 trials, so the others of 100 workers stand idle.\n"
        "For more, which repeat recorded configs, add --trials 300.\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--workers", "many"], "--workers is 'many'."),
        (["--workers", ""], "--workers is ''."),
        (["--family", "svr"], "There are no shipped curves of 'svr'."),
        (["--family", "dnn", "--from", "forests"], "--from and --family are both given."),
        (["--to", "a.txt"], "'a.txt' does not end in .png, .svg, .html."),
    ],
)
def test_what_is_wrong_with_a_command_is_said(words, message, studies, capsys):
    assert run(["simulate", *words]) == 2
    assert capsys.readouterr().err.splitlines()[0] == message
