"""Trials: what is reported when, what counts as best, when a trial ends, and how it goes on."""

import dataclasses
import math
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from linear import linear

from fesearch.arrays import Arrays
from fesearch.errors import InputError, NoResultError
from fesearch.families import random_forest
from fesearch.family import FAMILIES, Family, Resource
from fesearch.metrics import METRICS, scores
from fesearch.record import Report, TrialSpec
from fesearch.space import Choice, Config, Space
from fesearch.split import Development
from fesearch.statistics import bootstrap_interval
from fesearch.trial import Running, run

ZEROS = Development(
    train_x=np.zeros((4, 1), np.float32),
    train_y=np.array([-1.0, 1.0, -1.0, 1.0]),
    val_x=np.zeros((2, 1), np.float32),
    val_y=np.array([-1.0, 1.0]),
)
"""Predicting the training mean, 0, has a validation MAE of 1."""


class Scripted:
    """A learner whose validation errors are given beforehand."""

    parameters = 7
    advances = 0

    def __init__(self, errors: Sequence[float]) -> None:
        self.errors = errors
        self.done = 0

    def advance(self) -> np.ndarray:
        Scripted.advances += 1
        self.done += 1
        return ZEROS.val_y + self.errors[self.done - 1]

    def model(self) -> Arrays:
        return {"done": np.array([self.done])}

    def checkpoint(self) -> Arrays:
        return {"done": np.array([self.done])}

    def restore(self, checkpoint: Arrays) -> None:
        self.done = int(checkpoint["done"][0])


SCRIPTS: dict[str, Sequence[float]] = {}


