"""What the doctor finds, and the line that mends it."""

import json
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from fesearch import doctor, raysession
from fesearch.cli.app import run
from fesearch.doctor import Finding, State
from fesearch.errors import FesearchError
from fesearch.hardware import Memory
from fesearch.nets import device
from fesearch.store import filesystem


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A healthy place without a Ray: one is started elsewhere."""

    class Session:
        def __init__(self, cpus: int | None, address: str | None) -> None:
            """Nothing is started."""

        def __enter__(self) -> int:
            return 8

        def __exit__(self, *error: object) -> None:
            """Nothing is left."""

    monkeypatch.setattr(raysession, "session", Session)
    monkeypatch.setattr(raysession, "nodes", lambda: 2)
    monkeypatch.setattr(raysession, "gpus", lambda: 4)
    monkeypatch.chdir(tmp_path)
    for name in ("FESEARCH_STORAGE", "FESEARCH_ARTIFACTS", "RAY_ADDRESS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FESEARCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(device, "SIGNS", ())
    monkeypatch.setattr(device, "_driver", lambda: None)
    monkeypatch.setattr(doctor, "LEAST_DISK", 0)
    monkeypatch.setattr(doctor, "LEAST_MEMORY", 0)
    return tmp_path


def found(what: str, address: str | None = None) -> Finding:
    (one,) = (one for one in doctor.examine("sqlite:///studies.db", address) if one.what == what)
    return one


def test_all_well(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"cores", "memory", "gpus", "packages", "database", "ray"} <= {r["what"] for r in rows}
    assert "problem" not in {row["state"] for row in rows}
    assert list(here.iterdir()) == []


def test_one_problem_is_an_exit_code_of_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "LEAST_MEMORY", 1 << 60)
    assert run(["doctor"]) == 1
    out = capsys.readouterr().out
    (line,) = (line for line in out.splitlines() if line.startswith("memory"))
    assert line.split()[1] == "problem"
    assert line.endswith("End other programs, or ask for a larger job: sbatch --mem=8G")


def test_memory_is_what_is_left_to_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.hardware, "memory", lambda: Memory(16 << 30, 3 << 29))
    assert found("memory").found == "1.5 GiB free of 16.0"


@pytest.mark.parametrize(
    ("count", "built_for", "driver", "state", "said"),
    [
        (0, "12.8", None, State.NOTE, "no NVIDIA GPU, or no driver: trials run on the CPU"),
        (0, None, "NVRM 570", State.PROBLEM, "has no CUDA: 0 can be used."),
        (0, "12.8", "NVRM 390", State.PROBLEM, "(NVRM 390) is too old for CUDA 12.8"),
    ],
)
def test_three_cases_of_no_gpu(
    count: int,
    built_for: str | None,
    driver: str | None,
    state: State,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.version, "cuda", built_for)
    monkeypatch.setattr(device, "_driver", lambda: driver)
    assert found("gpus").state is state
    assert said in found("gpus").found
    assert bool(found("gpus").mend) == (state is State.PROBLEM)


def test_gpus_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "devices", lambda: [("NVIDIA H100", 80 << 30)] * 2)
    assert found("gpu 1") == Finding("gpu 1", State.OK, "NVIDIA H100, 80 GiB")


def test_mps_that_is_named_and_does_not_run(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(here))
    assert found("mps") == Finding(
        "mps",
        State.PROBLEM,
        "CUDA_MPS_PIPE_DIRECTORY is set, but no NVIDIA MPS runs there",
        "Type: nvidia-cuda-mps-control -d (or unset the variable)",
    )


def test_mps_that_gpus_are_shared_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_MPS_PIPE_DIRECTORY", raising=False)
    monkeypatch.setattr(doctor.hardware, "mps", lambda: None)
    monkeypatch.setattr(device, "devices", list)
    assert found("mps").found == "no NVIDIA MPS runs, and there is no GPU to share"
    monkeypatch.setattr(device, "devices", lambda: [("NVIDIA H100", 80 << 30)])
    assert found("mps") == Finding(
        "mps",
        State.NOTE,
        "no NVIDIA MPS runs: trials that share a GPU take turns",
        "To start it: nvidia-cuda-mps-control -d",
    )


def test_a_package_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["optuna>=99.0", "ray[tune]>=2.0", "nothing-like-it>=1; extra == 'dashboard'"]
    monkeypatch.setattr(doctor.importlib.metadata, "requires", lambda name: lines)
    version = doctor.importlib.metadata.version("optuna")
    assert found("optuna") == Finding(
        "optuna",
        State.PROBLEM,
        f"{version} is installed; optuna>=99.0 is needed",
        "Type: pip install 'optuna>=99.0'",
    )
    assert found("extra dashboard") == Finding(
        "extra dashboard",
        State.NOTE,
        "not installed: nothing-like-it",
        "Type: pip install 'fesearch[dashboard]'",
    )


def test_the_file_systems_of_database_artifacts_and_cache(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = here / "mounts"
    monkeypatch.setattr(filesystem, "MOUNTS", mounts)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: SimpleNamespace(free=6 << 30))
    (here / "studies.db").touch()  # which may be mounted alone
    mounts.write_text(
        f"/dev/vda / ext4 rw\n/dev/vdb {here / 'studies.db'} btrfs rw\n"
        f"server:/a {here / 'fesearch-artifacts'} nfs4 rw\n/dev/vdc {here / 'cache'} xfs rw\n"
    )
    said = "sqlite:///studies.db: no studies yet; the first one makes it"
    assert found("database").found == f"{said}; 6.0 GiB free on btrfs"
    said = "fesearch-artifacts: 6.0 GiB free on nfs4, a network file system"
    assert (found("artifacts").state, found("artifacts").found) == (State.OK, said)
    assert found("cache").found == f"{here}/cache: 6.0 GiB free on xfs"
    mounts.unlink()
    assert found("cache").found == f"{here}/cache: 6.0 GiB free"


def test_a_database_on_a_network_file_system(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "mounts").write_text(f"server:/home {here} nfs4 rw\n")
    monkeypatch.setattr(filesystem, "MOUNTS", here / "mounts")
    one = found("database")
    assert one.state is State.NOTE
    assert one.found.endswith(
        " GiB free on nfs4, a network file system: one host at a time writes to it"
    )
    assert one.mend == "For several at once: --storage postgresql://USER@HOST/DB"


def test_a_file_that_is_no_database(here: Path) -> None:
    (here / "studies.db").write_text("not a database at all, but long enough to look like one")
    one = found("database")
    assert (one.state, one.mend) == (State.PROBLEM, "Name another one with --storage.")
    assert "file is not a database" in one.found


def test_a_database_of_another_version(here: Path) -> None:
    with sqlite3.connect(here / "studies.db") as connection:
        connection.execute("CREATE TABLE fesearch_version (version_num TEXT)")
        connection.execute("INSERT INTO fesearch_version VALUES ('0001')")
    connection.close()
    one = found("database")
    assert (one.state, one.mend) == (State.NOTE, "Type: fesearch store upgrade")
    assert "schema 0001, which is not this version's; " in one.found


def test_artifacts_without_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LEAST_DISK", 1 << 60)
    one = found("artifacts")
    assert one.state is State.PROBLEM
    assert one.mend == "Make room, or set FESEARCH_ARTIFACTS to another disk."


def test_artifacts_below_a_file(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "file").touch()
    monkeypatch.setenv("FESEARCH_ARTIFACTS", str(here / "file" / "below"))
    one = found("artifacts")
    assert one.found == f"{here}/file/below: you may not write there"
    assert one.mend == "Set FESEARCH_ARTIFACTS to a folder of yours."


def test_a_cluster_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    version = doctor.importlib.metadata.version("ray")
    assert found("ray").found == f"{version} starts here"
    said = f"{version}; the cluster at h:1 has 2 nodes, 8 CPU cores and 4 GPUs"
    assert found("ray", "h:1").found == said
    monkeypatch.setenv("RAY_ADDRESS", "h:1")
    assert found("ray address").mend == "To look at it, or to use it, add --address h:1"


def test_a_ray_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*words: object, **options: object) -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr(raysession, "session", fails)
    assert found("ray").state is State.PROBLEM
    assert found("ray").found == "RuntimeError: no room"


def test_a_ray_that_does_not_start_is_a_problem_with_its_own_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def session(cpus: int | None, address: str | None) -> None:
        raise FesearchError("Ray does not start.", "Try again.")

    monkeypatch.setattr(raysession, "session", session)
    seen = found("ray")
    assert (seen.state, seen.found, seen.mend) == ("problem", "Ray does not start.", "Try again.")
