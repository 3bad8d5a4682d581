"""What a person sees of a search: a page in a terminal, lines elsewhere, nothing when quiet."""

import threading
from dataclasses import replace

import pytest
from rich.console import Console

from fesearch.cli import live
from fesearch.cli.live import Lines, Page, Tally, varying, watching
from fesearch.families.irnet import FAMILY
from fesearch.metrics import METRICS
from fesearch.record import Decision, Fault, Report, TrialResult, TrialSpec, TrialState
from fesearch.search.core import Core
from fesearch.search.sampler import sampler_named
from fesearch.search.settings import Settings
from fesearch.space import Choice

SPACE = FAMILY.published.replace("depth", [3, 5]).replace("optimizer", "adam")
CONFIG = SPACE.nearest(FAMILY.best)


class Deaf:
    """A ledger that keeps nothing."""

    def queued(self, *, continuing: bool = False) -> None: ...
    def begin(self, spec: TrialSpec, queued: None) -> None: ...
    def report(self, *arguments: object) -> None: ...
    def finish(self, result: TrialResult) -> None: ...


def core_of(*watchers: Tally, **changes: object) -> Core:
    settings = Settings(
        name="deep",
        family=FAMILY,
        space=SPACE,
        metric=METRICS["mae"],
        unit="eV/atom",
        seed=1,
        trials=5,
        maximum=9,
        rungs=(1, 3, 9),
    )
    sampler = sampler_named("random", SPACE, 1, "minimize")
    return Core(replace(settings, **changes), sampler, Deaf(), watchers)


def report(resource: int, raw: float, **changes: object) -> Report:
    basis = Report(0, resource, raw, raw, resource, 2.5 * resource, 9881, last=resource == 9)
    return replace(basis, **changes)


def search(core: Core) -> None:
    """One trial to its end, one pruned, one diverged, one lost, one still running."""
    core.restore([], [])
    values = [(1, 0.5), (2, 0.45), (3, 0.4), (9, 0.2)]
    for number, reports in enumerate([values, [(1, 0.9)]]):
        assert core.suggest().number == number
        for resource, raw in reports:
            core.report(number, report(resource, raw))
    core.suggest()
    nan = report(1, float("nan"), best=None, best_resource=None, last=True)
    core.report(2, replace(nan, diverged="validation MAE is nan after 1 epoch"))
    core.suggest()
    core.fail(3, "the worker was lost: ActorDiedError: killed")
    core.suggest()
    assert core.report(4, report(1, 0.3)) is Decision.CONTINUE


def drawn(page: Page, width: int = 100, height: int = 40) -> str:
    console = Console(
        record=True, width=width, height=height, file=None, force_terminal=False, quiet=False
    )
    with console.capture() as capture:
        console.print(page)
    return capture.get()


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Page:
    """A page that a search has been watched by, drawn on demand alone."""
    monkeypatch.setattr("rich.live.Live.start", lambda self, refresh=False: None)
    shown = Page()
    search(core_of(shown))
    return shown


def test_the_page_shows_what_there_is_to_know(page: Page) -> None:
    lines = [" ".join(line.split()) for line in drawn(page).splitlines()]
    assert lines[0] == "deep 4 of 5 trials: 1 COMPLETE, 1 PRUNED, 2 FAIL"
    assert lines[1] == "best MAE 0.2 eV/atom (trial 0)"
    assert " gone, " in lines[2]
    assert " trials an hour, about " in lines[2]
    heading = lines.index("running epochs MAE now best seconds config")
    assert lines[heading + 1].startswith("4 1/9 0.3 0.3 2 depth=")
    rungs = lines.index("rung (epochs) trials seen goes on at or better than")
    assert lines[rungs + 1] == "1 3 0.4333"
    assert lines[rungs + 2 : rungs + 4] == ["3 1 0.4", "9 1 0.2"]
    ended = lines.index("ended state MAE epochs seconds reason")
    assert lines[ended + 1].startswith("3 FAIL – 0 0 the worker was lost: ActorDiedError")
    assert lines[ended + 2].startswith("2 FAIL – 1 2 diverged: validation MAE is nan")
    assert lines[ended + 3].startswith("1 PRUNED 0.9 1 2 MAE 0.9 after 1 epoch is not among")
    assert lines[ended + 4].startswith("0 COMPLETE 0.2 9 22")


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_of_the_page_is_wider_than_the_terminal_or_broken(page: Page, width: int) -> None:
    lines = drawn(page, width).splitlines()
    assert max(map(len, lines)) <= width
    if width >= 80:
        assert len(lines) == len(drawn(page, 200).splitlines())


def test_the_page_says_that_it_is_stopping(page: Page) -> None:
    page.core.stop("interrupted")
    assert "stopping (interrupted): checkpoints are being left" in drawn(page)


def test_many_running_trials_are_cut_short(page: Page) -> None:
    spec = page.running[4]
    for number in range(5, 30):
        page.began(replace(spec, number=number), resumed=False)
    assert "and 14 more" in drawn(page)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (60, 16)])
