"""The core without Ray, database or training: what it decides, records and rebuilds."""

import math
from dataclasses import replace

import pytest
from toycore import SPACE, TOY, Book, core_of, report_of, settings

from fesearch.metrics import METRICS
from fesearch.record import Decision, Fault, Queued, TrialResult, TrialState
from fesearch.search.core import Core
from fesearch.search.roles import Recorded
from fesearch.search.sampler import sampler_named


def play(core, limit=None):
    """Run trials one by one; ``limit`` reports in all, then the driver is gone."""
    count = 0
    while (spec := core.suggest()) is not None:
        for epoch in spec.steps:
            if limit is not None and count == limit:
                return
            count += 1
            if core.report(spec.number, report_of(spec, epoch)) is Decision.STOP:
                break


def test_the_published_best_is_first_and_asha_stops_what_is_behind():
    book = Book()
    play(core_of(book))
    assert book.results[0].config == TOY.best
    states = [result.state for result in book.results.values()]
    assert len(states) == 12
    assert states.count(TrialState.PRUNED) >= 4
    assert states.count(TrialState.COMPLETE) >= 1
    for result in book.results.values():
        if result.state is TrialState.PRUNED:
            assert result.resource in (1, 3)
            assert "is not among the best 1 in 3" in result.reason
        else:
            assert result.resource == 9


def test_configs_that_wait_come_before_the_published_best_and_the_samplers():
    book = Book()
    chosen = [{"x": 0.25, "kind": "a"}, {"x": 0.75, "kind": "b"}]
    book.waiting = [Queued(7, chosen[0], None, "me"), Queued(9, chosen[1], 3, "me")]
    core = core_of(book)
    specs = [core.suggest() for _ in range(3)]
    assert [spec.config for spec in specs] == [*chosen, TOY.best]
    assert [spec.parent for spec in specs] == [None, 3, None]
    assert book.waiting == []
    book.waiting = [Queued(10, chosen[0], None, "me")]
    assert core.suggest().config == chosen[0]


def test_configs_to_be_tried_first_take_the_place_of_the_published_best():
    firsts = ({"x": 0.25, "kind": "a"}, {"x": 0.75, "kind": "b"})
    book = Book()
    core = core_of(book, first=firsts)
    specs = [core.suggest() for _ in range(2)]
    assert [spec.config for spec in specs] == list(firsts)
    more = {"x": 0.5, "kind": "a"}
    core.extend(settings(first=(more, *firsts)))
    assert core.suggest().config == more
    assert core.suggest().config not in (more, *firsts)
    again = core_of(Book(), first=(more, *firsts))
    begun = [
        TrialResult(spec.number, spec.family, spec.config, spec.seed, TrialState.RUNNING)
        for spec in specs
    ]
    again.restore(begun, [])
    taken = [again.suggest().config for _ in range(3)]
    assert taken == [*firsts, more]  # those that were interrupted go on, then what is left


def test_a_config_that_is_spared_goes_on_behind_all_others():
    behind = {"x": 0.9, "kind": "a"}
    stopped, spared = Book(), Book()
    play(core_of(stopped, first=(TOY.best, behind), trials=2))
    play(core_of(spared, first=(TOY.best, behind), spared=(behind,), trials=2))
    assert stopped.results[1].state is TrialState.PRUNED
    assert spared.results[1].state is TrialState.COMPLETE
    assert spared.results[1].resource == 9


def test_a_config_that_is_spared_begins_before_interrupted_trials_go_on():
    book = Book()
    first = core_of(book)
    spec = first.suggest()
    begun = TrialResult(spec.number, spec.family, spec.config, spec.seed, TrialState.RUNNING)
    wide = {"x": 0.9, "kind": "a"}
    again = core_of(Book(), first=(wide,), spared=(wide,))
    again.restore([begun], [])
    assert [again.suggest().config for _ in range(2)] == [wide, TOY.best]
    spent = core_of(Book(), first=(wide,), spared=(wide,), trials=1)
    spent.restore([begun], [])
    assert spent.suggest().config == TOY.best
    assert spent.suggest() is None


