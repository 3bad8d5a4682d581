"""A study that moves, is archived and trained again, by the real command."""

import json

import pytest
from lab import Lab

TRAINED = ("--trials", "3", "--set", "space.n_estimators=20", "--set", 'runner="inline"')


@pytest.mark.slow
def test_a_study_is_the_same_wherever_it_is_taken(lab: Lab) -> None:
    lab.run("study", "start", "random_forest", "--data", "alloys", "--name", "forest", *TRAINED)
    here = lab.run("rank", "--all", "--format", "csv")

    lab.run("store", "backup", "--to", "kept.db")
    assert lab.run("rank", "--all", "--format", "csv", "--storage", "sqlite:///kept.db") == here
    assert lab.json("store", "copy", "--to", "sqlite:///other.db") == {
        "studies": 1,
        "names": ["forest"],
    }
    assert lab.run("rank", "--all", "--format", "csv", "--storage", "sqlite:///other.db") == here
    lab.run("store", "copy", "--to", "sqlite:///other.db", code=2)
    assert "There are studies of these names already: 'forest'." in lab.err
    resumed = ("study", "resume", "forest", "--storage", "sqlite:///other.db")
    assert len(json.loads(lab.run(*resumed, "--format", "json"))) == 3

    lab.run("study", "archive", "forest", "--to", "forest.zip", "--with-data")
    lab.run("study", "delete", "forest", "--yes")
    lab.run("data", "delete", "alloys")
    assert lab.run("rank", "--from", "forest.zip", "--all", "--format", "csv") == here
    [replayed] = lab.json("study", "replay", "forest.zip", "--best", "1")
    assert (replayed["difference"], replayed["tolerance"]) == (0.0, 0.0)
    assert replayed["old"] == replayed["new"]
    assert not list(lab.folder.glob("*.db-*"))
