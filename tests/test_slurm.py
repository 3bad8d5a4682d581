"""Batch scripts for SLURM: what is asked for, what is quoted, what is refused."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakeslurm import Slurm, limit_is_near
from hypothesis import given, settings
from hypothesis import strategies as st
from lab import PATIENCE, SHELLCHECK, wait_for

from fesearch.cluster import slurm
from fesearch.cluster.slurm import Job, script, seconds
from fesearch.errors import InputError

JOB = Job(
    name="deep",
    start=["fesearch", "study", "start", "irnet"],
    folder=Path("/home/me"),
    nodes=4,
    gpus=4,
    time="08:00:00",
    programs=Path("/opt/venv/bin"),
)


def options(job: Job) -> list[str]:
    lines = script(job).splitlines()
    assert lines[0] == "#!/bin/bash"
    return [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH ")]


def refused(job: Job) -> tuple[str, str]:
    with pytest.raises(InputError) as caught:
        script(job)
    return caught.value.message, caught.value.hint


def test_what_slurm_is_asked_for() -> None:
    assert options(JOB) == [
        "--job-name=fesearch-deep",
        "--nodes=4",
        "--ntasks-per-node=1",
        "--time=08:00:00",
        "--signal=B:USR1@300",
        "--requeue",
        "--no-kill",
        "--open-mode=append",
        "--output=fesearch-deep-%j.log",
        "--exclusive",
        "--mem=0",
        "--gpus-per-node=4",
    ]


def test_ones_own_options_come_last() -> None:
    job = replace(JOB, cpus=16, sbatch=["--partition=gpu", " --gres=gpu:a100:4 "])
    *_, cores, partition, gres = options(job)
    assert (cores, partition, gres) == (
        "--cpus-per-task=16",
        "--partition=gpu",
        "--gres=gpu:a100:4",
    )


@pytest.mark.parametrize(
    ("line", "name", "flag"),
    [
        ("--time=1:00", "time", "--time"),
        ("--time 1:00", "time", "--time"),
        ("--tim=1:00", "time", "--time"),
        ("--time-min=1:00", "time-min", "--time"),
        ("-t1:00", "time", "--time"),
        ("-t 1:00", "time", "--time"),
        ("-t=1:00", "time", "--time"),
        ("-Ht1:00", "time", "--time"),
        ("--partition=gpu -t 1:00", "time", "--time"),
        ("--signal=B:TERM@60", "signal", "--margin"),
        ("--nodes=2", "nodes", "--nodes"),
        ("-N 2-4", "nodes", "--nodes"),
        ("-c8", "cpus-per-task", "--cpus-per-node"),
        ("-s", "oversubscribe", "--cpus-per-node"),
        ("--no-requeue", "no-requeue", "--chain"),
        ("-n 8", "ntasks", ""),
        ("--ntasks-per-node=8", "ntasks-per-node", ""),
        ("--array=1-3", "array", ""),
        ("--no-kill=off", "no-kill", ""),
    ],
)
def test_options_that_contradict_the_script_are_refused(line: str, name: str, flag: str) -> None:
    instead = f"Give {flag} in its place; see fesearch cluster slurm --help."
    refusal = (
        f"sbatch is to get '{line}', but --{name} is the script's own to give.",
        instead if flag else "Leave it out: one job has a study, and each of its nodes one Ray.",
    )
    assert refused(replace(JOB, sbatch=["--partition=gpu", line])) == refusal
    assert refused(replace(JOB, preamble=f"#SBATCH {line}\nmodule load cuda")) == refusal


@pytest.mark.parametrize(
    "line",
    [
        "--partition=gpu --qos=long",
        "-p gpu",
        "--comment='not a --time=1:00'",
        "--partition=gpu # not --time=1:00",
        "--mem=64G",
        "--no-kill",
        "--job-name=mine",
        "--nodelist=node[1-4]",
        "-Jtime",
        "--exclude=node7",
        "--gres=lustre:1",
    ],
)
def test_other_options_stand_in_the_script(line: str) -> None:
    assert options(replace(JOB, sbatch=[line]))[-2:] == ["--gpus-per-node=4", line]


def test_what_contradicts_nothing_in_another_job() -> None:
    assert options(replace(JOB, chain=3, sbatch=["--no-requeue"]))[-1] == "--no-requeue"
    assert options(replace(JOB, cpus=4, sbatch=["-s"]))[-1] == "-s"


@pytest.mark.parametrize(
    "line",
    ["--gres=gpu:4", "--gres gpu:a100:4,lustre:1", "--gpus-per-node=a100:2,v100:2", "-G 16",
     "--gpus=a100:16", "--tres-per-node=gres/gpu:4"],
)  # fmt: skip
def test_gpus_may_be_asked_for_by_their_type(line: str) -> None:
    asked = options(replace(JOB, sbatch=[line]))
    assert asked[-1] == line
    assert "--gpus-per-node=4" not in asked


@pytest.mark.parametrize(
    ("gpus", "line", "asked", "there"),
    [
        (4, "--gres=gpu:a100:2", "2 GPUs for a node", 4),
        (0, "--gres=gpu", "1 GPUs for a node", 0),
        (4, "-G4", "4 GPUs for a job", 16),
        (4, "--gpus-per-node=a100:8", "8 GPUs for a node", 4),
    ],
)
def test_another_number_of_gpus_is_refused(gpus: int, line: str, asked: str, there: int) -> None:
    message, hint = refused(replace(JOB, gpus=gpus, sbatch=[line]))
    said = f"sbatch is to get '{line}', which is {asked}; by --gpus-per-node it has {there}."
    assert message == said
    assert hint.startswith("Give --gpus-per-node as many as a node is to have; ")


@settings(max_examples=25, deadline=None)
@given(
    word=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
    folder=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
)
def test_no_word_or_path_is_read_by_the_shell(word: str, folder: str) -> None:
    job = replace(JOB, start=["printf", "%s", word], folder=Path("/x") / folder)
    head = script(job).split("\n# ---- what follows")[0]
    text = head.replace("\ncd -- ", "\nplace=").replace(" || exit\n", "\n", 1)
    asked = 'printf "%s\\0" "$place" "${start[@]}"'
    done = subprocess.run(["bash", "-c", f"{text}\n{asked}"], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == [str(job.folder), *job.start]


def test_a_preamble_comes_before_the_rest() -> None:
    text = script(replace(JOB, preamble="module load cuda\n"))
    assert (
        text.index("module load cuda\n# ---- end") < text.index("\ncd -- ") < text.index("set -u")
    )


def test_no_preamble_changes_what_is_set(tmp_path: Path) -> None:
    preamble = """
        name=x gpus=9 jobs=9 margin=9 disk=/x start=(no)
        export PATH=/loaded/bin:$PATH HERE=/x
        cd /
    """
    job = replace(JOB, folder=tmp_path, environment={"HERE": "/home"}, preamble=preamble)
    head = script(job).split("\n# ---- what follows")[0]
    asked = 'echo "$PWD ${PATH%%:*} $HERE $name $gpus $jobs $margin $disk ${start[*]}"'
    done = subprocess.run(["bash", "-c", f"{head}\n{asked}"], capture_output=True, text=True)
    expected = f"{tmp_path} /opt/venv/bin /home deep 4 1 300 /tmp {' '.join(JOB.start)}\n"
    assert (done.stdout, done.stderr) == (expected, "")


FESEARCH = """#!/bin/bash
# Says what was typed, and searches until it is ended.
echo "$*" >> "$STUBS/fesearch.said"
case "$1 $2" in
  "cluster address") echo 127.0.0.1:1 ;;
  "cluster over")
    cat "$STUBS/progress" 2> /dev/null || echo "$RANDOM$RANDOM"
    test -e "$STUBS/over" || exit 3 ;;
  "study start") exec sleep 60 ;;
