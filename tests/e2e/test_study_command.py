"""Studies as users run them: the real command, real Ray, real signals, real kills."""

import json
import os
import pty
import re
import select
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from driven import check_optuna_agrees, check_whole, results, story, study_row
from lab import FESEARCH, PATIENCE, RAY, Lab, kill, sets, wait_for

from fesearch.features import build
from fesearch.featureset import Inputs
from fesearch.model import FittedModel
from fesearch.record import TrialState
from fesearch.search.folder import trial_folder
from fesearch.search.worker import MODEL

pytestmark = pytest.mark.slow


SMALL = ["space.depth=3", "space.width=0.125", "space.batch_size=32"]
NETS = ["irnet", "--data", "alloys", "--seed", "1", *sets(*SMALL, "runner=ray")]
RATES = sets("space.learning_rate=[1e-2, 1e-3, 1e-4]")
SHORT = [*NETS, *RATES, "--trials", "12", "--max-epochs", "9"]
LONG = [*NETS, *RATES, "--trials", "6", "--max-epochs", "60", "--sampler", "random"]
LONG += ["--pruner", "none"]
INLINE = sets("runner=inline")


def test_from_start_to_prediction(lab: Lab) -> None:
    ranking = lab.json("study", "start", *SHORT, "--name", "deep", "--cpus", "2", "--set", "keep=2")
    assert wait_for(lambda: not lab.processes(), "Ray's processes have ended")
    left = [path.name for path in Path(lab.environment["RAY_TMPDIR"]).rglob("*.log")]
    assert left == []
    values = [row["value"] for row in ranking]
    assert values == sorted(values)
    assert len(values) == 10
    assert np.isfinite(values).all()

    trials = lab.json("trials", "deep")
    states = [row["state"] for row in trials]
    assert len(states) == 12
    assert states.count("PRUNED") >= 2
    assert states.count("COMPLETE") >= 1
    check_whole(lab, "deep", 12)
    order = sorted(trials, key=lambda row: row["value"])
    assert [row["trial"] for row in ranking] == [row["number"] for row in order][:10]
    weights = {path.split("/")[2] for path in lab.files() if f"/{MODEL}/" in path}
    assert weights == {f"{row['number']:06d}" for row in order[:2]}

    (first, *_) = lab.json("rank")
    best = lab.json("best", "deep")
    assert first["trial"] == best["trial"] == order[0]["number"]
    assert first["val_mae"] == best["val_mae"] == values[0]

    lab.run("export", "deep", "--to", "model")
    predicted = lab.json("predict", "model", "AlTi", "Fe2Mo3")
    model = FittedModel.load(trial_folder(study_row(lab.url, "deep"), best["trial"]) / MODEL)
    expected = model.predict(build("magpie", Inputs.of_formulas(["TiAl", "Mo3Fe2"])).matrix)
    assert [row["prediction"] for row in predicted] == pytest.approx(expected.tolist(), rel=1e-6)
    assert {row["unit"] for row in predicted} == {"eV/atom"}


def test_ray_with_one_worker_and_inline_give_the_same_trials_bit_for_bit(lab: Lab) -> None:
    lab.run("study", "start", *SHORT, "--name", "ray", "--cpus", "1")
    lab.run("study", "start", *SHORT, "--name", "inline", *INLINE)
    assert story(lab.url, "ray") == story(lab.url, "inline")
    states = {result.state for result in results(lab.url, "ray")}
    assert states >= {TrialState.COMPLETE, TrialState.PRUNED}


def test_a_cluster_that_runs_already(lab: Lab) -> None:
    lab.environment["RAY_AUTH_MODE"] = "token"  # Ray's own default, but for those who join
    lab.environment["RAY_ADDRESS"] = ""
    words = ["start", "--head", "--block", "--port", "0", "--num-cpus", "2"]
    words += ["--include-dashboard", "false", "--disable-usage-stats"]
    cluster = lab.begin(*words, program=RAY, to="cluster-")
    named = Path(lab.environment["RAY_TMPDIR"]) / "ray" / "ray_current_cluster"
    address = wait_for(lambda: named.is_file() and named.read_text(), "the cluster has started")
    lab.run("study", "start", *SHORT, "--name", "wide", "--address", address, "--cpus", "3", code=2)
    assert lab.err == (
        f"3 CPU cores are asked for, but the cluster at {address} has 2.\nGive --cpus 2 or less.\n"
    )
    lab.run("study", "start", *SHORT, "--name", "deep", "--address", address)
    check_whole(lab, "deep", 12)
    assert cluster.poll() is None


