"""Drivers killed at random moments: nothing is lost, and the same decisions are made.

The short form runs with all tests; ``make faults`` runs the long one:
``FESEARCH_FAULTS=long pytest tests/faults``. After each kill no finished trial is lost or changed,
none is there twice, none is left RUNNING by a resume, and every decision is the one that the same
reports give to a search that nothing disturbed.
"""

import time
from collections.abc import Callable
from typing import Any

import pytest
from driven import now, results, story
from faulty import (
    DRAW,
    IN_A_STUDY,
    INLINE,
    KILLS,
    NETS,
    RANDOM,
    WITH_RAY,
    at_work,
    check_whole,
    finished,
    training,
)
from lab import PATIENCE, Lab, kill, wait_for

from fesearch.family import Resource
from fesearch.record import Decision, TrialResult, TrialState
from fesearch.search.halving import Halving, first_rung, rungs
from fesearch.store.results import Store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]


def drive_until_whole(
    lab: Lab, name: str, words: list[str], kills: int, *, ray: bool = False
) -> int:
    """Drive a study, killing its driver at random moments; the number of kills that hit it.

    After each, what had finished is as it was. It is resumed until nothing is left to do.

    Args:
        ray: Ray takes most of a short search to start; three in four kills come once a trial is
            in training.
    """
    hits, before = 0, list[TrialResult]()
    while True:
        known = bool(now(lab.url, name))
        command = ["resume", name] if known else ["start", *NETS, *words, "--name", name]
        driver = lab.begin("study", *command, *([] if known else ["--or-resume"]))
        if hits < kills:
            at_work(lab, driver, name)
            if ray and DRAW.random() < 0.75:
                training(lab, driver, name)
            time.sleep(DRAW.uniform(0.0, 2.0))
        if hits >= kills or driver.poll() is not None:
            assert driver.wait(PATIENCE) == 0, lab.err
            return hits
        kill(driver)
        hits += 1
        after = {one.number: one for one in finished(lab.url, name)}
        assert [after[one.number] for one in before] == before
        before = list(after.values())
        wait_for(lambda: not lab.processes(), "orphans have ended")


def check_decisions(url: str, name: str) -> None:
    """Every recorded decision is the one that the rule makes of the reports before it."""
    rule = Halving(rungs(first_rung(Resource("epochs", 1, 40), 2, 40), 2, 40), 2)
    ends = {one.number: one for one in results(url, name)}
    with Store.open(url, create=False) as store:
        reports = store.reports(store.study(name))
    for report in reports:
        assert report.best is not None
        stops = rule.decide(report.number, report.resource, report.best) is Decision.STOP
        end = ends[report.number]
        last = end.resource == report.resource
        if stops:
            assert (report.decision, end.state) == (Decision.STOP, TrialState.PRUNED)
        else:
            assert (report.decision is Decision.STOP) == last
            assert not last or end.state is TrialState.COMPLETE


def test_a_driver_without_ray_killed_at_random_moments(
    lab: Lab, undisturbed: dict[str, Any], said: Callable[[str], None]
) -> None:
    hits = studies = 0
    while hits < KILLS:
        name = f"killed-{studies}"
        hits += drive_until_whole(lab, name, INLINE, min(IN_A_STUDY, KILLS - hits))
        check_whole(lab.url, name)
        check_decisions(lab.url, name)
        assert story(lab.url, name) == undisturbed["tpe"]
        studies += 1
    said(f"{hits} kills of drivers without Ray in {studies} studies")


def test_a_driver_with_ray_killed_at_random_moments(
    lab: Lab, undisturbed: dict[str, Any], said: Callable[[str], None]
) -> None:
    hits = studies = 0
    while hits < WITH_RAY:
        name = f"killed-{studies}"
        words = RANDOM if studies % 2 == 0 else []
        kills = min(IN_A_STUDY, WITH_RAY - hits)
        hits += drive_until_whole(lab, name, [*words, "--cpus", "2"], kills, ray=True)
        check_whole(lab.url, name)
        if words:
            assert results(lab.url, name) == undisturbed["random"][0]
        else:
            check_decisions(lab.url, name)
        studies += 1
    said(f"{hits} kills of drivers with Ray in {studies} studies")


def test_without_a_write_ahead_log(lab: Lab, undisturbed: dict[str, Any]) -> None:
    """As on a network file system, where SQLite keeps a rollback journal."""
    mounts = lab.folder / "mounts"
    mounts.write_text(f"server:/home {lab.folder} nfs4 rw 0 0\n")
    site = lab.folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "from pathlib import Path\n"
        "from fesearch.store import filesystem\n"
        f"filesystem.MOUNTS = Path({str(mounts)!r})\n"
    )
    lab.environment["PYTHONPATH"] = str(site)
    drive_until_whole(lab, "killed", INLINE, min(KILLS, 5))
    assert not list(lab.folder.glob("fesearch.db-wal"))
    assert story(lab.url, "killed") == undisturbed["tpe"]