esac
"""
RAY = """#!/bin/bash
echo "$*" >> "$STUBS/ray.said"
exec sleep 60
"""
PYTHON = f"""#!/bin/bash
exec '{sys.executable}' "$@"
"""
"""It is among the programs of an installation, and need not be elsewhere."""


@pytest.fixture
def stubs(tmp_path: Path) -> Slurm:
    """Stub programs of SLURM, and of fesearch and Ray beside them."""
    made = Slurm.at(tmp_path / "stubs", {})
    for name, text in (("fesearch", FESEARCH), ("ray", RAY), ("python", PYTHON)):
        (made.folder / name).write_text(text)
        (made.folder / name).chmod(0o755)
    return made


def written(stubs: Slurm, **changed: Any) -> Path:
    """The script of a job that runs the stubs."""
    folder = stubs.folder.parent
    environment = {"FESEARCH_ARTIFACTS": str(folder / "artifacts")}
    job = replace(JOB, folder=folder, programs=stubs.folder, nodes=1)
    to = folder / "job.sh"
    to.write_text(script(replace(job, environment=environment, **changed)))
    return to


def begun(stubs: Slurm, to: Path) -> "subprocess.Popen[bytes]":
    """A job whose study has begun."""
    job = stubs.job(to, to.parent, number=os.getpid(), nodes=1)
    wait_for(lambda: any("study start" in line for line in stubs.said("fesearch")), "it has begun")
    return job


def test_a_preamble_that_ends_at_the_first_error_does_not_end_the_job(stubs: Slurm) -> None:
    job = begun(stubs, written(stubs, preamble="set -Eeuo pipefail\ntrap 'exit 9' ERR"))
    limit_is_near(job)
    assert job.wait(PATIENCE) == 0, stubs.log
    assert stubs.said("scontrol") == [f"requeue {os.getpid()}"]


@pytest.mark.parametrize("there", [True, False])
def test_ray_client_has_a_port_of_the_job_where_ray_would_serve_it(
    there: bool, stubs: Slurm
) -> None:
    code = "" if there else "raise ImportError"
    (stubs.folder / "grpc.py").write_text(code)
    stubs.environment["PYTHONPATH"] = str(stubs.folder)
    job = begun(stubs, written(stubs))
    wait_for(lambda: stubs.said("ray"), "Ray has started")
    job.send_signal(signal.SIGTERM)
    job.wait(PATIENCE)
    [head] = stubs.said("ray")
    assert ("--ray-client-server-port 2" in head) == there  # behind 127.0.0.1:1


def test_nodes_of_a_job_that_exports_nothing_have_the_token(stubs: Slurm) -> None:
    stubs.environment["SLURM_EXPORT_ENV"] = "NONE"  # what sbatch --export=NONE sets
    job = begun(stubs, written(stubs))
    wait_for(lambda: stubs.said("ray"), "Ray has started")  # it notes that where STUBS says
    job.send_signal(signal.SIGTERM)
    job.wait(PATIENCE)


def test_a_study_that_is_stopped_while_ray_starts_is_left_alone(stubs: Slurm) -> None:
    (stubs.folder / "fesearch").write_text(
        FESEARCH.replace("exec sleep", "sleep 0; : ").replace(
            '"cluster address") echo', '"cluster address") touch "$STUBS/over"; echo'
        )
    )
    to = written(stubs)
    assert stubs.job(to, to.parent, number=os.getpid(), nodes=1).wait(PATIENCE) == 0, stubs.log
    assert not any("study start" in line for line in stubs.said("fesearch"))
    assert stubs.log.endswith("nothing is left to do any more; see fesearch study status deep\n")
    assert stubs.said("scontrol") == []


def test_a_job_that_cannot_be_requeued_is_submitted_anew(stubs: Slurm) -> None:
    (stubs.folder / "requeue").write_text("1")
    to = written(stubs)
    job = begun(stubs, to)
    limit_is_near(job)
    assert job.wait(PATIENCE) == 0, stubs.log
    assert stubs.said("scontrol") == [f"requeue {os.getpid()}"]
    assert stubs.said("sbatch") == [f"{to} follows"]


@pytest.mark.parametrize(
    ("before", "later", "enough", "stuck"),
    [
        ("17 0", "17 0", 0, True),
        ("17 0", "18 0", 0, False),
        ("17 0", "17 5", 0, False),
        ("", "", 0, False),  # no trial was in training
        ("17 0", "17 0", 4 * 3600, False),  # it made way for another job before half its time
    ],
)
def test_a_job_that_brings_no_trial_further_is_not_put_back(
    before: str, later: str, enough: int, stuck: bool, stubs: Slurm
) -> None:
    (stubs.folder / "progress").write_text(f"{before}\n")
    to = written(stubs)
    text = to.read_text()
    assert "\nenough=14400\n" in text
    to.write_text(text.replace("\nenough=14400\n", f"\nenough={enough}\n"))
    job = begun(stubs, to)
    (stubs.folder / "progress").write_text(f"{later}\n")
    limit_is_near(job)
    code = job.wait(PATIENCE)
    assert (code, stubs.said("scontrol")) == ((1, []) if stuck else (0, [f"requeue {os.getpid()}"]))
    assert ("no trial has come any further" in stubs.log) == stuck


def test_a_job_that_is_cancelled_does_not_go_on_in_another(stubs: Slurm) -> None:
    job = begun(stubs, written(stubs))
    job.send_signal(signal.SIGTERM)
    assert job.wait(PATIENCE) == 128 + signal.SIGTERM  # the driver's code, which had it too
    assert stubs.said("scontrol") == stubs.said("sbatch") == []
    with pytest.raises(ProcessLookupError):
        os.kill(stubs.node(0), 0)


def test_the_next_job_of_a_chain_goes_on_with_the_study(stubs: Slurm) -> None:
    to = written(stubs, chain=2)
    first = begun(stubs, to)
    limit_is_near(first)
    assert first.wait(PATIENCE) == 0, stubs.log
    assert stubs.log.endswith("out of time; the next job of the chain goes on\n")
    assert stubs.said("scontrol") == stubs.said("sbatch") == []

    def starts() -> list[str]:
        return [line for line in stubs.said("fesearch") if line.startswith("study start")]

    second = stubs.job(to, to.parent, number=os.getpid() + 1, nodes=1)
    wait_for(lambda: len(starts()) == 2, "it goes on")
    assert all("--or-resume" in line for line in starts())
    limit_is_near(second)
    assert second.wait(PATIENCE) == 0, stubs.log


def test_a_job_goes_on_in_another_only_where_something_is_left_to_do(stubs: Slurm) -> None:
    to = written(stubs)
    job = begun(stubs, to)
    (stubs.folder / "over").touch()
    limit_is_near(job)
    assert job.wait(PATIENCE) != 0
    assert stubs.said("scontrol") == []
    said = stubs.said("fesearch")
    assert stubs.job(to, to.parent, number=os.getpid(), nodes=1).wait(PATIENCE) == 0
    assert stubs.said("fesearch") == [*said, "cluster over deep --first"]
    assert stubs.log.endswith("nothing is left to do; see fesearch study status deep\n")


@pytest.mark.parametrize(
    ("words", "environment", "asked"),
    [
        ((), {}, "cluster over deep --first --holdout --export a model"),
        ((), {"SLURM_RESTART_COUNT": "0"}, "cluster over deep --first --holdout --export a model"),
        ((), {"SLURM_RESTART_COUNT": "1"}, "cluster over deep --holdout --export a model"),
        (("follows",), {}, "cluster over deep --holdout --export a model"),
    ],
)
def test_a_job_that_somebody_has_submitted_goes_on_with_a_stopped_study(
    words: tuple[str, ...], environment: dict[str, str], asked: str, stubs: Slurm
) -> None:
    to = written(stubs, afterwards=["--holdout", "--export", "a model"])
    (stubs.folder / "over").touch()
    stubs.environment.update(environment)
    job = stubs.job(to, to.parent, number=os.getpid(), nodes=1, words=words)
    assert job.wait(PATIENCE) == 0, stubs.log
    assert stubs.said("fesearch") == [asked]


def test_a_job_without_the_url_of_its_server_starts_no_study_elsewhere(stubs: Slurm) -> None:
    to = written(stubs, needs=["FESEARCH_STORAGE"])
    assert stubs.job(to, to.parent, number=os.getpid(), nodes=1).wait(PATIENCE) != 0
    assert "FESEARCH_STORAGE: is not set: set it in the shell that submits" in stubs.log
    submitted = stubs.submit(to, to.parent)
    assert submitted.returncode != 0
    assert "FESEARCH_STORAGE: is not set" in submitted.stderr
    assert stubs.said("fesearch") == stubs.said("sbatch") == []
    stubs.environment["FESEARCH_STORAGE"] = "postgresql://db/x"
    assert stubs.submit(to, to.parent).returncode == 0


@pytest.mark.parametrize(
    ("time", "expected"),
    [("90", 5400), ("1:30", 90), ("08:00:00", 28800), ("2-12", 216000), ("1-0:30", 88200)],
)
def test_wall_clock_limits_as_sbatch_takes_them(time: str, expected: int) -> None:
    assert seconds(time) == expected


@pytest.mark.parametrize(
    ("changed", "message", "hint"),
    [
        (
            {"time": "8h"},
            "--time got '8h'.",
            "Write it as sbatch takes it: --time 08:00:00 or 2-12.",
        ),
        (
            {"time": "00:05:00"},
            "A job of 00:05:00 is 300 s, of which the last 300 s are for checkpoints.",
            "Give a --time of 600 s or more, or another --margin, of 120 s or more.",
        ),
        (
            {"sbatch": ["--comment=a\nrm -rf /"]},
            "--sbatch got '--comment=a\\nrm -rf /'.",
            "Give one option of sbatch, as in --sbatch=--partition=gpu",
        ),
        (
            {"sbatch": ["--comment='a"]},
            '--sbatch got "--comment=\'a".',
            "Give one option of sbatch, as in --sbatch=--partition=gpu",
        ),
        (
            {"disk": "/a/very/long/path/to/the/local/disk/of/nodes"},
            "--disk got '/a/very/long/path/to/the/local/disk/of/…'.",
            "Give a folder on a disk of the nodes, in up to 40 letters: Ray's sockets lie there, "
            "whose paths are short.",
        ),
        ({"start": ["a\0b"]}, "'a\\x00b' has a zero byte.", "Leave it out."),
        (
            {"programs": Path("/a:b")},
            "The folder of the programs, '/a:b', has a colon, so it cannot be in PATH.",
            "Install fesearch elsewhere.",
        ),
        (
            {"name": "a b"},
            "A study cannot be called 'a b'.",
            "Use up to 64 letters, digits, dots, dashes and underscores, "
            "beginning with a letter or digit.",
        ),
    ],
    ids=str,
)
def test_what_no_script_can_say(changed: dict[str, object], message: str, hint: str) -> None:
    assert refused(replace(JOB, **changed)) == (message, hint)  # type: ignore[arg-type]


def test_a_preamble_that_is_no_bash() -> None:
    message, hint = refused(replace(JOB, preamble="if true; then"))
    assert message.startswith("The preamble is no bash: ")
    assert "syntax error" in message
    assert hint == "Mend that line."


def test_a_preamble_that_would_take_the_rest_for_its_text() -> None:
    message, _ = refused(replace(JOB, preamble="cat > settings <<END\nmodule load cuda"))
    assert message.startswith("The preamble is no bash: ")
    assert "here-document" in message


def test_the_body_is_as_shellcheck_wants_it() -> None:
    checked = subprocess.run([SHELLCHECK, "-"], input=script(JOB), capture_output=True, text=True)
    assert (checked.stdout, checked.returncode) == ("", 0)


def test_bash_is_not_needed_to_write_a_script(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*words: object, **options: object) -> None:
        raise FileNotFoundError("bash")

    monkeypatch.setattr(slurm.subprocess, "run", missing)
    assert "if true" in script(replace(JOB, preamble="if true"))