def test_every_config_diverges(lab: Lab) -> None:
    wild = ["space.optimizer=sgd", "space.loss=mse", "space.norm=none", "space.activation=relu"]
    wild += ["space.output_activation=none", "space.learning_rate=[1000.0, 100.0, 500.0]"]
    words = [*NETS, *sets(*wild), "--trials", "3", "--max-epochs", "3", *INLINE]
    lab.run("study", "start", *words, "--name", "wild", code=3)
    assert lab.err.endswith(
        "The study 'wild' has no usable trial: 3 of 3 failed.\nSee why: fesearch trials wild\n"
    )
    for row in lab.json("trials", "wild"):
        assert row["state"] == "FAIL"
        assert row["reason"].startswith("diverged: validation MAE is ")
    check_whole(lab, "wild", 3)


def test_forests_in_postgresql_within_a_time_limit(lab: Lab, postgresql_url: str) -> None:
    words = ["random_forest", "--data", "alloys", "--set", "space.n_estimators=20", "--trials", "4"]
    stored = ["--storage", postgresql_url]
    lab.run("study", "start", *words, *INLINE, *stored, "--time-limit", "0.001s", code=3)
    assert "Stopped: the time limit is reached; no trial is usable yet." in lab.err
    assert "resume random_forest --time-limit 0.001s" in lab.err
    lab.run("study", "resume", "random_forest", *stored, "--time-limit", "1h")
    (first,) = json.loads(lab.run("rank", *stored, "--format", "json"))
    assert (first["family"], first["trials"]) == ("random_forest", 4)
    check_optuna_agrees(postgresql_url, "random_forest")
    assert not (lab.folder / "fesearch.db").exists()


def test_or_resume_in_a_job_script(lab: Lab) -> None:
    words = ["study", "start", *NETS, "--trials", "2", "--max-epochs", "3", *INLINE]
    first = lab.json(*words, "--name", "deep", "--or-resume")
    files = lab.files()
    assert lab.json(*words, "--name", "deep", "--or-resume") == first
    assert lab.files() == files
    lab.run(*words, "--name", "deep", code=2)
    assert lab.err == (
        "There is a study 'deep' already.\n"
        "Type: fesearch study resume deep (or add --or-resume), or give another --name.\n"
    )


@pytest.mark.parametrize(
    ("words", "first", "second"),
    [
        (["--gpus", "4"], "4 GPUs are asked for, but ", "leave --gpus out."),
        (["--cpus", "9999"], "9999 CPU cores are asked for, but there are ", "Give --cpus "),
        (["--data", "aloys"], "There is no data set 'aloys'.", "Did you mean 'alloys'? "),
        (["--target", "e_frm"], "There is no target 'e_frm'.", "Did you mean 'e_form'? "),
        (["--name", "../x"], "A study cannot be called '../x'.", "Use up to 64 letters"),
        (["--name", "x'; DROP TABLE"], "A study cannot be called ", "Use up to 64 letters"),
        (["--set", "trails=3"], "The study 'irnet' has an unknown key 'trails'.", "'trials'?"),
        (["--address", "127.0.0.1:1"], "There is no Ray cluster at '127.0.0.1:1'", "ray start"),
    ],
    ids=lambda part: part[0] if isinstance(part, list) else "",
)
def test_what_is_not_there_is_refused_and_nothing_is_written(
    words: list[str], first: str, second: str, lab: Lab
) -> None:
    if words[0] == "--gpus" and shutil.which("nvidia-smi"):
        pytest.skip("There are GPUs here.")
    files = lab.files()
    lab.run("study", "start", *NETS, *words, code=2)
    message, hint = lab.err.splitlines()
    assert message.startswith(first)
    assert second in hint
    assert lab.out == ""
    assert lab.files() == files
    assert {path.name for path in lab.folder.iterdir()} == {"artifacts", "out", "err"}


def test_a_page_in_a_terminal(lab: Lab) -> None:
    """Features are computed first, with their own bar, then the page takes the terminal over."""
    environment = {**lab.environment, "FESEARCH_CACHE_DIR": str(lab.folder), "COLUMNS": "120"}
    words = [FESEARCH, "study", "start", *SHORT, *INLINE, "--trials", "6", "--name", "deep"]
    shown, code = in_terminal(words, {**environment, "TERM": "xterm", "LINES": "50"}, lab.folder)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    assert code == 0, text
    assert "of 210 compounds" in text
    assert "deep  6 of 6 trials: " in text
    for heading in ("running", "rung (epochs)", "ended", "validation MAE (eV/atom)", "Next:"):
        assert heading in text
    for trouble in ("Traceback", "Only one live display", "Error"):
        assert trouble not in text
    assert shown.count("\x1b[?25h") >= 1  # the cursor is there again
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


def in_terminal(words: list[str], environment: dict[str, str], folder: Path) -> tuple[str, int]:
    """What a command writes to a terminal, and its exit code."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=folder,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while select.select([ours], [], [], PATIENCE)[0]:
            try:
                shown += os.read(ours, 65536)
            except OSError:  # it has closed the terminal
                break
        return shown.decode(), process.wait(PATIENCE)
    finally:
        kill(process)
        os.close(ours)
