"""What is left to do for a later driver: of a study, of a search over many families."""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import searched
from portfolios import many
from small import Watch, small

from fesearch.api import open as opened
from fesearch.cli.app import run
from fesearch.errors import InputError
from fesearch.export import export
from fesearch.holdout import holdout
from fesearch.record import TrialResult
from fesearch.search import portfolio, start
from fesearch.search.checkpoint import CHECKPOINT
from fesearch.search.extend import extend
from fesearch.search.folder import trial_folder
from fesearch.search.heartbeat import ON_REQUEST
from fesearch.search.portfolio import Looks
from fesearch.search.remaining import go_on, progress, remaining
from fesearch.store.results import Store

TWO = {"families": ["ridge", "decision_tree"], "trials": 24}
"""Three trials of each in the first round."""


def test_what_a_further_job_has_left_to_do_of_a_study(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (remaining("deep", url), progress("deep", url)) == ("open", "")
    start.start(small(), url, watchers=[Watch(2, lambda core: core.stop("interrupted"))])
    assert remaining("deep", url) == "open"
    had = progress("deep", url)
    start.resume("deep", url, watchers=[Watch(2, lambda core: core.stop(ON_REQUEST))])
    assert remaining("deep", url) == "stopped"
    assert run(["cluster", "over", "deep"]) == 0
    assert run(["cluster", "over", "deep", "--first"]) == 3, "who submits a job asks for more"
    assert run(["cluster", "over", "deep"]) == 3, "and so it does after a requeue"
    start.resume("deep", url, seconds=0.001)
    assert run(["cluster", "over", "deep"]) == 3
    start.resume("deep", url)
    assert had
    assert progress("deep", url) == "", "no trial is in training"
    capsys.readouterr()
    assert remaining("deep", url) == "spent"
    assert run(["cluster", "over", "deep", "--first"]) == 0
    assert capsys.readouterr().out == "\n"


def test_a_checkpoint_within_an_epoch_is_progress(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    start.start(small(), url, watchers=[Watch(2, lambda core: core.stop("interrupted"))])
    with Store.look(url) as store:
        checkpoint = trial_folder(store.study("deep"), 0) / CHECKPOINT
    checkpoint.unlink(missing_ok=True)
    capsys.readouterr()
    assert run(["cluster", "over", "deep"]) == 3
    had = capsys.readouterr().out.strip()
    assert had == progress("deep", url) != ""
    checkpoint.write_text("")
    assert (has := progress("deep", url)) != had
    assert has == progress("deep", url)
    os.utime(checkpoint, (1, 1))
    assert progress("deep", url) != has


def test_what_comes_afterwards_is_left_to_do_until_it_is_done(url: str, tmp_path: Path) -> None:
    start.start(small(), url)
    over, folder = ["cluster", "over", "deep"], tmp_path / "model"
    exported = [*over, "--export", str(folder)]
    assert [run(one) for one in (over, exported, [*over, "--holdout"])] == [0, 3, 3]
    export("deep", url, folder)
    assert [run(one) for one in (exported, [*exported, "--holdout"])] == [0, 3]
    holdout("deep", url)
    assert run([*exported, "--holdout"]) == 0
    shutil.rmtree(folder)
    best, other, *_ = sorted(
        (one for one in start_trials(url) if one.value is not None), key=lambda one: one.value
    )
    export("deep", url, folder, trial=other.number)
    assert run(exported) == 3, "it is another model"
    shutil.rmtree(folder)
    export("deep", url, folder, trial=best.number, refit=True)
    assert run(exported) == 3, "it was trained on all rows"


def start_trials(url: str) -> Sequence[TrialResult]:
    """The trials of the study."""
    with Store.look(url) as store:
        return store.trials(store.study("deep"))


@pytest.mark.parametrize("seconds", [None, 1.0])
def test_a_study_whose_time_is_spent_is_over(seconds: float | None, url: str) -> None:
    endless = small("late", time_limit="2s", trials=100_000, space={}, preset="published")
    outcome = start.start(endless, url, seconds=seconds)
    assert outcome.stopped == "the time limit is reached"
    assert remaining("late", url) == "spent"
    extend("late", url, time_limit="+1h")
    assert remaining("late", url) == "open"


def test_what_a_further_job_has_left_to_do_of_many_families(url: str) -> None:
    watch = Watch(2, lambda core: core.stop(ON_REQUEST))
    portfolio.begin(many("all", **TWO), url, Looks(watching=lambda: nullcontext([watch])))
    assert remaining("all", url) == "stopped"
    go_on("all", url)
    assert remaining("all", url) == "open"
    watch = Watch(2, lambda core: core.stop("interrupted"))
    portfolio.go_on("all", url, Looks(watching=lambda: nullcontext([watch])))
    assert remaining("all", url) == "open"
    portfolio.go_on("all", url)
    assert remaining("all", url) == "spent"


def test_a_study_that_waits_is_left_alone_after_a_stop(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    start.start(small(), url, watchers=[Watch(2, lambda core: core.stop("interrupted"))])
    capsys.readouterr()
    assert run(["study", "stop", "deep"]) == 0
    assert capsys.readouterr().err.lstrip() == (
        "The study 'deep' is not running. A batch job that goes on with it for another one leaves "
        "it alone; end one that has not begun yet with scancel.\n"
        "To go on: fesearch study resume deep\n"
    )
    assert remaining("deep", url) == "stopped"
    assert run(["study", "stop", "deep"]) == 2, "it is stopped"
    opened("deep", storage=url).stop()
    start.resume("deep", url)
    assert remaining("deep", url) == "spent"
    capsys.readouterr()
    assert run(["study", "stop", "deep"]) == 2, "it is complete"
    assert capsys.readouterr().err.startswith("The study 'deep' is not running.\n")
    assert remaining("deep", url) == "spent"


def test_a_search_over_many_families_that_waits_is_left_alone_after_a_stop(url: str) -> None:
    watch = Watch(2, lambda core: core.stop("interrupted"))
    portfolio.begin(many("all", **TWO), url, Looks(watching=lambda: nullcontext([watch])))
    assert remaining("all", url) == "open"
    assert run(["study", "stop", "all"]) == 0
    assert remaining("all", url) == "stopped"
    assert run(["cluster", "over", "all", "--first"]) == 3
    assert remaining("all", url) == "open"
    assert run(["study", "stop", "all"]) == 0
    assert portfolio.go_on("all", url).stopped == ""
    assert remaining("all", url) == "spent"
    assert run(["study", "stop", "all"]) == 2


def test_a_search_over_many_families_whose_time_is_spent_is_over(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["study", "start", "all_families", "--data", searched.DATA, "--name", "timed"]
    words += ["--families", "decision_tree,ridge", "--set", "runner=inline", "--preset", "full"]
    words += ["--trials", "100000", "--time-limit", "12s", "--or-resume"]
    words += ["--holdout", "--export", str(tmp_path / "model")]

    def there() -> tuple[int, int]:
        with Store.look(url) as store:
            rows = store.named(["timed"])
            return store.events(rows), len(store.looks(rows[0].key))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portfolio, "_run", slowly(portfolio._run))
        assert run(words) == 0
    had = there()
    assert run(["cluster", "over", "timed", *words[-3:]]) == 0
    assert run(words) == 0
    assert there() == had, "no trial more, and no further look"
    assert run(["study", "extend", "timed", "--time-limit", "+5s"]) == 0
    assert run(["cluster", "over", "timed"]) == 3
    assert portfolio.go_on("timed", url).stopped == ""
    assert there()[0] > had[0]
    assert run(["cluster", "over", "timed"]) == 0


def slowly(turn: Callable[..., Any]) -> Callable[..., Any]:
    """A turn before which time goes by that no family has."""

    def slow(*arguments: Any) -> Any:
        time.sleep(1.0)
        return turn(*arguments)

    return slow


def test_what_is_driven_is_asked_to_stop_not_noted_so(studies: str) -> None:
    with Store.open(studies) as store:
        lease = store.acquire(study := store.study("nets"))
        with pytest.raises(InputError, match="The study 'nets' is being driven by process "):
            store.note_stop(study, ON_REQUEST)
        store.release(lease)
        token = store.begin_search("all")
        with pytest.raises(InputError, match="The search 'all' is being driven by process "):
            store.note_stop_of_search("all")
        assert not store.beat_search("all", token, 0.0)
