"""A study in SLURM jobs, with stub programs that really run it: nodes, limits, a lost node."""

import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from driven import check_optuna_agrees, results
from fakeslurm import Slurm, limit_is_near
from lab import PATIENCE, SHELLCHECK, Lab, wait_for, write_data

from fesearch.errors import FesearchError

pytestmark = pytest.mark.slow

NAME = "a.b_c-1"
JOB = 4_000_017
NO_NETWORK = ("unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
STUDY = ["--name", NAME, "--data", "alloys", "--seed", "1", "--trials", "6"]
STUDY += ["--max-epochs", "60", "--sampler", "random", "--pruner", "none"]
for key in ("depth=3", "width=0.125", "batch_size=32", "learning_rate=[1e-2, 1e-3, 1e-4]"):
    STUDY += ["--set", f"space.{key}"]


@pytest.fixture
def no_network() -> tuple[str, ...]:
    """The words before a command that shut it off from every network but its own machine's."""
    if subprocess.run([*NO_NETWORK, "true"], capture_output=True).returncode:
        why = "This kernel lets nobody make a network namespace."
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)
    return NO_NETWORK


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A folder whose path has what a shell stumbles over."""
    folder = tmp_path / 'it\'s a "$HOME" ; folder'
    folder.mkdir()
    ray = Path(tempfile.mkdtemp(prefix="r-"))
    made = Lab.at(folder, folder / "cache", ray)
    write_data(folder / "alloys.csv")
    words = ["--name", "alloys", "--formula", "formula", "--target", "e_form", "--unit", "eV/atom"]
    made.run("data", "import", "alloys.csv", *words)
    yield made
    made.close()
    shutil.rmtree(ray, ignore_errors=True)


def write_script(lab: Lab, *words: str) -> Path:
    """The script of a study, written by the command, as bash and shellcheck want it."""
    to = lab.folder / "job.sh"
    preamble = lab.folder / "preamble.sh"
    preamble.write_text("set -euo pipefail\n")
    given = ["--nodes", "2", "--cpus-per-node", "1", "--disk", lab.environment["RAY_TMPDIR"]]
    given += ["--preamble", str(preamble), "--to", str(to), *words]
    lab.run("cluster", "slurm", "irnet", *given, "--", *STUDY)
    checked = subprocess.run(
        [SHELLCHECK, "--exclude", "SC2016", to], capture_output=True, text=True
    )
    assert (checked.stdout, checked.returncode) == ("", 0)
    return to


def ended(lab: Lab, count: int) -> bool:
    try:
        return sum(one.state.finished for one in results(lab.url, NAME)) >= count
    except FesearchError:
        return False  # there is no study yet


def test_a_study_goes_on_in_jobs_without_a_network_until_it_is_done(
    lab: Lab, no_network: tuple[str, ...], tmp_path: Path
) -> None:
    script = write_script(lab)
    assert stat.S_IMODE(script.stat().st_mode) == 0o700
    assert "fesearch study start irnet --name a.b_c-1 " in lab.err
    lab.run("study", "start", "irnet", *STUDY, "--prepare")
    slurm = Slurm.at(tmp_path / "stubs", lab.environment, no_network)
    token = lab.folder / "artifacts" / "clusters" / f"{JOB}.token"

    first = slurm.job(script, tmp_path, number=JOB, nodes=2)
    lab.begun.append(first)
    wait_for(lambda: first.poll() is not None or ended(lab, 1), "a trial has ended")
    assert first.poll() is None, slurm.log
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    for number, words in lab.processes().items():
        if "raylet" in words.split(" ")[0] and parent_of(slurm.node(1), number):
            os.kill(number, signal.SIGKILL)
            break
    else:
        pytest.fail(f"the second node has no raylet: {lab.processes()}")
    wait_for(lambda: first.poll() is not None or ended(lab, 2), "another trial has ended")
    limit_is_near(first)
    assert first.wait(PATIENCE) == 0, slurm.log
    assert "out of time; goes on in a new job" in slurm.log
    assert slurm.said("scontrol") == [f"requeue {JOB}"]
    assert slurm.said("sbatch") == []
    (listed,) = lab.json("study", "list")
    assert listed["state"] == "STOPPED"
    before = [one for one in results(lab.url, NAME) if one.state.finished]
    assert 2 <= len(before) < 6
    assert not token.exists()
    assert wait_for(lambda: not lab.processes(), "Ray's processes have ended")

    second = slurm.job(script, tmp_path, number=JOB, nodes=2)
    lab.begun.append(second)
    assert second.wait(PATIENCE) == 0, slurm.log
    found = results(lab.url, NAME)
    assert [one.number for one in found] == list(range(6))
    assert all(one.state.usable for one in found), [
        (one.number, one.state, one.reason) for one in found
    ]
    assert [found[one.number] for one in before] == before
    check_optuna_agrees(lab.url, NAME)
    assert wait_for(lambda: not lab.processes(), "Ray's processes have ended")
    assert list(Path(lab.environment["RAY_TMPDIR"]).iterdir()) == []

    third = slurm.job(script, tmp_path, number=JOB + 1, nodes=2)
    assert third.wait(PATIENCE) == 0
    assert slurm.log.endswith(
        f"job {JOB + 1}: nothing is left to do; see fesearch study status {NAME}\n"
    )


def parent_of(ancestor: int, number: int) -> bool:
    """Whether a process descends from another."""
    while number > 1:
        if number == ancestor:
            return True
        number = int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1])
    return False


def test_a_chain_is_submitted_beforehand(lab: Lab, tmp_path: Path) -> None:
    script = write_script(lab, "--chain", "3")
    slurm = Slurm.at(tmp_path / "stubs", lab.environment)
    done = slurm.submit(script, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "".join(f"Submitted as job {job}.\n" for job in (1, 2, 3))
    assert slurm.said("sbatch") == [
        f"--parsable {script}",
        f"--parsable --dependency=afterany:1 {script} follows",
        f"--parsable --dependency=afterany:2 {script} follows",
    ]


def test_a_search_over_families_on_a_server_ends_with_its_model(
    lab: Lab, tmp_path: Path, postgresql_url: str
) -> None:
    lab.environment["FESEARCH_STORAGE"] = postgresql_url
    script, model = lab.folder / "job.sh", lab.folder / "a model"
    given = ["--nodes", "2", "--cpus-per-node", "1", "--disk", lab.environment["RAY_TMPDIR"]]
    words = ["--families", "ridge,decision_tree", "--data", "alloys", "--trials", "6"]
    words += ["--holdout", "--export", str(model)]
    lab.run("cluster", "slurm", "all_families", *given, "--to", str(script), "--", *words)
    assert postgresql_url not in script.read_text()
    slurm = Slurm.at(tmp_path / "stubs", lab.environment)

    def job(number: int) -> str:
        before = len(slurm.log) if number > JOB else 0
        begun = slurm.job(script, tmp_path, number=number, nodes=2)
        lab.begun.append(begun)
        assert begun.wait(PATIENCE) == 0, slurm.log
        return slurm.log[before:]

    score = re.compile(r"all_families-\w+: test MAE .*")
    scores = score.findall(job(JOB))
    assert len(scores) == 2
    assert (model / "fesearch.json").is_file()
    assert "nothing is left to do" in job(JOB + 1)
    shutil.rmtree(model)  # as if its limit had come before
    assert score.findall(job(JOB + 2)) == scores, "no further look"
    assert (model / "fesearch.json").is_file()
    lab.run("predict", str(model), "NiTi")
    assert wait_for(lambda: not lab.processes(), "Ray's processes have ended")
