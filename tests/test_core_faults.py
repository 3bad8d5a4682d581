"""What the core makes of faults: who goes on, who is alone, who ends, and when all of it stops."""

from dataclasses import replace

from toycore import Book, core_of, report_of

from fesearch.record import Decision, Fault, TrialState
from fesearch.search.faults import Cause
from fesearch.search.roles import Recorded


def running(**changes):
    """A core with two trials in training that have reported once, and its book."""
    book = Book()
    core = core_of(book, **{"rungs": (), **changes})
    specs = [core.suggest(), core.suggest()]
    for spec in specs:
        core.report(spec.number, report_of(spec, 1))
    return core, book, *specs


def test_a_lost_worker_makes_its_trial_go_on_before_any_other_begins():
    core, book, spec, _ = running()
    core.fault(0, Cause.LOST, "its node has died")
    assert book.retries == [(0, 1, "a lost worker (1 of 2): its node has died")]
    assert core.suggest() == replace(spec, reached=1)
    assert core.report(0, report_of(spec, 1)) is Decision.CONTINUE
    core.report(0, report_of(spec, 2))
    assert [(n, resource) for n, resource, _, _ in book.reports] == [(0, 1), (1, 1), (0, 2)]
    assert core.suggest().number == 2


def test_a_worker_lost_too_often_fails_its_trial():
    core, book, *_ = running()
    for _ in range(3):
        core.fault(0, Cause.LOST, "its node has died")
    assert book.results[0].state is TrialState.FAIL
    assert book.results[0].fault is Fault.MACHINE
    assert book.results[0].reason == "the worker was lost 3 times: its node has died"
    assert book.results[0].retries == 2
    core.fault(0, Cause.LOST, "again")
    assert len(book.retries) == 2


def test_without_retries_the_first_lost_worker_fails_its_trial():
    core, book, *_ = running(retries=0)
    core.fault(1, Cause.LOST, "its node has died")
    assert book.results[1].reason == "the worker was lost: its node has died"


def test_retries_before_an_interruption_count():
    core, book, spec, _ = running(retries=1)
    core.fault(0, Cause.LOST, "its node has died")
    fresh = core_of(book, rungs=(), retries=1)
    fresh.restore(book.results.values(), [Recorded(n, r, b) for n, r, b, _ in book.reports])
    assert fresh.suggest() == replace(spec, reached=1)
    fresh.fault(0, Cause.LOST, "its node has died")
    assert book.results[0].reason == "the worker was lost 2 times: its node has died"


def test_workers_that_are_lost_as_the_search_stops_cost_no_retry():
    core, book, *_ = running()
    core.stop("interrupted")
    core.fault(0, Cause.LOST, "Ctrl-C reached it too")
    assert book.retries == []
    assert 0 in core.running


def test_a_trial_without_memory_is_tried_again_alone():
    core, book, first, second = running()
    core.fault(0, Cause.MEMORY, "MemoryError: no message")
    assert book.retries == [(0, 1, "too little memory, alone now: MemoryError: no message")]
    assert core.suggest() is None
    assert not core.done
    assert core.clears_the_way
    assert core.report(1, report_of(second, 2)) is Decision.STOP
    assert core.suggest() == replace(first, reached=1)
    assert not core.clears_the_way
    assert core.suggest() is None
    assert core.report(0, report_of(first, 2)) is Decision.CONTINUE
    for epoch in first.steps[2:]:
        core.report(0, report_of(first, epoch))
    assert book.results[0].state is TrialState.COMPLETE
    assert book.results[0].reason == ""
    assert core.suggest() == replace(second, reached=2)
    assert core.suggest().number == 2


def test_a_trial_without_memory_even_alone_fails():
    core, book, *_ = running()
    core.fault(1, Cause.LOST, "its node has died")
    core.fault(0, Cause.MEMORY, "MemoryError: no message")
    assert core.suggest().number == 0
    core.fault(0, Cause.MEMORY, "MemoryError: no message")
    assert book.results[0].state is TrialState.FAIL
    assert book.results[0].reason == "too little memory, alone too: MemoryError: no message"
    assert core.suggest().number == 1


def test_a_trial_that_was_to_be_alone_is_so_after_an_interruption():
    core, book, *_ = running()
    core.fault(1, Cause.MEMORY, "MemoryError: no message")
    fresh = core_of(book, rungs=())
    fresh.restore(book.results.values(), [Recorded(n, r, b) for n, r, b, _ in book.reports])
    assert fresh.suggest().number == 1
    assert fresh.suggest() is None
    fresh.fault(1, Cause.MEMORY, "MemoryError: no message")
    assert book.results[1].state is TrialState.FAIL
    assert fresh.suggest().number == 0


