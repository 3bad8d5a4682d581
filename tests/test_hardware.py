"""What a process may use: of a container, of a batch job, of the whole machine."""

import os
from pathlib import Path

import pytest

from fesearch import hardware


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 64 cores and 100 MiB, in files."""
    proc, groups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    groups.mkdir()
    (proc / "meminfo").write_text("MemTotal: 102400 kB\nMemFree: 1 kB\nMemAvailable: 81920 kB\n")
    (proc / "self" / "cgroup").write_text("0::/job_7/step_0\n")
    monkeypatch.setattr(hardware, "PROC", proc)
    monkeypatch.setattr(hardware, "GROUPS", groups)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)))
    return tmp_path


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_a_whole_machine(machine: Path) -> None:
    assert (hardware.cores(), hardware.core_limit()) == (64, None)
    assert hardware.memory() == hardware.Memory(100 << 20, 80 << 20)


def test_a_batch_job_has_the_tightest_of_the_groups_it_is_in(machine: Path) -> None:
    job = machine / "cgroup" / "job_7"
    write(job, memory__max=str(50 << 20), memory__current=str(20 << 20), cpu__max="400000 100000")
    write(job, memory__stat=f"anon 1\ninactive_file {5 << 20}\n")
    write(job / "step_0", memory__max="max", memory__current="1", cpu__max="max 100000")
    assert (hardware.cores(), hardware.core_limit()) == (4, 4.0)
    assert hardware.memory() == hardware.Memory(50 << 20, 35 << 20)


def test_control_groups_of_the_first_version(machine: Path) -> None:
    (machine / "proc" / "self" / "cgroup").write_text("4:memory:/a\n2:cpu,cpuacct:/a\n")
    groups = machine / "cgroup"
    write(groups / "memory" / "a", memory__limit_in_bytes=str(30 << 20))
    write(groups / "memory" / "a", memory__usage_in_bytes=str(10 << 20))
    write(groups / "memory", memory__limit_in_bytes="9223372036854771712")
    write(groups / "cpu,cpuacct" / "a", cpu__cfs_quota_us="50000", cpu__cfs_period_us="100000")
    assert (hardware.cores(), hardware.core_limit()) == (1, 0.5)
    assert hardware.memory() == hardware.Memory(30 << 20, 20 << 20)
    stat = f"inactive_file 0\ntotal_inactive_file {4 << 20}\n"
    write(groups / "memory" / "a", memory__stat=stat)
    assert hardware.memory() == hardware.Memory(30 << 20, 24 << 20)
    write(groups / "cpu,cpuacct" / "a", cpu__cfs_quota_us="-1")
    assert hardware.core_limit() is None


def test_mps_runs_where_its_daemon_does(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipes = machine / "pipes"
    monkeypatch.setenv(hardware.MPS_VARIABLE, str(pipes))
    assert hardware.mps() is None
    write(pipes, **{"nvidia-cuda-mps-control__pid": "4711\n"})
    assert hardware.mps() is None  # it was killed
    (machine / "proc" / "4711").mkdir()
    assert hardware.mps() == pipes


@pytest.mark.parametrize(
    ("gpus", "each", "trials"),
    [(4, 1.0, 4), (4, 2.0, 2), (5, 2.0, 2), (2, 0.25, 8), (3, 0.1, 30), (4, 0.3, 12), (6, 0.6, 6)],
)
def test_a_share_of_a_gpu_is_of_one_gpu(gpus: int, each: float, trials: int) -> None:
    assert hardware.trials_on(gpus, each) == trials


@pytest.mark.parametrize(
    ("said", "memory"),
    [
        ("echo 81559; echo 40960", 40960 << 20),
        ("echo '[N/A]'", None),
        ("echo No devices were found; exit 6", None),
        ("true", None),
    ],
)
def test_the_memory_of_the_smallest_gpu(
    said: str, memory: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "nvidia-smi"
    asked.write_text(f'#!/bin/sh\necho "$*" > {tmp_path}/words\n{said}\n')
    asked.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert hardware.gpu_memory() == memory
    words = (tmp_path / "words").read_text()
    assert words == "--query-gpu=memory.total --format=csv,noheader,nounits\n"


def test_no_gpu_memory_where_there_is_no_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hardware.gpu_memory() is None
