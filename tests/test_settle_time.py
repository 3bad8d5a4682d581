"""What the time of a study settles when it starts, from what an epoch takes to what is stored."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import searched
from own_files import forget
from portfolios import many
from small import SPACE, Watch, furnished, small

from fesearch.archive import write
from fesearch.cli.app import run as command
from fesearch.errors import InputError
from fesearch.families import irnet
from fesearch.record import TrialResult, TrialState
from fesearch.search import dry, pace, portfolio, settle, start, wider
from fesearch.search.extend import extend
from fesearch.search.pace import UnmeasuredError
from fesearch.search.prepare import prepare_again, study_of
from fesearch.search.settle import OWN, Prospects, ready
from fesearch.search.shares import Turn
from fesearch.search.wider import LastTurn
from fesearch.space import Config, number
from fesearch.store.results import Store

LAST = LastTurn(3600.0, limited=False)
OPEN = {name: value for name, value in SPACE.items() if name != "width"}


def wide(name: str = "wide", **keys: Any) -> Any:
    """A study that leaves width and end open, with half an hour."""
    given = {"preset": "full", "max_epochs": None, "space": OPEN, "time_limit": "30m"}
    return small(name, **{**given, **keys})


class Clock:
    """A stopwatch that says without looking: 90 seconds for networks of full width."""

    asked: ClassVar[list[Config]] = []  # of all of them

    def __init__(self, *_: object) -> None:
        """It needs nothing."""

    def __enter__(self) -> "Clock":
        return self

    def __exit__(self, *_: object) -> None:
        """It holds nothing."""

    def seconds(self, config: Config) -> float:
        self.asked.append(config)
        return 2.0 + 88.0 * number(config, "width") ** 2


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """The configs that are measured."""
    monkeypatch.setattr(settle, "Stopwatch", Clock)
    monkeypatch.setattr(Clock, "asked", [])
    return Clock.asked


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with furnished(tmp_path_factory.mktemp("house")) as url:
        yield url


def test_what_time_has_settled_is_stored_and_the_same_words_go_on_with_it(
    url: str, asked: list[Config]
) -> None:
    study = wide(trials=3)
    stops = Watch(2, lambda core: core.stop("later"))
    outcome = start.start(study, url, watchers=[stops])
    assert len(asked) == 3  # as it is, at its narrowest, and between
    stored = study_of(outcome.row)
    width = stored.space["width"]
    assert width["low"] == 0.125
    assert 0.4 < width["high"] < 0.5
    assert stored.end() == stored.max_epochs == pytest.approx(30, abs=2)
    assert stored.grace == stored.max_epochs // 3  # of its own end: three trials, reduced once
    assert stored.space["epochs"]["high"] == stored.max_epochs
    assert outcome.results[0].config["width"] == width["high"]
    assert [line.split()[0] for line in stops.notes[:2]] == ["width", "max_epochs"]
    recorded = outcome.row.definition
    assert recorded["asked"]["max_epochs"] is recorded["asked"]["grace"] is None
    assert "width" not in recorded["asked"]["space"]
    asked.clear()
    stops = Watch(2, lambda core: core.stop("later"))
    again = start.start(study, url, or_resume=True, watchers=[stops])
    assert study_of(again.row) == stored
    start.resume("wide", url, watchers=[Watch(2, lambda core: core.stop("later"))])
    said = study.model_copy(update={"max_epochs": stored.max_epochs, "space": stored.space})
    start.start(said, url, or_resume=True, watchers=[Watch(1, lambda core: core.stop("later"))])
    assert asked == []
    assert stored.max_epochs is not None
    extend("wide", url, max_epochs=2 * stored.max_epochs)
    later = start.start(study, url, or_resume=True, watchers=[Watch(1, lambda c: c.stop("later"))])
    assert study_of(later.row).max_epochs == 2 * stored.max_epochs
    with pytest.raises(InputError, match=r"was started with space = .*, not .*'high': 31"):
        start.start(study.model_copy(update={"max_epochs": 31}), url, or_resume=True)
    other = study.model_copy(update={"space": {**OPEN, "width": 0.25}})
    with pytest.raises(InputError, match="was started with space = "):
        start.start(other, url, or_resume=True)


def test_an_archive_has_the_space_that_was_searched(
    url: str, asked: list[Config], tmp_path: Path
) -> None:
    stops = Watch(2, lambda core: core.stop("later"))
    outcome = start.start(wide("kept"), url, watchers=[stops])
    write("kept", url, tmp_path / "kept.zip")
    assert outcome.row.definition["study"]["space"]["width"]["high"] < 0.5
    assert (tmp_path / "kept.zip").stat().st_size > 0


class ToldError(Exception):
    """What is to be measured for an outlook."""


def tell(prepared: Any, *_: object) -> None:
    raise ToldError(getattr(prepared, "study", prepared))


def test_a_dry_run_says_what_the_start_settles(
    url: str, asked: list[Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dry.burst, "measure", tell)
    with pytest.raises(ToldError) as caught:
        dry.run(wide())
    [study] = caught.value.args
    assert study == ready(wide()).prepared.study
    assert study.max_epochs < 40


@pytest.mark.parametrize(
    "keys",
    [
        {"time_limit": None},
        {"time_limit": "59s"},
        {"time_limit": "0.001s"},
        {"address": "head:6379"},
        {"gpus": 1},
        {"space": SPACE, "max_epochs": 4},
        {"family": "random_forest", "preset": "published", "space": {}},
    ],
    ids=str,
)
def test_it_is_not_measured_where_that_is_of_no_use(
    url: str, asked: list[Config], keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settle, "gpu_count", lambda: 0)
    study = wide(**{"runner": "ray", "cpus": 1, **keys})
    found = ready(study)
    assert asked == []
    assert found.prepared.study.max_epochs == study.max_epochs
    assert set(found.asked) <= {"grace", "reduction_factor"}


@pytest.mark.parametrize("error", [UnmeasuredError("it died"), OSError(28, "No space left")])
def test_a_config_that_cannot_be_measured_leaves_all_as_it_is(
    url: str, asked: list[Config], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(self: Clock, config: Config) -> float:
        raise error

    monkeypatch.setattr(Clock, "seconds", fails)
    found = ready(wide())
    assert found.prepared.study.max_epochs is None
    assert found.why == ()


def test_nothing_is_measured_of_what_has_no_room(
    url: str, asked: list[Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start.room, "check", tell)
    with pytest.raises(ToldError):
        start.start(wide("large"), url)
    assert asked == []


def test_trials_side_by_side_take_longer(url: str, asked: list[Config]) -> None:
    alone, beside = (ready(wide(runner="ray", cpus=n, space=SPACE)) for n in (1, 2))
    one, two = alone.prepared.study.max_epochs, beside.prepared.study.max_epochs
    assert one is not None
    assert two is not None
    assert two == pytest.approx(one / 1.5, abs=1)


def test_a_family_that_shares_time_has_what_it_likely_gets(
    url: str, asked: list[Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    keys: dict[str, Any] = {"families": "irnet, ridge", "time_limit": "30m", "trials": None}
    made = many("shared", **keys, each={"irnet": {"space": OPEN}})
    likely = portfolio.prospects(made)
    # An eighth in a round of two, the rest alone; the first configs end before the last round.
    assert likely == (100, pytest.approx(1575.0), pytest.approx(0.8 * 225.0))
    assert portfolio.prospects(many("trials")) == (12, None, None)
    short = many("short", **{**keys, "time_limit": "80s"})
    assert portfolio.prospects(short) == (100, None, None)
    given: list[Any] = []

    def begun(study: Any, url: str, *, prospects: Prospects = OWN, **how: Any) -> Any:
        found = ready(study, prospects).prepared.study
        given.append((found.family, prospects, found.max_epochs))
        raise KeyboardInterrupt

    monkeypatch.setattr(portfolio, "start", begun)
    with pytest.raises(KeyboardInterrupt):
        portfolio.begin(made, url)
    family, passed, end = given[0]
    assert (family, passed) == ("irnet", likely)
    assert end == pytest.approx(30, abs=2)  # before the last round
    monkeypatch.setattr(dry.burst, "measure", tell)
    with pytest.raises(ToldError) as caught:
        dry.run_all(made, lambda outlook: None, lambda family, why: None)
    assert caught.value.args[0].max_epochs == end


def test_the_last_round_trains_the_best_again_as_wide_as_its_time_allows(
    url: str, asked: list[Config]
) -> None:
    study = wide("last", trials=2, trial_time_limit="20m")
    begun = start.start(study, url, watchers=[Watch(2, lambda core: core.stop("later"))])
    narrow = study_of(begun.row)
    assert narrow.space["width"]["high"] < 0.6
    ended = start.resume("last", url, seconds=3600.0, widen=LAST)
    now = study_of(ended.row)
    first, again = ended.results
    assert first.config["width"] < 0.6
    assert again.config == {**first.config, "width": now.space["width"]["high"]}
    assert again.config["width"] == pytest.approx(1.0, abs=0.05)  # 30 epochs in 48 minutes
    assert (now.max_epochs, now.trial_time_limit) == (narrow.max_epochs, "1h")
    extend("last", url, trials="+1")
    third = start.resume("last", url, seconds=3600.0, widen=LastTurn(36000.0, False))
    assert study_of(third.row).space == now.space  # once is enough
    assert third.results[2].config["width"] <= now.space["width"]["high"]
    assert start.start(wide("last", trials=3, trial_time_limit="20m"), url, or_resume=True)


def test_a_start_that_was_not_come_to_is_trained_in_the_last_round(
    url: str, asked: list[Config]
) -> None:
    space = {key: value for key, value in OPEN.items() if key not in ("norm", "optimizer")}
    space |= {"learning_rate": {"low": 1e-5, "high": 1e-2, "log": True}, "batch_size": 24}
    study = wide("start", trials=2, space={**space, "depth": 3})
    begun = start.start(study, url, watchers=[Watch(2, lambda core: core.stop("later"))])
    [published, today] = study_of(begun.row).first_configs()
    ended = start.resume("start", url, seconds=3600.0, widen=LAST)
    first, second = ended.results
    assert first.config == published
    assert second.config == {**today, "width": pytest.approx(1.0, abs=0.1)}
    assert today["width"] < 0.6
    assert (first.config["schedule"], second.config["schedule"]) == ("constant", "cosine")


def test_few_epochs_of_a_constant_rate_are_more_in_the_last_round(
    url: str, asked: list[Config]
) -> None:
    study = wide("fewest", trials=2, time_limit="1m", trial_time_limit="20m")
    begun = start.start(study, url, watchers=[Watch(2, lambda core: core.stop("later"))])
    few = study_of(begun.row)
    assert few.max_epochs == pace.FEWEST
    assert few.space["epochs"] == few.max_epochs, "of a schedule there is one end"
    ended = start.resume("fewest", url, seconds=3600.0, widen=LAST)
    now = study_of(ended.row)
    assert (now.max_epochs, now.space["epochs"]) == (pace.USEFUL, few.max_epochs)
    assert ended.results[-1].resource == pace.USEFUL


def test_an_end_that_was_set_later_stays(url: str, asked: list[Config]) -> None:
    study = wide("later", trials=2, time_limit="160s", trial_time_limit="20m")
    start.start(study, url, watchers=[Watch(2, lambda core: core.stop("later"))])
    extend("later", url, max_epochs=28)
    ended = start.resume("later", url, seconds=3600.0, widen=LAST)
    now = study_of(ended.row)
    assert now.max_epochs == 28
    assert ended.results[-1].config["width"] == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_the_last_round_has_the_epochs_that_first_ones_had_no_time_for(
    schedule: str, url: str, asked: list[Config]
) -> None:
    space = {key: value for key, value in OPEN.items() if key not in ("norm", "optimizer")}
    space |= {"depth": 3, "schedule": schedule}
    name = f"few-{schedule}"
    study = wide(name, trials=2, space=space, time_limit="160s", trial_time_limit="20m")
    begun = start.start(study, url, watchers=[Watch(2, lambda core: core.stop("later"))])
    few = study_of(begun.row)
    assert few.max_epochs is not None
    assert 20 < few.max_epochs < pace.USEFUL
    ended = start.resume(name, url, seconds=3600.0, widen=LAST)
    now = study_of(ended.row)
    assert now.max_epochs == pace.USEFUL
    last = ended.results[-1].config
    assert last["width"] == pytest.approx(1.0, abs=0.1)
    if schedule == "cosine":
        assert few.space["epochs"]["high"] == few.max_epochs
        assert now.space["epochs"] == {**few.space["epochs"], "high": pace.USEFUL}
        assert last["epochs"] == pace.USEFUL
    assert start.start(study, url, or_resume=True), "the same words go on with it"


def test_an_end_that_was_given_is_that_of_the_last_training_too(
    url: str, asked: list[Config]
) -> None:
    study = wide("given", trials=2, max_epochs=4, trial_time_limit="20m")
    start.start(study, url, watchers=[Watch(2, lambda core: core.stop("later"))])
    ended = start.resume("given", url, seconds=3600.0, widen=LAST)
    assert study_of(ended.row).max_epochs == 4


def test_the_starts_of_a_family_are_stored_so_that_no_later_ones_change_the_study(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = {"depth": 3, "width": 0.03125, "batch_size": 24}
    study = small("starts", preset="full", max_epochs=3, trials=2, space=space)
    begun = start.start(study, url, watchers=[Watch(1, lambda core: core.stop("later"))])
    firsts = study_of(begun.row).first_configs()
    assert [one["schedule"] for one in firsts] == ["constant", "cosine"]
    family = study.declared_family()
    other = replace(family, starts=({**family.starts[0], "activation": "tanh"},))
    monkeypatch.setattr(irnet, "FAMILY", other)
    assert study.first_configs()[1]["activation"] == "tanh"
    ended = start.start(study, url, or_resume=True)
    assert [one.config for one in ended.results] == firsts
    old = replace(begun.row, definition=without_first(begun.row.definition))
    assert study_of(old).first_configs() == firsts[:1]


def without_first(definition: Any) -> Any:
    """As it was stored before there was such a key."""
    study = {key: value for key, value in definition["study"].items() if key != "first"}
    return {**definition, "study": study}


def test_what_is_trained_at_last_takes_nothing_from_the_space(
    url: str, asked: list[Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best config is the costlier one: in the last turn it is no wider than others were."""
    space = {key: value for key, value in OPEN.items() if key not in ("norm", "optimizer")}
    study = wide("costly", trials=3, space={**space, "depth": 3, "batch_size": 24})
    cost = Clock.seconds
    by_schedule = {"constant": 4.0, "cosine": 1.0}

    def seconds(self: Clock, config: Config) -> float:
        return by_schedule[str(config["schedule"])] * cost(self, config)

    monkeypatch.setattr(Clock, "seconds", seconds)
    begun = start.start(study, url, watchers=[Watch(1, lambda core: core.stop("later"))])
    narrow = study_of(begun.row)
    today, published = narrow.first_configs()
    assert published["width"] < today["width"] == narrow.space["width"]["high"]
    best = TrialResult(0, "irnet", published, 1, TrialState.COMPLETE, 0.1)
    diverged = replace(best, number=2, config=today, value=0.01, state=TrialState.FAIL)
    results = [best, replace(best, number=1, config=today, value=0.2), diverged]
    monkeypatch.setattr(Store, "trials", lambda self, row: results)
    with Store.open(url, create=False) as store:
        turn = LastTurn(2400.0, limited=False)
        row, prepared = wider.widened(store, begun.row, prepare_again(begun.row), turn, {})
        again = wider.widened(store, row, prepared, turn, {})
    assert again == (row, prepared)
    assert prepared.study.space["width"]["high"] == today["width"]
    first = prepared.study.first_configs()[0]
    assert {**first, "width": 0} == {**published, "width": 0}
    assert published["width"] < number(first, "width") < number(today, "width")
    assert row.definition["spared"] == [first]


