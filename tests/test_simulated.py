"""Searches on recorded curves: the decisions of a real one, on a clock that nobody waits for."""

import math
from dataclasses import replace

import numpy as np
import pytest
from toycore import Book, settings

from fesearch.families.irnet import FAMILY
from fesearch.record import Decision, TrialState
from fesearch.search.core import Core
from fesearch.search.curves import Curve, Curves
from fesearch.search.sampler import sampler_named
from fesearch.search.simulated import Clock, Forgetful, Recorded, drive
from fesearch.study import Study

SPACE = {"depth": [3, 4, 5], "learning_rate": [1e-4, 1e-3, 1e-2], "optimizer": "adam"}
STUDY = Study(
    name="nets",
    family="irnet",
    max_epochs=9,
    space={**SPACE, "activation": "relu", "output_activation": "none", "loss": "mae"}
    | {"norm": "before", "batch_size": 64},
)
CONFIGS = list(STUDY.search_space().grid())


def curve(config, level, *, seconds=1.0, steps=9, **changes):
    values = tuple(level + 1.0 / step for step in range(1, steps + 1))
    return replace(Curve(config, values, seconds, 7), **changes)


def curves_of(*every):
    every = every or [curve(one, 0.1 * place) for place, one in enumerate(CONFIGS)]
    return Curves("nets", STUDY, "eV/atom", "abc", "random", tuple(every), "a test")


def core_of(curves, clock, ledger, sampler="random", **changes):
    chosen = settings(
        **{"family": FAMILY, "space": curves.space, "trials": len(CONFIGS), "maximum": 9} | changes
    )
    inner = sampler_named(sampler, chosen.space, chosen.seed, chosen.metric.direction)
    return Core(chosen, Recorded(inner, curves), ledger, clock=clock)


def told(curves, config):
    """What a runner that trains would report."""
    trace, place = curves.trace(curves.nearest(config)), 0
    while True:
        place += 1
        yield trace.after(place)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_with_one_worker_its_decisions_are_those_of_trials_one_after_another(sampler):
    curves, simulated, real = curves_of(), Book(), Book()
    clock = Clock()
    course = drive(core_of(curves, clock, simulated, sampler), curves, 1, clock)
    core = core_of(curves, Clock(), real, sampler)
    while (spec := core.suggest()) is not None:
        reports = told(curves, spec.config)
        while core.report(spec.number, next(reports)) is Decision.CONTINUE:
            pass
    assert simulated.reports == real.reports
    assert simulated.results == real.results
    assert {one.state for one in real.results.values()} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert course.reports == len(real.reports)
    assert course.busy == course.end == course.reports


def test_each_recorded_config_is_had_once_before_any_is_had_again():
    curves, book, clock = curves_of(), Book(), Clock()
    course = drive(core_of(curves, clock, book, trials=len(CONFIGS) - 1), curves, 2, clock)
    had = [tuple(result.config.items()) for result in book.results.values()]
    assert len(set(had)) == len(had) == course.trials == len(CONFIGS) - 1


def test_workers_train_side_by_side():
    curves = curves_of()
    ends = {}
    for workers in (1, 3, 100):
        clock = Clock()
        core = core_of(curves, clock, Forgetful(), rungs=())
        ends[workers] = drive(core, curves, workers, clock).end
    assert ends == {1: 9 * 9, 3: 9 * 3, 100: 9}


def test_a_driver_that_takes_its_time_keeps_workers_waiting():
    curves, clock = curves_of(), Clock()
    core = core_of(curves, clock, Forgetful(), rungs=())
    course = drive(core, curves, 9, clock, answer=0.5)
    # All nine report at once, after a second, and are answered one after another.
    assert course.times[0] == 1.5
    assert course.end == pytest.approx(1 + 9 * 9 * 0.5)


def test_nothing_begins_after_the_deadline_and_what_is_trained_stops():
    curves, clock, book = curves_of(), Clock(), Book()
    core = core_of(curves, clock, book, rungs=(), deadline=12.0)
    course = drive(core, curves, 1, clock)
    assert (course.trials, course.end) == (2, 12.0)
    assert core.stopped == "the time limit is reached"


def test_a_curve_that_was_cut_goes_on_at_its_last_value():
    cut = curve(CONFIGS[0], 0.3, steps=2, whole=False)
    trace = curves_of(cut).trace(0)
    assert [trace.after(place).raw for place in (1, 2, 3, 9)] == [1.3, 0.8, 0.8, 0.8]
    assert [trace.after(place).resource for place in (2, 9)] == [2, 9]
    assert not trace.after(9).last
    whole = curves_of(replace(cut, whole=True)).trace(0)
    assert whole.after(2).last


def test_a_config_that_diverged_does_so_again():
    worst = curve(CONFIGS[0], 0.0, steps=3)
    bad = replace(worst, values=(0.5, 0.4, math.nan), diverged="validation MAE is nan")
    curves, clock, book = curves_of(bad), Clock(), Book()
    drive(core_of(curves, clock, book, trials=1), curves, 1, clock)
    assert book.results[0].state is TrialState.FAIL
    assert book.results[0].reason == "diverged: validation MAE is nan"
    assert book.results[0].value == 0.4


def test_an_exploded_value_is_never_the_best_even_where_it_looks_so():
    odd = replace(curve(CONFIGS[0], 0.0), values=(0.5, 0.1), diverged="above 10 times")
    assert curves_of(odd).trace(0).after(2).best == 0.5


def test_the_nearest_config_is_that_of_the_least_distance():
    curves = curves_of()
    place = curves.nearest(CONFIGS[4])
    assert dict(curves.curves[place].config) == CONFIGS[4]
    others = np.ones(len(CONFIGS), dtype=bool)
    others[place] = False
    near = curves.curves[curves.nearest(CONFIGS[4], others)].config
    changed = [key for key in near if near[key] != CONFIGS[4][key]]
    assert len(changed) == 1
    assert changed[0] in ("depth", "learning_rate")
    asked = {**CONFIGS[0], "depth": 5, "learning_rate": 1e-2}
    assert dict(curves.curves[curves.nearest(asked)].config) == asked
