"""Studies as users run them: the real command, real Ray, real signals, real kills."""

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from driven import check_optuna_agrees, results, story, study_row
from lab import FESEARCH, PATIENCE, RAY, Lab, copied, kill, wait_for, write_data

from fesearch.errors import FesearchError
from fesearch.features import build
from fesearch.featureset import Inputs
from fesearch.model import FittedModel
from fesearch.record import TrialResult, TrialState
from fesearch.search.checkpoint import CHECKPOINT
from fesearch.search.folder import study_folder, trial_folder
from fesearch.search.worker import LOG, MODEL
from fesearch.store.results import Store

pytestmark = pytest.mark.slow


def sets(*keys: str) -> list[str]:
    """The words that set so many keys of a study."""
    return [word for key in keys for word in ("--set", key)]


SMALL = ["space.depth=3", "space.width=0.125", "space.batch_size=32"]
NETS = ["irnet", "--data", "alloys", "--seed", "1", *sets(*SMALL)]
RATES = sets("space.learning_rate=[1e-2, 1e-3, 1e-4]")
SHORT = [*NETS, *RATES, "--trials", "12", "--max-epochs", "9"]
LONG = [*NETS, *RATES, "--trials", "6", "--max-epochs", "60", "--sampler", "random"]
LONG += ["--pruner", "none"]
INLINE = sets("runner=inline")


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab with data and features, which all others share."""
    folder = tmp_path_factory.mktemp("house")
    write_data(folder / "alloys.csv")
    lab = Lab.at(folder, folder / "cache", folder)
    words = ["--name", "alloys", "--formula", "formula", "--target", "e_form", "--unit", "eV/atom"]
    lab.run("data", "import", "alloys.csv", *words)
    lab.run("features", "build", "alloys")
    yield lab
    lab.close()


@pytest.fixture
def lab(house: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A folder without studies; this process looks into it with the same environment."""
    copied(house.folder, tmp_path)
    ray = Path(tempfile.mkdtemp(prefix="ray-"))
    made = Lab.at(tmp_path, house.folder / "cache", ray)
    for name in ("FESEARCH_ARTIFACTS", "FESEARCH_CACHE_DIR"):
        monkeypatch.setenv(name, made.environment[name])
    yield made
    made.close()
    shutil.rmtree(ray, ignore_errors=True)


@pytest.fixture(scope="session")
def undisturbed(house: Lab) -> list[TrialResult]:
    """The trials of the study ``LONG`` where nothing disturbs it."""
    house.run("study", "start", *LONG, *INLINE, "--name", "undisturbed")
    return results(house.url, "undisturbed")


def ended(lab: Lab, name: str, count: int) -> bool:
    """Whether so many trials have ended."""
    try:
        return sum(result.state.finished for result in results(lab.url, name)) >= count
    except FesearchError:
        return False  # there is no study yet


def reported(lab: Lab, name: str) -> set[int]:
    """Numbers of the running trials that have reported."""
    return {r.number for r in results(lab.url, name) if not r.state.finished and r.resource}


def check_whole(lab: Lab, name: str, trials: int) -> None:
    """Every trial once and ended, Optuna of the same mind, and nothing left over."""
    found = results(lab.url, name)
    assert [result.number for result in found] == list(range(trials))
    assert all(result.state.finished for result in found)
    check_optuna_agrees(lab.url, name)
    folder = study_folder(study_row(lab.url, name))
    assert list(folder.rglob(f"*{CHECKPOINT}*")) == []
    assert not (folder / "ray").exists()
    assert {path.split("/")[0] for path in lab.files()} == {"datasets", "studies"}


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


def test_killed_with_ray_and_resumed(lab: Lab, undisturbed: list[TrialResult]) -> None:
    driver = lab.begin("study", "start", *LONG, "--name", "deep", "--cpus", "2")
    wait_for(lambda: ended(lab, "deep", 2), "two trials have ended")
    kill(driver)
    with Store.open(lab.url) as store:
        before = [one for one in store.trials(store.study("deep")) if one.state.finished]
    assert len(before) < 6
    (listed,) = lab.json("study", "list")
    assert (listed["name"], listed["state"]) == ("deep", "KILLED")
    assert wait_for(lambda: not lab.processes(), "Ray's orphans have ended")

    lab.run("study", "resume", "deep")
    check_whole(lab, "deep", 6)
    with Store.open(lab.url) as store:
        after = store.trials(store.study("deep"))
    assert [after[one.number] for one in before] == before
    assert results(lab.url, "deep") == undisturbed
    (listed,) = lab.json("study", "list")
    assert (listed["state"], listed["trials"]) == ("COMPLETE", 6)