def test_a_trial_that_was_to_be_alone_is_so_after_it_was_halted():
    core, *_, second = running()
    core.fault(0, Cause.MEMORY, "MemoryError: no message")
    core.report(1, report_of(second, 2))
    assert core.suggest().number == 0
    core.halted(0)
    assert core.suggest().number == 0
    assert core.suggest() is None


def test_a_full_disk_stops_the_search_and_ends_no_trial():
    core, book, first, _ = running()
    core.fault(0, Cause.DISK, "its weights cannot be written: No space left on device")
    assert core.stopped == "its weights cannot be written: No space left on device (trial 0)"
    assert core.done
    assert core.running == (0, 1)
    assert book.results[0].state is TrialState.RUNNING
    assert core.report(1, report_of(first, 2)) is Decision.STOP


def test_a_worker_killed_twice_by_nobody_knows_whom_is_tried_again_alone():
    core, book, first, second = running()
    died = "its worker process has died"
    core.fault(0, Cause.KILLED, died)
    assert book.retries == [(0, 1, f"a lost worker (1 of 2): {died}")]
    assert not core.clears_the_way
    assert core.suggest() == replace(first, reached=1)
    core.fault(0, Cause.KILLED, died)
    said = f"too little memory, alone now: perhaps, since {died} again"
    assert book.retries[-1] == (0, 2, said)
    assert core.clears_the_way
    core.report(1, report_of(second, 2))
    assert core.suggest() == replace(first, reached=1)
    core.fault(0, Cause.KILLED, died)
    assert book.results[0].reason == f"the worker was lost 3 times: {died}"


def test_a_worker_killed_more_often_than_it_may_be_fails_its_trial():
    core, book, *_ = running(retries=1)
    core.fault(0, Cause.KILLED, "its worker process has died")
    core.fault(0, Cause.KILLED, "its worker process has died")
    assert book.results[0].reason == "the worker was lost 2 times: its worker process has died"


def restored(book, died=True, **changes):
    """A core that goes on with what is on record, after the death of its process or none."""
    core = core_of(book, rungs=(), **changes)
    reports = [Recorded(n, r, b) for n, r, b, _ in book.reports]
    core.restore(book.results.values(), reports, died=died)
    return core


def begun_once():
    """The book of a search whose first trial has reported once, and the trial."""
    book = Book()
    core = core_of(book, rungs=())
    spec = core.suggest()
    core.report(0, report_of(spec, 1))
    return book, spec


def test_a_trial_in_which_the_process_dies_again_and_again_fails_and_the_search_goes_on():
    book, spec = begun_once()
    for times in ("1 time", "2 times", "3 times", "4 times"):
        core = restored(book)
        assert core.suggest() == replace(spec, reached=1)
        assert core.survived(0, "no checkpoint")
        said = f"its process died {times} after 1 epoch (no checkpoint)"
        assert book.results[0].reason == said
        assert core.survived(0, "no checkpoint"), "it is counted once in a process"
    core = restored(book)
    core.suggest()
    assert not core.survived(0, "no checkpoint")
    assert book.results[0].state is TrialState.FAIL
    assert book.results[0].reason == "its process died 5 times after 1 epoch (no checkpoint)"
    assert book.results[0].retries == 0
    assert core.suggest().number == 1


def test_a_trial_that_comes_further_from_death_to_death_is_not_to_blame():
    book, spec = begun_once()
    for epoch in range(2, 9):
        core = restored(book)
        core.suggest()
        assert core.survived(0, "no checkpoint")
        assert book.results[0].reason.startswith("its process died 1 time after ")
        core.report(0, report_of(spec, epoch))
    for minute in range(9):
        core = restored(book)
        core.suggest()
        assert core.survived(0, f"its checkpoint is of 08:{minute:02}")
    core.report(0, report_of(spec, 9))
    assert (book.results[0].state, book.results[0].reason) == (TrialState.COMPLETE, "")


def test_a_process_that_came_to_an_end_of_its_own_died_in_no_trial():
    book, _ = begun_once()
    for _ in range(9):
        core = restored(book, died=False)
        core.suggest()
        assert core.survived(0, "no checkpoint")
    assert book.retries == []