def build_scripted(
    config: Config, data: Development, *, seed: int, threads: int, device: str
) -> Scripted:
    return Scripted(SCRIPTS[str(config["script"])])


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A family "scripted" beside the real ones."""
    space = Space({"script": Choice(tuple("abcdefgh"))})
    family = dataclasses.replace(
        FAMILIES.get("random_forest"),
        name="scripted",
        published=space,
        full=space,
        resource=Resource("rounds", step=2, maximum=100),
        build=build_scripted,
        check=space.check,
    )
    real = FAMILIES.get

    def get(name: str) -> Family:
        return family if name == "scripted" else real(name)

    monkeypatch.setattr(FAMILIES, "get", get)
    SCRIPTS.clear()
    Scripted.advances = 0


def spec(
    script: Sequence[float], name: str = "a", *, metric: str = "mae", patience: int | None = None
) -> TrialSpec:
    SCRIPTS[name] = script
    steps = tuple(range(2, 2 * len(script) + 1, 2))
    return TrialSpec(5, "scripted", {"script": name}, 1, steps, metric=metric, patience=patience)


def said(reports: Sequence[Report]) -> list[Mapping[str, object]]:
    """Reports but for the seconds, and with NaN equal to itself."""
    return [{**dataclasses.asdict(r), "seconds": 0, "raw": str(r.raw)} for r in reports]


def test_best_so_far_and_raw_stand_side_by_side() -> None:
    reports = list(run([spec([0.5, 0.2, 0.4, 0.1])], ZEROS))
    assert [report.resource for report in reports] == [2, 4, 6, 8]
    assert [report.raw for report in reports] == pytest.approx([0.5, 0.2, 0.4, 0.1])
    assert [report.best for report in reports] == pytest.approx([0.5, 0.2, 0.2, 0.1])
    assert [report.best_resource for report in reports] == [2, 4, 4, 8]
    assert [report.last for report in reports] == [False, False, False, True]
    assert reports[0].parameters == 7
    assert 0 <= reports[0].seconds <= reports[-1].seconds


def test_an_equal_score_is_no_improvement() -> None:
    assert [r.best_resource for r in run([spec([0.5, 0.5])], ZEROS)] == [2, 2]


def test_a_metric_to_maximise_has_its_largest_value_as_best() -> None:
    reports = list(run([spec([1.0, 0.1, 0.5], metric="r2")], ZEROS))
    assert [report.best_resource for report in reports] == [2, 4, 4]
    assert reports[-1].best == max(report.raw for report in reports)


def test_nothing_is_trained_before_it_is_asked_for() -> None:
    reports = iter(run([spec([0.3, 0.2, 0.1])], ZEROS))
    assert Scripted.advances == 0
    next(reports)
    assert Scripted.advances == 1
    next(reports)
    assert Scripted.advances == 2


def test_a_report_may_span_several_steps_of_training() -> None:
    sparse = dataclasses.replace(spec([0.9, 0.8, 0.7, 0.6, 0.5]), steps=(4, 10))
    reports = list(run([sparse], ZEROS))
    assert [report.resource for report in reports] == [4, 10]
    assert [report.raw for report in reports] == pytest.approx([0.8, 0.5])


def test_patience_is_counted_in_resource() -> None:
    reports = list(run([spec([0.5, 0.1, 0.3, 0.2, 0.2, 0.1], patience=4)], ZEROS))
    assert [report.resource for report in reports] == [2, 4, 6, 8]
    assert reports[-1].last
    assert reports[-1].diverged is None
    assert reports[-1].best == pytest.approx(0.1)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_ends_a_trial_with_its_reason(bad: float) -> None:
    reports = list(run([spec([0.5, bad, 0.1])], ZEROS))
    assert len(reports) == 2
    assert reports[-1].diverged == "validation MAE is nan after 4 rounds"
    assert reports[-1].last
    assert math.isnan(reports[-1].raw)
    assert (reports[-1].best, reports[-1].best_resource) == (0.5, 2)


def test_an_error_beyond_1000_times_that_of_the_mean_ends_a_trial() -> None:
    reports = list(run([spec([999.0, 1001.0, 0.1])], ZEROS))
    assert [report.diverged for report in reports] == [
        None,
        "validation MAE is 1001 after 4 rounds, above 1000 times that of the training mean",
    ]
    assert reports[-1].best == 999.0


def test_a_poor_score_to_maximise_is_no_explosion() -> None:
    reports = list(run([spec([2000.0, 0.1], metric="r2")], ZEROS))
    assert [report.diverged for report in reports] == [None, None]


def test_a_trial_that_diverges_at_once_has_no_best_and_no_model() -> None:
    running = run([spec([math.nan])], ZEROS)
    (report,) = running
    assert (report.best, report.best_resource) == (None, None)
    with pytest.raises(NoResultError, match="Trial 5 has had no finite validation MAE"):
        running.model(0)


def test_the_model_is_that_of_the_best_step() -> None:
    running = run([spec([0.5, 0.1, 0.4])], ZEROS)
    list(running)
    model = running.model(0)
    assert model.arrays["done"].tolist() == [2]
    assert (model.family, model.config, model.width) == ("scripted", {"script": "a"}, 1)


def test_the_scores_are_those_of_the_best_step_in_every_metric() -> None:
    reports = list(run([spec([0.5, 0.25, 0.4])], ZEROS))
    truth = ZEROS.val_y
    assert [one.scores for one in reports] == [
        scores(truth, truth + error) for error in (0.5, 0.25, 0.25)
    ]
    assert reports[-1].scores.keys() == METRICS.keys()


def test_scores_have_the_interval_of_the_best_model() -> None:
    groups = np.arange(len(ZEROS.val_y)) // 2
    grouped = dataclasses.replace(ZEROS, groups=groups)
    asked = spec([0.5, 0.25, 0.125, 0.4])
    reports = list(run([asked], grouped))
    for report, error in zip(reports, (0.5, 0.25, 0.125, 0.125), strict=True):
        ends = bootstrap_interval(np.full(len(ZEROS.val_y), error), groups)
        assert (report.scores["mae_low"], report.scores["mae_high"]) == pytest.approx(ends)
    running = run([asked], grouped)
    _ = [next(iter(running)) for _ in range(3)]
    again = list(run([asked], grouped, [running.checkpoint(0)]))
    assert again[-1].scores == reports[3].scores, "the checkpoint has those of the best model"


def test_members_take_turns_and_each_ends_by_itself() -> None:
    specs = [spec([0.5, 0.4, 0.3], "a"), spec([0.5], "b"), spec([0.5, math.nan, 0.1], "c")]
    reports = list(run(specs, ZEROS))
    assert [(report.member, report.resource) for report in reports] == [
        (0, 2), (1, 2), (2, 2), (0, 4), (2, 4), (0, 6),
    ]  # fmt: skip


def test_a_stopped_member_reports_no_more_and_keeps_its_model() -> None:
    running = run([spec([0.5, 0.4, 0.3], "a"), spec([0.3, 0.2, 0.1], "b")], ZEROS)
    seen = []
    for report in running:
        seen.append((report.member, report.resource))
        if report.member == 0:
            running.stop(1)
    assert seen == [(0, 2), (0, 4), (0, 6)]
    assert running.model(0).arrays["done"].tolist() == [3]


def interrupted(specs: Sequence[TrialSpec], data: Development, after: int) -> list[Report]:
    """The reports of a run cut after some of them and taken up from its checkpoints."""
    first: Running = run(specs, data)
    stream = iter(first)
    seen = [next(stream) for _ in range(after)]
    return seen + list(run(specs, data, [first.checkpoint(i) for i in range(len(specs))]))


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_a_trial_taken_up_again_reports_what_it_would_have(after: int) -> None:
    for script in ([0.5, 0.2, 0.4, 0.3, 0.1], [0.5, 0.1, 0.3, 0.2, 0.2], [1, 1, 1, math.nan, 1]):
        straight = said(list(run([spec(script, patience=6)], ZEROS)))
        assert said(interrupted([spec(script, patience=6)], ZEROS, after)) == straight


def test_a_trial_taken_up_again_has_the_same_best_model_and_more_seconds() -> None:
    one = run([spec([0.1, 0.5, 0.4])], ZEROS)
    first = next(iter(one))
    other = run([spec([0.1, 0.5, 0.4])], ZEROS, [one.checkpoint(0)])
    reports = list(other)
    assert reports[0].seconds > first.seconds
    assert other.model(0).arrays["done"].tolist() == [1]


def test_an_ended_trial_goes_on_when_it_is_given_more_steps() -> None:
    running = run([spec([0.5, 0.4])], ZEROS)
    list(running)
    reports = list(run([spec([0.5, 0.4, 0.3])], ZEROS, [running.checkpoint(0)]))
    assert [(report.resource, report.last) for report in reports] == [(6, True)]


def test_a_diverged_trial_stays_ended() -> None:
    running = run([spec([0.5, math.nan, 0.3])], ZEROS)
    list(running)
    assert list(run([spec([0.5, math.nan, 0.3])], ZEROS, [running.checkpoint(0)])) == []


@pytest.mark.parametrize("name", ["irnet", "random_forest"])
def test_a_real_trial_taken_up_again_reports_what_it_would_have(name: str) -> None:
    family, data = FAMILIES.get(name), linear()
    config = {**family.best, **({"depth": 3, "width": 0.0625} if name == "irnet" else {})}
    specs = [TrialSpec(i, name, config, i, family.steps(config)[:3]) for i in range(2)]
    straight, cut = list(run(specs, data)), interrupted(specs, data, 3)
    for member in range(2):
        mine = [
            [report for report in reports if report.member == member] for reports in (straight, cut)
        ]
        assert said(mine[0]) == said(mine[1])


class Halves(Scripted):
    """Each of its steps has a pause in the middle, and a half of it takes a second."""

    half = False
    now = 0.0

    def on_pause(self, look: Callable[[], None]) -> None:
        self.look = look

    def advance(self) -> np.ndarray:
        if not self.half:
            Halves.now += 1.0
            self.half = True
            self.look()
        self.half = False
        Halves.now += 1.0
        return super().advance()

    def checkpoint(self) -> Arrays:
        return {**super().checkpoint(), "half": np.array(self.half)}

    def restore(self, checkpoint: Arrays) -> None:
        super().restore(checkpoint)
        self.half = bool(checkpoint["half"])


def looked_into(
    asked: TrialSpec, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[Report], list[Arrays]]:
    """Reports of a trial of ``Halves``, and its checkpoints at each pause, which take a minute."""
    monkeypatch.setattr(sys.modules[__name__], "Scripted", Halves)
    clock = SimpleNamespace(perf_counter=lambda: Halves.now)
    monkeypatch.setattr("fesearch.trial.time", clock)
    pauses: list[Arrays] = []

    def look() -> None:
        pauses.append(running.checkpoint(0))
        Halves.now += 60.0

    running = run([asked], ZEROS, look=look)
    return list(running), pauses


def test_a_trial_taken_up_within_a_step_reports_what_it_would_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = spec([0.5, 0.2, 0.4])
    straight, pauses = looked_into(asked, monkeypatch)
    assert len(pauses) == 3
    for done, pause in enumerate(pauses):
        going = run([asked], ZEROS, [pause], look=lambda: None)
        assert list(going) == straight[done:]


def test_who_looks_into_a_step_finds_its_seconds_and_adds_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reports, pauses = looked_into(spec([0.5, 0.2, 0.4]), monkeypatch)
    assert [report.seconds for report in reports] == [2.0, 4.0, 6.0]
    assert [float(pause["trial.seconds"]) for pause in pauses] == [1.0, 3.0, 5.0]


def test_a_trial_is_not_tired_on_the_way_to_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = dataclasses.replace(spec([0.1, 0.5, 0.5, 0.5], patience=4), steps=(2, 8))
    straight, pauses = looked_into(asked, monkeypatch)
    assert [report.resource for report in straight] == [2, 8]
    assert list(run([asked], ZEROS, [pauses[-1]], look=lambda: None)) == straight[1:]


def test_a_torn_checkpoint_is_refused() -> None:
    running = run([spec([0.5, 0.4])], ZEROS)
    checkpoint = dict(running.checkpoint(0))
    del checkpoint["trial.best"]
    with pytest.raises(InputError, match="The checkpoint lacks the array 'best'"):
        run([spec([0.5, 0.4])], ZEROS, [checkpoint])


@pytest.mark.parametrize("steps", [(), (3,), (4, 2), (2, 2), (0, 2), (-2, 2)])
def test_impossible_steps_are_refused(steps: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="Give rising multiples of 2"):
        run([dataclasses.replace(spec([0.5]), steps=steps)], ZEROS)


def test_an_impossible_spec_is_refused_before_any_training() -> None:
    good, bad = spec([0.5]), dataclasses.replace(spec([0.5]), config={"script": "z"})
    with pytest.raises(InputError, match="'script' is 'z'"):
        run([good, bad], ZEROS)
    with pytest.raises(InputError, match="no metric 'mea'"):
        run([dataclasses.replace(good, metric="mea")], ZEROS)
    assert Scripted.advances == 0


def test_a_forest_is_trained_without_torch() -> None:
    code = (
        "import sys; from linear import linear; from fesearch.trial import run;"
        "from fesearch.record import TrialSpec;"
        f"spec = TrialSpec(0, 'random_forest', {dict(random_forest.BEST)!r}, 1, (10,));"
        "list(run([spec], linear())); print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