def test_killed_inline_and_resumed_with_the_same_decisions(lab: Lab) -> None:
    words = [*NETS, *RATES, "--trials", "10", "--max-epochs", "27", *INLINE]
    lab.run("study", "start", *words, "--name", "whole")
    driver = lab.begin("study", "start", *words, "--name", "deep")
    wait_for(lambda: ended(lab, "deep", 2), "two trials have ended")
    os.kill(driver.pid, signal.SIGSTOP)
    second = lab.begin("study", "resume", "deep")
    assert second.wait(PATIENCE) == 2
    assert lab.err.startswith(f"The study 'deep' is being driven by process {driver.pid} on ")
    kill(driver)
    lab.run("study", "resume", "deep")
    check_whole(lab, "deep", 10)
    assert story(lab.url, "deep") == story(lab.url, "whole")


def check_interrupted(lab: Lab, driver: "subprocess.Popen[bytes]") -> list[int]:
    """Check that a driver sent a signal ends in good order; the trials it leaves unfinished."""
    assert driver.wait(PATIENCE) == 130
    assert lab.err.endswith(
        "\nStopped: interrupted.\nGo on with:  fesearch study resume deep\nInterrupted.\n"
    )
    row = study_row(lab.url, "deep")
    assert row.state == "STOPPED"
    halted = [one.number for one in results(lab.url, "deep") if not one.state.finished]
    assert halted
    for number in halted:
        assert (trial_folder(row, number) / CHECKPOINT).is_file()
    assert wait_for(lambda: not lab.processes(), "Ray's processes have ended")
    return halted


def test_ctrl_c_with_ray_and_resumed(lab: Lab, undisturbed: list[TrialResult]) -> None:
    """A terminal sends it to Ray's processes too."""
    driver = lab.begin("study", "start", *LONG, "--name", "deep", "--cpus", "2")
    wait_for(lambda: ended(lab, "deep", 1) and reported(lab, "deep"), "a trial has ended")
    os.killpg(driver.pid, signal.SIGINT)
    halted = check_interrupted(lab, driver)

    lab.run("study", "resume", "deep")
    check_whole(lab, "deep", 6)
    assert results(lab.url, "deep") == undisturbed
    for number in halted:
        log = trial_folder(study_row(lab.url, "deep"), number) / LOG
        lines = log.read_text().splitlines()
        assert sum(" goes on after " in line for line in lines) == 1
        trained = [line for line in lines if re.match(r"\S+ \d+: mae ", line)]
        assert len(trained) == undisturbed[number].resource  # each epoch once


def test_sigterm_with_ray(lab: Lab) -> None:
    """A batch system sends it to the driver alone, some time before it kills."""
    driver = lab.begin("study", "start", *LONG, "--name", "deep", "--cpus", "1")
    wait_for(lambda: ended(lab, "deep", 1) and reported(lab, "deep"), "a trial has ended")
    driver.send_signal(signal.SIGTERM)
    check_interrupted(lab, driver)


@pytest.mark.parametrize("runner", ["ray", "inline"])
def test_ctrl_c_twice_does_not_wait_for_the_trials(runner: str, lab: Lab) -> None:
    """An epoch of these networks takes minutes."""
    slow = ["space.depth=48", "space.width=4.0", "space.batch_size=2", f"runner={runner}"]
    words = ["irnet", "--data", "alloys", *sets(*slow)]
    driver = lab.begin("study", "start", *words, "--name", "deep", "--cpus", "1")
    wait_for(lambda: any(path.endswith(LOG) for path in lab.files()), "a trial has begun")
    os.killpg(driver.pid, signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        driver.wait(2)
    os.killpg(driver.pid, signal.SIGINT)
    assert driver.wait(PATIENCE) == 130
    assert lab.err.splitlines()[-1] == "Interrupted."
    (only,) = results(lab.url, "deep")
    assert (only.state, only.resource) == (TrialState.RUNNING, 0)
    assert study_row(lab.url, "deep").state == "STOPPED"
    assert wait_for(lambda: not lab.processes(), "Ray's processes have ended")


def test_a_worker_that_is_killed_costs_no_trial(lab: Lab, undisturbed: list[TrialResult]) -> None:
    driver = lab.begin("study", "start", *LONG, "--name", "deep", "--cpus", "1")
    wait_for(lambda: ended(lab, "deep", 1) and reported(lab, "deep"), "a trial has ended")

    def workers() -> list[int]:
        return [n for n, words in lab.processes().items() if words.startswith("ray::ResourceTr")]

    (worker,) = wait_for(workers, "a worker shows its name")
    os.kill(worker, signal.SIGKILL)
    assert driver.wait(PATIENCE) == 0, lab.err
    assert "Traceback" not in lab.err
    found = results(lab.url, "deep")
    (hit,) = [result for result in found if result.retries]
    said = "goes on after a lost worker (1 of 2): its worker process has died"
    assert f"trial {hit.number} {said}" in lab.err
    assert [replace(result, retries=0) for result in found] == undisturbed
    shown = lab.json("trials", "show", "deep", str(hit.number))
    assert shown["retries"] == 1
    check_whole(lab, "deep", 6)


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