def test_the_page_fits_a_terminal_with_200_workers_and_thousands_of_trials(
    page: Page, width: int, height: int
) -> None:
    spec, ended = page.running[4], page.best
    assert ended is not None
    for number in range(5, 3205):
        page.began(replace(spec, number=number), resumed=False)
        page.reported(number, report(1, 1.0 + number / 10_000))
        page.core.rule.decide(number, 1, 0.5)
        if number < 3005:
            page.ended(replace(ended, number=number, value=0.4))
    page.reported(3100, report(1, 0.25))
    lines = drawn(page, width, height).splitlines()
    assert len(lines) < height
    assert max(map(len, lines)) <= width
    assert " ".join(lines[0].split()).startswith("deep 3004 of 5 trials: 3001 COMPLETE")
    running = next(place for place, line in enumerate(lines) if line.startswith("running"))
    assert lines[running + 1].startswith("3100")  # the best of those that run is on top
    shown = next(place for place, line in enumerate(lines) if line.startswith("and "))
    assert lines[shown].split()[1] == str(201 - (shown - running - 1))
    assert any(line.startswith("rung (epochs)") for line in lines)
    assert any(line.startswith("ended") for line in lines)


def test_markup_in_a_reason_is_text(page: Page) -> None:
    failed = TrialResult(
        9, "irnet", CONFIG, 1, TrialState.FAIL, reason="[red]x[/blue]", fault=Fault.MACHINE
    )
    page.ended(failed)
    assert "[red]x[/blue]" in drawn(page, 200)


def test_the_page_can_be_drawn_while_trials_come_and_go(page: Page) -> None:
    spec, result = page.running[4], page.best
    assert result is not None
    over = threading.Event()

    def come_and_go() -> None:
        number = 10
        while not over.is_set():
            number += 1
            page.began(replace(spec, number=number), resumed=False)
            page.core.rule.decide(number, 1, 0.1)
            page.ended(replace(result, number=number))

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        for _ in range(60):
            drawn(page)
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize(("metric", "best"), [("mae", 1), ("r2", 2)])
def test_the_best_is_the_best_by_the_metric(metric: str, best: int) -> None:
    tally = Tally()
    core_of(tally, metric=METRICS[metric]).restore([], [])
    for number, value in enumerate([0.5, 0.2, 0.9]):
        tally.ended(TrialResult(number, "irnet", CONFIG, 1, TrialState.COMPLETE, value))
    failed = TrialResult(3, "irnet", CONFIG, 1, TrialState.FAIL, 0.0, fault=Fault.DIVERGED)
    tally.ended(failed)
    assert tally.best is not None
    assert tally.best.number == best


def test_a_resumed_search_counts_what_ended_before(capsys: pytest.CaptureFixture[str]) -> None:
    ended = TrialResult(0, "irnet", CONFIG, 1, TrialState.COMPLETE, 0.2, resource=9)
    going = TrialResult(1, "irnet", {**CONFIG, "depth": 3}, 1, TrialState.RUNNING, 0.4, resource=2)
    lines = Lines()
    core = core_of(lines)
    core.restore([ended, going], [])
    core.suggest()
    core.report(1, report(9, 0.1))
    err = capsys.readouterr().err.splitlines()
    assert err[:2] == ["study deep: 5 trials, 1 ended before", "trial 1 goes on"]
    assert err[2] == "trial 1 COMPLETE 0.1 eV/atom after 9 epochs, 22.5 s"
    assert err[3].startswith("  2 of 5, best MAE 0.1 eV/atom (trial 1), 0 s gone, ")


def test_lines_say_how_each_trial_ended(capsys: pytest.CaptureFixture[str]) -> None:
    search(core_of(Lines()))
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0] == "study deep: 5 trials"
    assert lines[1::2] == [
        "trial 0 COMPLETE 0.2 eV/atom after 9 epochs, 22.5 s",
        "trial 1 PRUNED 0.9 eV/atom after 1 epoch, 2.5 s: MAE 0.9 after 1 epoch is not among the "
        "best 1 in 3",
        "trial 2 FAIL after 1 epoch, 2.5 s: diverged: validation MAE is nan after 1 epoch",
        "trial 3 FAIL after 0 epochs, 0.0 s: the worker was lost: ActorDiedError: killed",
    ]
    assert all(f"  {n} of 5, best MAE 0.2 eV/atom (trial 0), " in lines[2 * n] for n in range(1, 5))


def test_the_time_left_is_what_the_limit_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(live.time, "monotonic", lambda: now)
    tally = Tally()
    core = core_of(tally, deadline=5000.0)
    core.restore([], [])
    now = 1600.0
    assert tally.pace == "10 min 00 s gone"
    tally.ended(TrialResult(0, "irnet", CONFIG, 1, TrialState.COMPLETE, 0.2))
    assert tally.pace == "10 min 00 s gone, 6 trials an hour, about 40 min 00 s left"
    now = 4600.0
    assert tally.pace == "1 h 00 min gone, 1 trial an hour, about 6 min 40 s left"


@pytest.mark.parametrize(
    ("quiet", "terminal", "kinds"),
    [(True, True, []), (False, False, [Lines]), (False, True, [Page])],
)
def test_who_watches(
    quiet: bool, terminal: bool, kinds: list[type], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    with watching(quiet) as watchers:
        assert [type(watcher) for watcher in watchers] == kinds


def test_fixed_parameters_are_not_shown() -> None:
    space = {"depth": Choice((3, 5)), "width": Choice((1.0,)), "norm": Choice((None, "before"))}
    assert varying({"depth": 3, "width": 1.0, "norm": None}, space) == "depth=3 norm=none"
