"""Budgets that are extended: the trials are those of a study that had them from the start."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from driven import check_optuna_agrees, results, story, study_row
from longer import TO_THE_END, ends, four_epochs
from small import SPACE, Watch, furnished, small, wait_for

from fesearch.cli.app import run
from fesearch.duration import kept_back
from fesearch.errors import InputError, StudyNotFoundError
from fesearch.family import FAMILIES, Resource
from fesearch.search import heartbeat, start
from fesearch.search.budget import Budget
from fesearch.search.checkpoint import CHECKPOINT
from fesearch.search.core import Core
from fesearch.search.extend import extend
from fesearch.search.folder import end_file, study_folder, trial_folder
from fesearch.search.mirror import PARENT, in_database
from fesearch.search.worker import LOG
from fesearch.store.results import Store
from fesearch.store.types import StudyState


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a store with the studies ``six`` and ``nine``, beside data and features.

    ``six`` has six trials from the start, ``nine`` trains three for nine epochs each.
    """
    with furnished(
        tmp_path_factory.mktemp("house"), small("six"), small("nine", max_epochs=9, **TO_THE_END)
    ) as url:
        yield url


@pytest.fixture
def url(house: str, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a store that does not exist yet, beside the data and features of ``house``."""
    monkeypatch.setenv("FESEARCH_STORAGE", sqlite_url)
    monkeypatch.setattr(heartbeat, "SECONDS_BETWEEN_BEATS", 0.01)
    return sqlite_url


def curve(url: str, name: str, number: int) -> list[tuple[int, float, float | None]]:
    """What a trial reported: resource, raw and best value."""
    with Store.open(url, create=False) as store:
        reports = store.reports(store.study(name), number)
    return [(one.resource, one.raw, one.best) for one in reports]


def test_more_trials_are_those_of_a_study_that_had_them_from_the_start(
    url: str, house: str
) -> None:
    start.start(small(trials=3), url)
    extension = extend("deep", url, trials="+3")
    assert [(one["key"], one["old"], one["new"]) for one in extension.changes] == [("trials", 3, 6)]
    assert (extension.driven, extension.row.state) == (False, StudyState.STOPPED)
    assert start.resume("deep", url).row.state is StudyState.COMPLETE
    assert story(url, "deep") == story(house, "six")
    check_optuna_agrees(url, "deep")


@pytest.mark.parametrize("at", [2, 5])
def test_a_running_study_takes_up_more_trials(at: int, url: str, house: str) -> None:
    def more(core: Core) -> None:
        assert extend("deep", url, trials="6").driven

    watch = Watch(at, more)
    outcome = start.start(small(trials=3), url, watchers=[watch])
    assert (outcome.stopped, outcome.row.state) == ("", StudyState.COMPLETE)
    assert watch.notes == ["trials is 6 now, was 3"]
    assert story(url, "deep") == story(house, "six")


def test_an_extension_at_the_very_end_of_a_run_is_not_lost(
    url: str, house: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "SECONDS_BETWEEN_BEATS", 1000.0)
    complete = Store.complete

    def late(store: Store, *arguments: Any) -> bool:
        if study_row(url, "deep").definition["study"]["trials"] == 3:
            extend("deep", url, trials="6")
        return complete(store, *arguments)

    monkeypatch.setattr(Store, "complete", late)
    assert start.start(small(trials=3), url).row.state is StudyState.COMPLETE
    assert story(url, "deep") == story(house, "six")


def test_an_extension_the_heartbeat_takes_up_once_all_is_done_is_not_lost(
    url: str, house: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "SECONDS_BETWEEN_BEATS", 1000.0)
    more = Budget.more

    def late(budget: Budget) -> bool:
        """As where the heartbeat comes between the last trial and the question."""
        if study_row(url, "deep").definition["study"]["trials"] == 3:
            extend("deep", url, trials="6")
            assert budget.renew()
        return more(budget)

    monkeypatch.setattr(Budget, "more", late)
    assert start.start(small(trials=3), url).row.state is StudyState.COMPLETE
    assert story(url, "deep") == story(house, "six")


@pytest.mark.parametrize("afterwards", [False, True])
def test_more_time_is_given_to_a_study_that_runs(afterwards: bool, url: str) -> None:
    """A share of it is kept back where the test part is to be met within it, too."""
    kept = kept_back(3 * 3600) - kept_back(3600) if afterwards else 0.0
    watch = Watch(3, lambda core: wait_for_more_time(url, core, 7200 - kept))
    outcome = start.start(small(time_limit="1h"), url, afterwards=afterwards, watchers=[watch])
    assert outcome.stopped == ""
    assert watch.notes == ["time_limit is 3h now, was 1h"]


def wait_for_more_time(url: str, core: Core, seconds: float) -> None:
    before = core.settings.deadline
    assert before is not None
    extend("deep", url, time_limit="+2h")
    wait_for(lambda: core.settings.deadline != before)
    assert core.settings.deadline == pytest.approx(before + seconds, abs=60)


@pytest.mark.parametrize("words", [["start", "ridge", "--or-resume"], ["resume", "ridge-alloys"]])
def test_more_time_is_taken_up_by_a_run_that_is_to_meet_the_test_part(
    words: list[str], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[float | None, bool]] = []

    def noted(*given: Any, seconds: float | None = None, afterwards: bool, **keys: Any) -> Any:
        told.append((seconds, afterwards))
        raise InputError("That will do.", "")

    monkeypatch.setattr(start, words[0], noted)
    own = ["--time-limit", "1h", "--set", "runner=inline", "--data", "alloys"]
    rest = own if words[0] == "start" else []
    for options in ([], ["--holdout"]):
        assert run(["study", *words, *rest, *options]) == 2
    assert told == [(None, False), (None, True)]


def test_a_later_end_is_reached_as_if_it_had_been_set_from_the_start(url: str, house: str) -> None:
    four_epochs(url)
    before = results(url, "deep")
    extension = extend("deep", url, max_epochs=9)
    assert extension.continued == (0, 1, 2)
    outcome = start.resume("deep", url)
    assert outcome.row.state is StudyState.COMPLETE
    found = results(url, "deep")
    assert found[:3] == before
    assert [child.parent for child in found[3:]] == [0, 1, 2]
    for child, other in zip(found[3:], results(house, "nine"), strict=True):
        assert curve(url, "deep", child.number) == curve(house, "nine", other.number)[4:]
        assert (child.value, child.best_resource) == (other.value, other.best_resource)
        assert (child.config, child.seed, child.state) == (other.config, other.seed, other.state)
    for child, parent in zip(outcome.results[3:], outcome.results[:3], strict=True):
        assert child.seconds > parent.seconds
    check_optuna_agrees(url, "deep")
    assert parents_in_optuna(url) == [None, None, None, 0, 1, 2]
    assert list(study_folder(outcome.row).rglob(f"*{CHECKPOINT}*")) == []
    with Store.open(url) as store:
        assert store.origin(outcome.row, 4) == "goes on from trial 1"


def parents_in_optuna(url: str) -> list[int | None]:
    storage = in_database(url)
    trials = storage.get_all_trials(storage.get_study_id_from_name("deep"))
    storage.engine.dispose()
    return [trial.user_attrs.get(PARENT) for trial in trials]


def test_a_trial_that_goes_on_is_interrupted_and_goes_on(url: str, house: str) -> None:
    four_epochs(url)
    extend("deep", url, max_epochs=9)
    start.resume("deep", url, watchers=[Watch(3, lambda core: core.stop("for a while"))])
    halted = [one.number for one in results(url, "deep") if not one.state.finished]
    assert halted == [3]
    watch = Watch()
    start.resume("deep", url, watchers=[watch])
    assert watch.begun == [(3, True), (4, False), (5, False)]
    for number in (3, 4, 5):
        assert curve(url, "deep", number) == curve(house, "nine", number - 3)[4:]


def test_a_second_extension_goes_on_from_the_first(url: str, house: str) -> None:
    four_epochs(url)
    extend("deep", url, max_epochs=6)
    start.resume("deep", url)
    assert extend("deep", url, max_epochs=9).continued == (3, 4, 5)
    start.resume("deep", url)
    found = results(url, "deep")
    assert [one.parent for one in found] == [None, None, None, 0, 1, 2, 3, 4, 5]
    for number in (6, 7, 8):
        assert curve(url, "deep", number) == curve(house, "nine", number - 6)[6:]


def test_without_its_parents_end_a_trial_trains_from_the_start(url: str, house: str) -> None:
    four_epochs(url)
    extend("deep", url, max_epochs=9)
    end_file(study_row(url, "deep"), 1).unlink()
    end_file(study_row(url, "deep"), 2).write_bytes(b"not safetensors")
    watch = Watch()
    start.resume("deep", url, watchers=[watch])
    said = "is not kept, so it trains from the start"
    assert watch.notes == [
        f"trial 4: the end of trial 1 {said}",
        f"trial 5: the end of trial 2 {said}",
    ]
    for number, skipped in ((3, 4), (4, 0), (5, 0)):
        assert curve(url, "deep", number) == curve(house, "nine", number - 3)[skipped:]


def test_the_ends_of_the_best_are_kept_and_of_those_that_others_go_on_from(url: str) -> None:
    four_epochs(url, keep=1)
    row = study_row(url, "deep")
    order = sorted((one.value or 0.0, one.number) for one in results(url, "deep"))
    assert ends(url) == {order[0][1]}
    extension = extend("deep", url, max_epochs=9, trials="+1")
    assert extension.continued == (order[0][1],)
    assert extension.ends is not None
    assert set(extension.ends.gone) == {number for _, number in order[1:]}

    def look(core: Core) -> None:
        assert order[0][1] in ends(url)

    start.resume("deep", url, watchers=[Watch(2, look)])
    best = min(results(url, "deep"), key=lambda one: one.value or 0.0)
    assert ends(url) == {best.number}
    log = (trial_folder(row, 3) / LOG).read_text()
    assert " goes on after 4 as trial " in log


def test_rungs_stay_and_higher_ones_are_added(url: str) -> None:
    start.start(small(), url)
    watch = Watch()
    extend("deep", url, max_epochs=30)
    assert study_row(url, "deep").definition["study"]["grace"] == 1
    start.resume("deep", url, watchers=[watch])
    assert list(watch.core.rule.losses) == [1, 3, 9, 27]
    kept = [one for one in results(url, "deep") if one.parent is not None]
    assert kept
    assert all(one.resource in (9, 27, 30) for one in kept)


def test_trials_that_reach_the_old_end_while_it_is_moved_go_on_too(url: str) -> None:
    def later(core: Core) -> None:
        extend("deep", url, max_epochs=6)
        wait_for(lambda: core.settings.maximum == 6)

    watch = Watch(6, later)  # in the middle of the second trial
    start.start(small(max_epochs=4, **TO_THE_END), url, watchers=[watch])
    found = results(url, "deep")
    assert [(one.parent, one.resource) for one in found] == [
        (None, 4), (None, 4), (0, 6), (None, 6), (1, 6)
    ]  # fmt: skip


def test_a_trial_that_ended_for_want_of_progress_does_not_go_on(url: str) -> None:
    four_epochs(url, patience=1)
    found = results(url, "deep")
    tired = {one.number for one in found if one.resource - (one.best_resource or 0) >= 1}
    extension = extend("deep", url, max_epochs=9)
    assert set(extension.continued) == {0, 1, 2} - tired


SCHEDULED = {**SPACE, "schedule": ["cosine", "constant"], "epochs": [4]}


def test_trials_with_a_schedule_stay_as_they_are(url: str) -> None:
    start.start(small(preset="full", space=SCHEDULED, **{**TO_THE_END, "trials": 6}), url)
    scheduled = {r.number for r in results(url, "deep") if r.config["schedule"] == "cosine"}
    assert 0 < len(scheduled) < 6
    extension = extend("deep", url, max_epochs=9)
    assert extension.ends is not None
    assert set(extension.ends.scheduled) == scheduled
    assert not scheduled & set(extension.continued)


def test_a_schedule_is_trained_to_its_end_whatever_the_familys_patience(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = replace(FAMILIES.get("irnet"), resource=Resource("epochs", 1, 500, patience=1))
    monkeypatch.setattr(FAMILIES, "get", lambda name: hasty)
    one_cycle = {**SCHEDULED, "schedule": "one_cycle", "learning_rate": 1e-12}
    start.start(small(preset="full", space=one_cycle, **TO_THE_END), url)
    ends = [(one.resource, one.best_resource) for one in results(url, "deep")]
    assert ends == [(4, 1)] * 3
    with pytest.raises(InputError, match="The learning rates of all trials of 'deep'"):
        extend("deep", url, max_epochs=9)


def test_nothing_is_extended_where_every_trial_has_a_schedule(url: str) -> None:
    start.start(small(preset="full", space={**SCHEDULED, "schedule": "cosine"}, **TO_THE_END), url)
    before = study_row(url, "deep")
    with pytest.raises(InputError) as caught:
        extend("deep", url, max_epochs=9, trials="+5")
    assert caught.value.message == (
        "The learning rates of all trials of 'deep' that reached their ends come to an end with "
        "them (a schedule over a number of epochs), so none can go on."
    )
    assert study_row(url, "deep") == before


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({}, "Nothing is said of what 'deep' is to have more of.", "Give --trials +50"),
    ({"trials": "1"}, "The study 'deep' has begun 2 trials, so its budget cannot be 1.", "2 or"),
    ({"trials": "2"}, "The budget of 'deep' is that already: trials = 2.", "Give more"),
    ({"trials": "-1"}, "--trials got '-1'.", "Give how many in all, as in 150, or more"),
    ({"trials": "+0"}, "The budget of 'deep' is that already: trials = 2.", "Give more"),
    ({"trials": "1" * 30}, "--trials got '1111", "Give how many in all"),
    ({"trials": "9" * 12}, "The study 'deep' has trials = 999999999999.", "2147483647"),
    ({"time_limit": "1s"}, "The study 'deep' has worked for 1h, so its time limit cannot", "Give"),
    ({"time_limit": "+1h"}, "The study 'deep' has no time limit, so there is none to add", "8h"),
    ({"time_limit": "soon"}, "The time limit is 'soon'.", "Write it as 90s"),
    ({"max_epochs": 3}, "Trials of 'deep' end at 4 epochs, and not at 3 again.", "5 or more."),
    ({"max_epochs": 10**9}, "The study 'deep' has max_epochs = 1000000000.", "1000000"),
]


@pytest.fixture(scope="module")
def two_trials(house: str) -> str:
    """The URL of a store with the study ``deep`` of two trials and an hour of work."""
    start.start(small(trials=2), house)
    with Store.open(house) as store, store.write() as connection:
        connection.exec_driver_sql("UPDATE fesearch_studies SET seconds = 3600")
    return house


@pytest.mark.parametrize(("asked", "message", "hint"), REFUSED, ids=lambda part: str(part)[:30])
def test_what_makes_no_sense_is_refused_and_nothing_changes(
    asked: dict[str, Any], message: str, hint: str, two_trials: str
) -> None:
    before = study_row(two_trials, "deep")
    with pytest.raises(InputError) as caught:
        extend("deep", two_trials, **asked)
    assert caught.value.message.startswith(message)
    assert hint in caught.value.hint
    assert study_row(two_trials, "deep") == before


def test_a_study_that_is_not_there(two_trials: str) -> None:
    with pytest.raises(StudyNotFoundError):
        extend("dep", two_trials, trials="+1")