def test_a_limit_that_was_given_is_that_of_the_last_training_too(
    url: str, asked: list[Config]
) -> None:
    study = wide("limited", trials=2, trial_time_limit="20m")
    start.start(study, url, watchers=[Watch(2, lambda core: core.stop("later"))])
    ended = start.resume("limited", url, seconds=3600.0, widen=LastTurn(3600.0, limited=True))
    now = study_of(ended.row)
    assert now.trial_time_limit == "20m"
    assert now.space["width"]["high"] < 0.7  # 30 epochs in 20 minutes


def test_the_last_turn_is_one_that_others_were_left_behind_for() -> None:
    keys: dict[str, Any] = {"families": "irnet, ridge", "time_limit": "30m", "trials": None}
    made = many("turns", **keys)
    assert portfolio._last_turn(made, Turn("irnet", 1, 300.0)) is None
    assert portfolio._last_turn(made, Turn("irnet", 2, 300.0)) == (300.0, False)
    alone = many("alone", **{**keys, "families": "irnet"})
    assert portfolio._last_turn(alone, Turn("irnet", 1, 300.0)) is None
    assert portfolio._last_turn(many("trials"), Turn("ridge", 2, 3.0)) is None
    for given in ({"trial_time_limit": "5m"}, {"each": {"irnet": {"trial_time_limit": "5m"}}}):
        limited = many("limits", **keys, **given)
        assert portfolio._last_turn(limited, Turn("irnet", 2, 300.0)) == (300.0, True)


