"""Budgets of a search over many families: extended, and what each family is told of them."""

from collections.abc import Iterator
from typing import Any

import pytest
from portfolios import many, spent
from small import furnished

import fesearch
from fesearch.cli.app import run as command
from fesearch.errors import InputError
from fesearch.search import portfolio, standings
from fesearch.search.more import extend_all
from fesearch.store.results import Store


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a store that has no studies yet, beside data and features."""
    with furnished(tmp_path_factory.mktemp("house")) as url:
        yield url


def test_its_time_is_extended_and_goes_on(house: str, capsys: pytest.CaptureFixture[str]) -> None:
    begun = many("longer", trials=1, time_limit="60s")
    portfolio.begin(begun, house)
    assert command(["study", "extend", "longer", "--time-limit", "+1h", "--format", "csv"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == ["key,old,new", "time_limit,60s,1h1m"]
    assert "Go on with:  fesearch study resume longer" in err
    assert standings.recorded("longer", house).seconds == 3660.0
    assert portfolio.begin(begun, house, or_resume=True).portfolio.seconds == 3660.0
    with pytest.raises(InputError, match="was begun with time_limit = 1h1m, not 50s"):
        portfolio.begin(many("longer", trials=1, time_limit="50s"), house, or_resume=True)


def test_its_trials_are_extended_and_spent(house: str) -> None:
    portfolio.begin(many("more", trials=3), house)
    change = fesearch.open("more").extend(trials="+4")
    assert change == {"key": "trials", "old": 3, "new": 7}
    portfolio.go_on("more", house)
    assert sum(spent("more", house).values()) == 7
    portfolio.begin(many("more", trials=3), house, or_resume=True)
    assert sum(spent("more", house).values()) == 7


@pytest.mark.parametrize(
    ("asked", "message", "hint"),
    [
        ({}, "The families of 'fixed' share trials.", "Give --trials +50."),
        ({"time_limit": "+1h"}, "The families of 'fixed' share trials.", "Give --trials +50."),
        (
            {"max_epochs": 9},
            "'fixed' is a search over many families, each with an end of its own trials.",
            "Extend one of them: fesearch study extend fixed-… --max-epochs 9",
        ),
        (
            {"trials": "2"},
            "The study 'fixed' has begun 3 trials, so its budget cannot be 2.",
            "Give --trials 3 or more, or --trials +2.",
        ),
        (
            {"trials": "3"},
            "The budget of 'fixed' is that already: trials = 3.",
            "Give more, as in --trials +50.",
        ),
    ],
)
def test_an_extension_that_makes_no_sense_is_refused(
    asked: dict[str, Any], message: str, hint: str, house: str
) -> None:
    if not standings.members("fixed", house):
        portfolio.begin(many("fixed", trials=3), house)
    with pytest.raises(InputError) as caught:
        extend_all("fixed", house, **asked)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_sampler_and_rungs_suit_the_whole_budget(house: str) -> None:
    made = many("suited", trials=12, sampler="auto", families=["decision_tree", "k_neighbors"])
    assert made.settled_for == 12
    portfolio.begin(made, house)
    with Store.open(house) as store:
        found = {one.study.definition["study"]["sampler"] for one in store.portfolio("suited")}
    assert "qmc" not in found  # that is for ten trials or less
    assert many("timed", trials=None, time_limit="8m").settled_for == 100


def test_a_trial_of_a_timed_search_ends_in_time_to_be_ranked() -> None:
    timed = many("timed", trials=None, time_limit="8m")
    assert {study.trial_time_limit for study in timed.studies.values()} == {"80s"}
    asked = many("timed", trials=None, time_limit="8m", trial_time_limit="5m")
    assert {study.trial_time_limit for study in asked.studies.values()} == {"5m"}