def test_a_trial_without_memory_whose_process_died_is_still_one_to_be_alone():
    book, _ = begun_once()
    restored(book, died=False).fault(0, Cause.MEMORY, "MemoryError: no message")
    for _ in range(2):
        core = restored(book)
        core.suggest()
        assert core.survived(0, "no checkpoint")
    said = "too little memory, and its process died 2 times after 1 epoch (no checkpoint)"
    assert book.results[0].reason == said
    core.fault(0, Cause.MEMORY, "MemoryError: no message")
    assert book.results[0].reason == "too little memory, alone too: MemoryError: no message"


def test_an_exception_fails_its_trial_at_once():
    core, book, *_ = running()
    core.fault(0, Cause.ERROR, "ValueError: too deep")
    assert book.retries == []
    assert book.results[0].reason == "ValueError: too deep"


def test_the_last_trial_may_go_on_though_the_budget_is_spent():
    core, _, spec, _ = running(trials=2)
    assert core.suggest() is None
    assert not core.done
    core.fault(0, Cause.LOST, "its node has died")
    assert core.suggest() == replace(spec, reached=1)


def test_over_its_time_limit_a_trial_with_a_value_is_pruned_and_one_without_fails():
    core, book, first, second = running(trial_time_limit=90.0)
    late = {"seconds": 91.0, "last": True}
    assert core.report(0, report_of(first, 2, **late)) is Decision.STOP
    assert (book.results[0].state, book.results[0].fault) == (TrialState.PRUNED, None)
    assert book.results[0].reason == "over its time limit of 1m30s"
    nothing_yet = report_of(second, 2, best=None, best_resource=None, **late)
    assert core.report(1, nothing_yet) is Decision.STOP
    assert (book.results[1].state, book.results[1].fault) == (TrialState.FAIL, Fault.MACHINE)


def test_a_trial_at_its_end_is_complete_however_long_it_took():
    core, book, first, _ = running(trial_time_limit=90.0, rungs=())
    assert first.time_limit == 90.0
    core.report(0, report_of(first, 9, seconds=91.0))
    assert book.results[0].state is TrialState.COMPLETE


def test_a_trial_that_lost_its_worker_while_alone_goes_on_alone():
    core, book, first, second = running()
    core.fault(0, Cause.MEMORY, "MemoryError: no message")
    core.report(1, report_of(second, 2))
    core.suggest()
    core.fault(0, Cause.LOST, "its worker process has died")
    assert book.retries[-1][2] == (
        "too little memory, alone now, and a lost worker (2 of 2): its worker process has died"
    )
    assert core.suggest() == replace(first, reached=1)
    assert core.suggest() is None, "it is alone"
    core.fault(0, Cause.MEMORY, "MemoryError: no message")
    assert book.results[0].reason == "too little memory, alone too: MemoryError: no message"


def test_a_trial_that_had_its_gpu_to_itself_is_not_tried_again_at_the_cost_of_all_others():
    said = "OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB"
    core, book, *_ = running(own_gpus=True)
    core.fault(0, Cause.MEMORY, said)
    assert book.results[0].reason == f"too little memory, with the GPU to itself: {said}"
    assert not core.clears_the_way
    core.fault(1, Cause.MEMORY, "MemoryError: no message")  # the host's is everyone's
    assert core.suggest().number == 1
    core, book, *_ = running()
    core.fault(0, Cause.MEMORY, said)
    assert core.clears_the_way


def test_a_trial_that_hangs_fails():
    core, book, *_ = running(trial_time_limit=1800.0)
    core.overdue(0)
    assert book.results[0].state is TrialState.FAIL
    assert book.results[0].reason == "over its time limit of 30m: no report in that time"


def test_a_search_in_which_everything_fails_stops():
    book = Book()
    core = core_of(book, trials=50)
    while (spec := core.suggest()) is not None:
        core.fault(spec.number, Cause.ERROR, "ValueError: no")
    assert core.stopped == "the first 10 trials all failed: ValueError: no (10)"
    assert len(book.results) == 10
    fresh = core_of(book, trials=50)
    fresh.restore(book.results.values(), [])
    assert fresh.suggest().number == 10


def test_a_trial_in_training_that_has_a_value_keeps_a_search_alive():
    core, book, *_ = running(trials=50)
    core.fault(1, Cause.ERROR, "ValueError: no")
    while len(book.results) < 20:
        core.fault(core.suggest().number, Cause.ERROR, "ValueError: no")
    assert core.stopped == ""
    core.fault(0, Cause.ERROR, "ValueError: no")
    assert core.stopped == "the first 20 trials all failed: ValueError: no (20)"