@pytest.mark.parametrize(
    "keys", [{"time_limit": None, "max_epochs": 3}, {"space": {**OPEN, "width": 0.25}}]
)
def test_networks_that_were_not_narrowed_stay_as_they_are(
    url: str, asked: list[Config], keys: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    name = f"stays-{len(keys)}"
    begun = start.start(wide(name, trials=1, **keys), url)
    before = len(asked)
    extend(name, url, trials="2")
    ended = start.resume(name, url, seconds=3600.0, widen=LAST)
    assert study_of(ended.row) == study_of(begun.row).model_copy(update={"trials": 2})
    assert len(asked) == before  # nothing was measured


@pytest.mark.slow
def test_really_measured_a_slow_network_is_made_narrower(url: str) -> None:
    """An epoch of 24 steps through 48 layers takes a second or two at full width."""
    space = {**OPEN, "depth": 48, "batch_size": 2, "optimizer": "adam"}
    stops = Watch(1, lambda core: core.stop("later"))
    study = wide("real", space=space, time_limit="1m", trials=100)
    outcome = start.start(study, url, watchers=[stops])
    stored = study_of(outcome.row)
    assert stored.space["width"]["high"] < 1.0
    assert stored.max_epochs is not None
    assert 10 <= stored.max_epochs < 500
    assert outcome.results[0].config["width"] == stored.space["width"]["high"]
    stops = Watch(1, lambda core: core.stop("later"))
    again = start.start(study, url, or_resume=True, watchers=[stops])
    assert study_of(again.row) == stored


def test_the_command_says_what_it_has_settled(
    url: str, asked: list[Config], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    forget(monkeypatch)
    words = ["study", "start", "irnet", "--data", searched.DATA, "--set", "runner=inline"]
    words += ["--time-limit", "30m", "--trials", "1", "--max-epochs", "1", "--set", "space.depth=3"]
    assert command([*words, "--name", "said", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)[0]["config"]["width"] == 1.0  # as it is published
    assert "an epoch of the first config takes about" not in err  # one fits well
    words[words.index("--max-epochs") + 1] = "30"
    monkeypatch.setattr(Clock, "seconds", lambda self, config: 300.0 * number(config, "width"))
    assert command([*words, "--name", "told", "--set", "patience=1"]) == 0
    warning = " with width 1, so 6 are done in 30m of 30m; for smaller networks add --preset full, "
    assert warning in capsys.readouterr().err