def test_trials_that_go_on_are_begun_beyond_the_budget_with_their_parents_seed():
    book = Book()
    core = core_of(book, trials=2, rungs=())
    play(core)
    book.waiting = [Queued(1, TOY.best, None, "me"), Queued(2, TOY.best, 0, "goes on")]
    assert not core.done
    child = core.suggest()
    assert (child.number, child.parent) == (2, 0)
    assert child.seed == book.results[0].seed
    assert core.budget == 3
    core.report(2, report_of(child, 9))
    book.waiting.append(Queued(3, TOY.best, 2, "goes on again"))
    grandchild = core.suggest()
    assert (grandchild.parent, grandchild.seed) == (2, child.seed)
    core.report(3, report_of(grandchild, 9))
    assert core.done
    assert core.suggest() is None
    assert [queued.parent for queued in book.waiting] == [None]


def test_a_budget_that_is_extended_goes_on_with_the_same_decisions():
    whole, later = Book(), Book()
    play(core_of(whole))
    core = core_of(later, trials=5)
    play(core)
    core.extend(settings())
    play(core)
    assert later.results == whole.results
    assert later.reports == whole.reports


def test_higher_rungs_leave_the_lower_ones_as_they_are():
    core = core_of(Book())
    play(core)
    before = {rung: dict(losses) for rung, losses in core.rule.losses.items()}
    core.extend(settings(maximum=27, rungs=(1, 3, 9, 27)))
    assert core.rule.losses == {**before, 27: {}}


def test_a_best_that_waited_is_not_given_twice():
    book = Book()
    book.waiting = [Queued(1, TOY.best, None, "me")]
    core = core_of(book)
    assert core.suggest().config == TOY.best
    assert core.suggest().config != TOY.best


def test_a_core_rebuilt_after_any_report_ends_like_one_never_interrupted():
    whole = Book()
    play(core_of(whole))
    for cut in range(1, len(whole.reports), 3):
        book = Book()
        play(core_of(book), limit=cut)
        running = dict(book.results)
        fresh = core_of(book)
        begun = [running.get(n) or started(n, whole) for n in book.begun]
        fresh.restore(begun, [Recorded(n, resource, best) for n, resource, best, _ in book.reports])
        play(fresh)
        assert book.reports == whole.reports
        assert book.results == whole.results


def test_the_last_latency_that_was_measured_stays_with_the_trial():
    book = Book()
    core = core_of(book, timed=True)
    spec = core.suggest()
    assert spec.timed
    core.report(spec.number, report_of(spec, 1, latency=2e-6))
    core.report(spec.number, report_of(spec, 2))
    assert book.results[spec.number].latency == 2e-6
    core.report(spec.number, report_of(spec, 3, latency=1e-6))
    assert book.results[spec.number].latency == 1e-6
    core.fail(spec.number, "a fault")
    assert book.results[spec.number].latency == 1e-6


def started(number, whole):
    """A trial that had begun and not reported."""
    return replace(
        whole.results[number],
        state=TrialState.RUNNING,
        value=None,
        resource=0,
        best_resource=None,
        seconds=0.0,
        parameters=None,
        reason="",
    )


def test_a_report_recorded_before_is_answered_and_not_recorded_again():
    book = Book()
    core = core_of(book)
    spec = core.suggest()
    core.report(spec.number, report_of(spec, 1))
    core.report(spec.number, report_of(spec, 2))
    assert core.report(spec.number, report_of(spec, 1)) is Decision.CONTINUE
    assert [resource for _, resource, _, _ in book.reports] == [1, 2]


