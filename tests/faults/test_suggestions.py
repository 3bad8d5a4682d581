"""Two workers in parallel, and drivers that are killed: what is suggested follows from the record.

With workers side by side the order of events is luck, and the suggestions hang on it. But the order
is on record: a sampler to which it is told again, in one go, makes the very same configs.
"""

import subprocess
import time
from collections.abc import Callable
from functools import partial

import pytest
import sqlalchemy as sa
from faulty import DRAW, IS_LONG, SMALL, check_whole, finished
from lab import PATIENCE, Lab, kill, sets, wait_for

from fesearch.record import Fault
from fesearch.search.ahead import Ahead
from fesearch.search.prepare import study_of
from fesearch.search.sampler import sampler_named
from fesearch.search.samplers._optuna import STARTUP
from fesearch.store.results import Store
from fesearch.store.schema import TRIALS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

TRIALS_IN_ALL = STARTUP + 6
ENDED = [STARTUP + n for n in ((0, 1, 2, 3, 4) if IS_LONG else (1,))]
"""Trials that have ended before each kill: so many that the sampler has learned from some."""
RATES = "space.learning_rate={low = 1e-5, high = 0.1, log = true}"
WORDS = ["irnet", "--data", "alloys", "--seed", "1", "--cpus", "2", "--sampler", "tpe"]
WORDS += ["--trials", str(TRIALS_IN_ALL), "--max-epochs", "4", *sets(*SMALL, RATES, "runner=ray")]


def test_the_suggestions_follow_from_the_order_of_events(lab: Lab) -> None:
    driver = lab.begin("study", "start", *WORDS, "--name", "deep")
    for ended in ENDED:
        wait_for(partial(have_ended, lab, driver, ended), "so many trials have ended")
        time.sleep(DRAW.uniform(0.0, 0.3))
        assert driver.poll() is None, lab.err
        kill(driver)
        wait_for(lambda: not lab.processes(), "orphans have ended")
        driver = lab.begin("study", "resume", "deep")
    assert driver.wait(PATIENCE) == 0, lab.err
    check_whole(lab.url, "deep", TRIALS_IN_ALL)
    check_suggestions(lab.url, "deep")


def have_ended(lab: Lab, driver: "subprocess.Popen[bytes]", count: int) -> bool:
    """Whether so many trials have ended, or their driver has."""
    return driver.poll() is not None or len(finished(lab.url, "deep")) >= count


def check_suggestions(url: str, name: str) -> None:
    """Each config but the first is what a sampler suggests to which all was told in this order."""
    with Store.open(url, create=False) as store:
        row = store.study(name)
        trials, reports = {one.number: one for one in store.trials(row)}, store.reports(row)
        query = sa.select(TRIALS.c.number, TRIALS.c.began, TRIALS.c.ended)
        with store.read() as connection:
            places = connection.execute(query.where(TRIALS.c.study_id == row.id)).all()
    study = study_of(row)
    sampler = Ahead(sampler_named(study.sampler, study.search_space(), study.seed, row.direction))

    def begin(number: int) -> None:
        trial = trials[number]
        if number:  # the first is the family's best
            assert sampler.suggest(number) == dict(trial.config)
        sampler.begin(number, trial.family, trial.config)

    def report(number: int, resource: int, best: float | None) -> None:
        trial = trials[number]
        diverged = trial.fault is Fault.DIVERGED and resource == trial.resource
        sampler.report(number, resource, None if diverged else best)

    events: list[tuple[int, int, Callable[[], None]]] = []
    for one in reports:
        events.append((one.sequence, 0, partial(report, one.number, one.resource, one.best)))
    for number, began, ended in places:
        events.append((began, 0, partial(begin, number)))
        events.append((ended, 1, partial(sampler.finish, trials[number])))
    for _, _, tell in sorted(events, key=lambda event: event[:2]):
        tell()
