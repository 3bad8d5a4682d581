"""``fesearch cluster slurm`` as it is typed: what it prints, and what it refuses."""

import shlex
from pathlib import Path

import pytest

from fesearch.cli.app import run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("FESEARCH_STORAGE", "FESEARCH_ARTIFACTS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_the_command_prints_the_script(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--nodes", "2", "--gpus-per-node", "1", "--margin", "10m", "--", "--trials", "9"]
    assert run(["cluster", "slurm", "irnet", *words]) == 0
    out, err = capsys.readouterr()
    assert "--signal=B:USR1@600\n" in out
    assert "\nstart=(fesearch study start irnet --trials 9)\n" in out
    assert f"\nexport FESEARCH_ARTIFACTS={shlex.quote(str(here / 'fesearch-artifacts'))}\n" in out
    assert "\nexport FESEARCH_STORAGE=sqlite:///fesearch.db\n" in out
    assert err == (
        "\nWhere there is a network, first:\n  fesearch study start irnet --trials 9 --prepare\n"
    )


def test_a_server_is_named_by_who_submits(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FESEARCH_STORAGE", "postgresql://me:secret@db/x")
    assert run(["cluster", "slurm", "irnet", "--", "--export", "a model", "--holdout"]) == 0
    out = capsys.readouterr().out
    assert "me:secret" not in out
    assert '\nexport FESEARCH_STORAGE="${FESEARCH_STORAGE:?is not set: ' in out
    assert "\nafterwards=(--holdout --export 'a model')\n" in out


def test_flags_that_are_lists(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--objectives", "parameters,seconds", "--track", "tensorboard"]
    assert run(["cluster", "slurm", "irnet", "--", *words]) == 0
    assert f"\nstart=(fesearch study start irnet {' '.join(words)})\n" in capsys.readouterr().out


def test_a_search_over_many_families(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--nodes", "2", "--gpus-per-node", "2", "--", "--families", "irnet,ridge"]
    assert run(["cluster", "slurm", "all_families", *words]) == 0
    out, err = capsys.readouterr()
    assert "\nname=all_families\n" in out
    assert "\nstart=(fesearch study start all_families --families irnet,ridge)\n" in out
    assert "  fesearch study start all_families --families irnet,ridge --prepare\n" in err


def test_a_study_that_trains_in_one_process_is_none_for_many_nodes(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("alone.toml").write_text('family = "ridge"\nrunner = "inline"\n')
    assert run(["cluster", "slurm", "alone.toml"]) == 2
    assert capsys.readouterr().err == (
        "The study has runner = inline, which trains on one core of one node.\n"
        "Take it out of the study file: jobs train on Ray.\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["irnet", "--", "--gpus", "4"], "The flag --gpus is the script's own to give."),
        (["irnet", "--", "--or-resume"], "The flag --or-resume is the script's own to give."),
        (["irnet", "--", "--set", "gpus=3"], "--set gpus=3 is the script's own to give."),
        (["irnet", "--", "--set", "address=h:1"], "--set address=h:1 is the script's own to give."),
        (["irnet", "--", "--set", "cpus = 2"], "--set cpus = 2 is the script's own to give."),
        (
            ["all_families", "--", "--set", "each.irnet.cpus=2"],
            "--set each.irnet.cpus=2 is the script's own to give.",
        ),
        (
            ["irnet", "--", "--set", "runner=inline"],
            "--set runner=inline is the script's own to give.",
        ),
        (
            ["irnet", "--margin", "19h", "--time", "2-00:00:00"],
            "The margin is 68400 s, and sbatch takes 65535 s at most.",
        ),
        (
            ["all_families", "--nodes", "2", "--gpus-per-node", "1", "--", "--gpus-per-trial", "2"],
            "2 GPUs per trial are asked for, but a node has 1.",
        ),
        (
            ["ridge", "--cpus-per-node", "4", "--", "--cpus-per-trial", "8"],
            "8 cores per trial are asked for, but a node has 4.",
        ),
        (["irnt"], "There is no study file or model family 'irnt'."),
        (["irnet", "--margin", "5"], "The margin is '5'."),
        (["irnet", "--", "--trails", "4"], "No such option: --trails"),
        (
            ["ridge", "--gpus-per-node", "1"],
            "1 GPUs are asked for, but ridge does not use them.",
        ),
        (
            ["irnet", "--", "--storage", "postgresql://me:secret@db/x"],
            "--storage of a server would stand in the script, with its password.",
        ),
        (
            ["irnet", "--preamble", "none.sh"],
            "The preamble 'none.sh' cannot be read: No such file or directory.",
        ),
    ],
)
def test_what_the_command_refuses(
    words: list[str], message: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["cluster", "slurm", "--to", "job.sh", *words]) == 2
    assert message in capsys.readouterr().err
    assert not (here / "job.sh").exists()
