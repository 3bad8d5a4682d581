"""``trials`` and ``best``: what a study found, trial by trial."""

import json
from pathlib import Path

import pytest
import searched

from fesearch.cli.app import run
from fesearch.nets.layers import parse
from fesearch.record import TrialState


def test_trials_lists_every_state(studies: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trials", "forests", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["state"] for row in rows] == ["COMPLETE", "COMPLETE", "FAIL"]
    keys = {"number", "state", "value", "family", "config", "resource", "unit", "seconds", "reason"}
    assert all(keys <= set(row) for row in rows)
    assert rows[0]["config"] == searched.SMALL_FOREST
    assert rows[2]["reason"] == "MemoryError: no message"
    assert run(["trials", "--format", "table", "forests"]) == 0
    out = capsys.readouterr().out
    assert "max_depth=10" in out
    assert "min_samples_split" not in out  # the same in all of them
    assert TrialState.FAIL in out


def test_one_trial_is_shown_with_its_curve_and_files(
    studies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["trials", "show", "nets", "0", "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [point["resource"] for point in shown["curve"]] == [1, 2, 3, 4]
    assert shown["curve"][-1]["best"] == shown["value"]
    assert shown["config"] == searched.SMALL_NET
    assert {layer.shortcut for layer in parse(shown["layers"])} == {"layer"}
    assert Path(shown["log"]).read_text() == "what happened\n"
    assert Path(shown["weights"]).is_dir()
    assert run(["trials", "show", "nets", "0"]) == 0
    assert "best so far (eV/atom)" in capsys.readouterr().out
    assert run(["trials", "show", "nets", "7"]) == 2
    capsys.readouterr()
    assert run(["trials", "show", "nets", "99999999999999999999"]) == 2
    assert capsys.readouterr().err == (
        "The study 'nets' has no trial 99999999999999999999.\nType: fesearch trials nets\n"
    )
    assert run(["trials", "nobody"]) == 4
    assert run(["trials"]) == 2
    assert run(["trials", "--help"]) == 0


def test_best_names_the_next_step(studies: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["best", "nets"]) == 0
    out = capsys.readouterr().out
    assert "fesearch export nets --to nets-model" in out
    assert " eV/atom\n" in out
    assert run(["best", "nets", "--format", "json"]) == 0
    assert {"study", "trial", "val_mae", "config"} <= set(json.loads(capsys.readouterr().out))