def test_a_trial_that_ends_where_it_is_trained_again_keeps_its_result():
    """Trained again it may take longer, and its time limit come at a report that is on record."""
    limit = 10.0
    for resource, changes, state in [
        (3, {"seconds": 11.0}, TrialState.PRUNED),
        (3, {}, TrialState.COMPLETE),  # on a GPU its patience may end it elsewhere
    ]:
        book = Book()
        core = core_of(book, pruner="none", rungs=(), trial_time_limit=limit)
        spec = core.suggest()
        for epoch in (1, 2, 3):
            core.report(spec.number, report_of(spec, epoch))
        again = report_of(spec, resource, last=True, **changes)
        assert core.report(spec.number, again) is Decision.STOP
        assert [resource for _, resource, _, _ in book.reports] == [1, 2, 3]
        ended = book.results[spec.number]
        assert (ended.state, ended.resource, ended.value) == (state, 3, again.best)
        assert not core.running
    core = core_of(book := Book(), pruner="none", rungs=())
    spec = core.suggest()
    core.report(spec.number, report_of(spec, 1))
    core.report(spec.number, report_of(spec, 2))
    again = report_of(spec, 1, last=True, diverged="NaN")
    assert core.report(spec.number, again) is Decision.STOP
    ended = book.results[spec.number]
    assert (ended.fault, ended.resource) == (Fault.MACHINE, 2)
    assert ended.reason == "diverged where it was trained again: NaN"


def test_divergence_is_a_failed_trial_that_the_sampler_hears_of():
    book = Book()
    core = core_of(book)
    spec = core.suggest()
    core.report(spec.number, report_of(spec, 1))
    bad = report_of(spec, 2, raw=float("nan"), best=1.2, best_resource=1, last=True)
    answer = core.report(spec.number, replace(bad, diverged="MAE is nan after 2 epochs"))
    assert answer is Decision.STOP
    result = book.results[spec.number]
    assert (result.state, result.fault) == (TrialState.FAIL, Fault.DIVERGED)
    assert result.reason == "diverged: MAE is nan after 2 epochs"
    assert result.value == 1.2
    assert 0 not in core.rule.losses[3]
    assert core.suggest().number == 1


def test_a_fault_of_the_machine_fails_the_trial_and_the_search_goes_on():
    book = Book()
    core = core_of(book)
    spec = core.suggest()
    core.fail(spec.number, "the worker was lost")
    assert book.results[0].fault is Fault.MACHINE
    assert core.running == ()
    core.fail(spec.number, "again")
    assert book.results[0].reason == "the worker was lost"
    play(core)
    assert len(book.results) == 12


def test_stopping_lets_no_trial_begin_and_ends_none():
    book = Book()
    core = core_of(book)
    spec = core.suggest()
    core.stop("interrupted")
    assert core.report(spec.number, report_of(spec, 1)) is Decision.STOP
    assert book.reports[-1][3] is Decision.CONTINUE
    assert book.results[0].state is TrialState.RUNNING
    assert core.suggest() is None
    assert core.stopped == "interrupted"


def test_a_trial_that_is_halted_within_a_step_is_given_out_again():
    book = Book()
    core = core_of(book)
    spec = core.suggest()
    core.report(spec.number, report_of(spec, 1))
    core.stop("interrupted")
    core.halted(spec.number)
    assert core.suggest() is None
    assert core.stopped == "interrupted"
    again = core_of(book)
    again.restore([book.results[spec.number]], [Recorded(spec.number, 1, 1.0)])
    assert (again.suggest().number, again.stopped) == (spec.number, "")


def test_the_time_limit_stops_like_an_interruption():
    now = [0.0]
    book = Book()
    chosen = settings(deadline=10.0)
    sampler = sampler_named("random", SPACE, 5, "minimize")
    core = Core(chosen, sampler, book, clock=lambda: now[0])
    spec = core.suggest()
    assert core.report(spec.number, report_of(spec, 1)) is Decision.CONTINUE
    now[0] = 10.0
    assert core.report(spec.number, report_of(spec, 2)) is Decision.STOP
    assert core.done
    assert core.stopped == "the time limit is reached"


