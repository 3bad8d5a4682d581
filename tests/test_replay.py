"""Recorded trials trained again."""

import json
import math
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fesearch import archive, replay
from fesearch.cli.app import run
from fesearch.errors import InputError
from fesearch.search import prepare
from fesearch.store.results import Store


@pytest.fixture(autouse=True)
def _recorded_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The studies were searched with these versions, of which they recorded one."""
    monkeypatch.setattr(replay, "versions", lambda prepared: {"fesearch": "0.1.0"})


def change(url: str, statement: str) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        connection.execute(statement)
        connection.commit()


def test_the_numbers_are_the_same_bit_for_bit(studies: str) -> None:
    before = Path(studies.removeprefix("sqlite:///")).read_bytes()
    found = replay.replay("nets", studies)
    assert [one.trial.number for one in found] == [0, 1]
    assert {(one.difference, one.tolerance, one.same, one.device) for one in found} == {
        (0.0, 0.0, True, "cpu")
    }
    assert [one.new for one in found] == [one.trial.value for one in found]
    assert Path(studies.removeprefix("sqlite:///")).read_bytes() == before


def test_trials_that_a_fault_ended_are_left_out(studies: str) -> None:
    watched: list[replay.Replayed] = []
    found = replay.replay("forests", studies, watch=watched.append)
    with Store.open(studies) as store:
        trials = store.trials(store.study("forests"))
    assert watched == found
    assert len(found) < len(trials)
    [fault] = {trial.number for trial in trials} - {one.trial.number for one in found}
    with pytest.raises(InputError, match=f"Trial {fault} of 'forests' has no end of its own"):
        replay.replay("forests", studies, trials=[fault])
    with pytest.raises(InputError, match="has no trial 99"):
        replay.replay("forests", studies, trials=[99])


def test_the_best_are_chosen(studies: str) -> None:
    [best] = replay.replay("nets", studies, best=1)
    with Store.open(studies) as store:
        row = store.study("nets")
        assert best.trial.value == min(trial.value or 9.0 for trial in store.trials(row))


def test_a_point_of_the_curve_that_differs_is_seen(studies: str) -> None:
    change(studies, "UPDATE fesearch_reports SET raw = raw * 1.001 WHERE resource = 1")
    found = replay.replay("nets", studies, trials=[1])
    assert found[0].new == found[0].trial.value
    assert found[0].difference == pytest.approx(0.001, rel=0.01)
    assert not found[0].same
    assert replay.replay("nets", studies, trials=[1], tolerance=0.002)[0].same


def test_a_trial_that_was_stopped_is_trained_to_there(studies: str) -> None:
    change(studies, "DELETE FROM fesearch_reports WHERE resource > 1")
    change(
        studies,
        "UPDATE fesearch_trials SET state = 'PRUNED', resource = 1, value = "
        "(SELECT best FROM fesearch_reports WHERE trial_id = fesearch_trials.id) "
        "WHERE family = 'irnet'",
    )
    assert [one.difference for one in replay.replay("nets", studies)] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        (1.0, 1.0, 0.0),
        (math.nan, math.nan, 0.0),
        (math.inf, math.inf, 0.0),
        (1.0, 2.0, 0.5),
        (0.0, 1e-9, 1.0),
        (1.0, math.nan, math.inf),
        (math.inf, -math.inf, math.inf),
    ],
)
def test_curves_are_compared_point_by_point(old: float, new: float, difference: float) -> None:
    assert replay._furthest([(1, 1.0), (2, old)], [(1, 1.0), (2, new)]) == difference
    assert replay._furthest([(1, 1.0), (2, old)], [(1, 1.0)]) == math.inf


def test_other_versions_may_round_otherwise(studies: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "versions", lambda prepared: {"fesearch": "0.2.0"})
    assert replay.replay("nets", studies, trials=[0])[0].tolerance == 1e-6


def test_where_a_gpu_is_in_play_sums_have_no_order(studies: str) -> None:
    with Store.open(studies) as store:
        row = store.study("nets")
    prepared = prepare.prepare_again(row)
    assert replay._tolerance(row, prepared, "cuda") == 0.01
    on_gpu = replace(prepared, study=prepared.study.model_copy(update={"gpus": 1}))
    assert replay._tolerance(row, on_gpu, "cpu") == 0.01


def test_an_archive_is_replayed_with_its_own_data(
    studies: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, bare = tmp_path / "whole.zip", tmp_path / "bare.zip"
    archive.write("forests", studies, whole, with_data=True)
    archive.write("forests", studies, bare)
    monkeypatch.setenv("FESEARCH_ARTIFACTS", str(tmp_path / "elsewhere"))
    none = f"sqlite:///{tmp_path}/none.db"
    assert all(one.same for one in replay.replay(str(whole), none, best=1))
    with pytest.raises(InputError, match="no data set 'alloys'"):
        replay.replay(str(bare), none, best=1)
    assert not (tmp_path / "none.db").exists()


def test_no_code_is_run_because_an_archive_names_it(studies: str, tmp_path: Path) -> None:
    evil = tmp_path / "evil.py"
    evil.write_text("raise SystemExit('was run')\n")
    import hashlib

    own = [{"path": str(evil), "sha256": hashlib.sha256(evil.read_bytes()).hexdigest()}]
    with Store.open(studies) as store:
        definition = json.dumps({**store.study("forests").definition, "own": own})
    file = tmp_path / "x.zip"
    archive.write("forests", studies, file)
    forged = tmp_path / "forged.zip"
    _with_definition(file, forged, definition)
    with pytest.raises(InputError) as caught:
        replay.replay(str(forged), studies)
    assert str(caught.value) == (
        f"The study 'forests' needs the file 'evil.py' of sha256 {own[0]['sha256'][:12]}.\n"
        "Look at it, for it is run, and give it: --family-file FILE.py"
    )


def _with_definition(file: Path, to: Path, definition: str) -> None:
    import zipfile

    from fesearch import archivefile

    with zipfile.ZipFile(file) as opened:
        members = {name: opened.read(name).decode() for name in opened.namelist()}
    row: dict[str, Any] = json.loads(members["tables/studies.jsonl"])
    members["tables/studies.jsonl"] = (
        json.dumps({**row, "definition": json.loads(definition)}) + "\n"
    )
    archivefile.write(to, members)


def test_the_command_says_what_differs(studies: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["study", "replay", "nets", "--trials", "0,1", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["trial"], row["within"], row["difference"]) for row in rows] == [
        (0, True, 0.0),
        (1, True, 0.0),
    ]
    change(studies, "UPDATE fesearch_trials SET value = value * 2 WHERE number = 1")
    assert run(["study", "replay", "nets", "--trials", "0,1"]) == 1
    printed = capsys.readouterr()
    assert "Not the same: trial 1." in printed.err
    assert printed.out.splitlines()[0].split() == [
        "trial", "family", "resource", "old", "new", "difference", "tolerance", "within", "device"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--trials", "0", "--best", "1"],
            "--trials and --best are both given.\nGive one of them.",
        ),
        (["--trials", "a"], "--trials is 'a'.\nGive numbers, as in --trials 0,3,7."),
    ],
)
def test_wrong_words_are_refused(
    words: list[str], said: str, studies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["study", "replay", "nets", *words]) == 2
    assert capsys.readouterr().err.strip() == said
