"""How far a study is, asked from another terminal while it has thousands of trials."""

import json
import time

import pytest
import sqlalchemy as sa

from fesearch.cli.app import run
from fesearch.record import TrialState
from fesearch.store.results import Store
from fesearch.store.schema import TRIALS
from fesearch.store.types import StudyState

ENDED, RUNNING = 5000, 200
SECONDS = 1.0
"""Of a processor, for any of these commands."""


@pytest.fixture
def large(studies: str) -> str:
    """The URL of a store whose study ``nets`` has thousands of trials, 200 of them in training."""
    with Store.open(studies) as store:
        row = store.study("nets")
        store.set_state(store.acquire(row), StudyState.RUNNING)
        with store.write() as connection:
            first = connection.execute(sa.select(TRIALS).where(TRIALS.c.study_id == row.id)).first()
            assert first is not None
            copied = {name: value for name, value in first._mapping.items() if name != "id"}
            going = {"state": TrialState.RUNNING, "finished_at": None, "ended": None}
            rows = [
                {**copied, "number": 10 + n, **(going if n < RUNNING else {})}
                for n in range(RUNNING + ENDED)
            ]
            connection.execute(sa.insert(TRIALS), rows)
    return studies


@pytest.mark.parametrize("words", [["status", "nets"], ["list"]])
def test_a_study_of_thousands_of_trials_and_200_workers_is_a_few_lines_at_once(
    words: list[str], large: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["study", "list"]) == 0  # what is imported for the first one
    capsys.readouterr()
    began = time.process_time()
    assert run(["study", *words, "--format", "json"]) == 0
    assert time.process_time() - began < SECONDS
    found = json.loads(capsys.readouterr().out)
    nets = found if words[0] == "status" else next(one for one in found if one["name"] == "nets")
    assert nets["state"] == "RUNNING"
    assert nets["by_state"]["RUNNING"] == RUNNING
    assert nets["trials"] >= ENDED
    assert run(["study", *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 20
    assert all(len(line) < 200 for line in lines)