def test_more_time_revives_a_search_that_was_stopping_for_want_of_it():
    now = [0.0]
    sampler = sampler_named("random", SPACE, 5, "minimize")
    core = Core(settings(deadline=10.0), sampler, Book(), clock=lambda: now[0])
    spec = core.suggest()
    now[0] = 11.0
    assert core.stopped == "the time limit is reached"
    assert core.report(spec.number, report_of(spec, 1)) is Decision.STOP
    core.extend(settings(deadline=20.0))
    assert core.stopped == ""
    assert core.suggest() == replace(spec, reached=1), "what was stopped goes on"
    assert core.report(spec.number, report_of(spec, 2)) is Decision.CONTINUE
    core.stop("interrupted")
    core.extend(settings(deadline=30.0))
    assert core.stopped == "interrupted"


def test_beyond_the_deadline_reports_are_waited_for_until_one_has_a_value():
    now = [0.0]

    def begun(**changes):
        sampler = sampler_named("random", SPACE, 5, "minimize")
        core = Core(settings(**changes), sampler, Book(), clock=lambda: now[0])
        return core, [core.suggest() for _ in range(2)]

    late, specs = begun(deadline=10.0, overrun=50.0)
    assert late.latest == 60.0
    now[0] = 25.0
    assert late.report(specs[0].number, report_of(specs[0], 1)) is Decision.STOP
    assert late.latest == 25.0
    assert specs[1].number in late.running
    now[0] = 5.0
    quick, specs = begun(deadline=10.0, overrun=50.0)
    quick.report(specs[0].number, report_of(specs[0], 1))
    assert quick.latest == 10.0
    assert begun()[0].latest == math.inf


def test_a_maximised_metric_keeps_the_highest():
    book = Book()
    core = core_of(book, metric=METRICS["r2"], rungs=(1,), maximum=2)
    for value in (0.5, 0.9, 0.1):
        spec = core.suggest()
        answer = core.report(spec.number, report_of(spec, 1, raw=value, best=value))
        assert (answer is Decision.STOP) == (value == 0.1)
        if answer is Decision.CONTINUE:
            core.report(spec.number, report_of(spec, 2, raw=value, best=value))


def test_every_trial_has_a_seed_of_its_own_that_the_study_seed_decides():
    first, again, other = (core_of(Book(), seed=seed) for seed in (1, 1, 2))
    seeds = [core.suggest().seed for core in (first, again, other)]
    assert seeds[0] == seeds[1] != seeds[2]
    assert first.suggest().seed != seeds[0]


def test_only_patience_that_was_given_cuts_a_schedule_short():
    patient = replace(
        TOY,
        resource=replace(TOY.resource, patience=3),
        length=lambda config: 7 if config["kind"] == "a" else None,
    )
    for given, scheduled, constant in [(None, None, 3), (2, 2, 2)]:
        book = Book()
        book.waiting = [
            Queued(n, {"x": 0.5, "kind": kind}, None, "me") for n, kind in enumerate("ab")
        ]
        core = core_of(book, family=patient, patience=given)
        specs = [core.suggest(), core.suggest()]
        assert [spec.patience for spec in specs] == [scheduled, constant]
        assert [spec.steps[-1] for spec in specs] == [7, 9]


@pytest.mark.parametrize("patience", [None, 4])
def test_specs_carry_what_a_worker_needs(patience, tmp_path):
    core = core_of(Book(), patience=patience, folder=tmp_path, threads=3, maximum=4)
    spec = core.suggest()
    assert spec.steps == (1, 2, 3, 4)
    assert spec.rungs == (1, 3, 9)
    assert (spec.patience, spec.threads, spec.device) == (patience, 3, "cpu")
    assert spec.folder == tmp_path / "000000"
