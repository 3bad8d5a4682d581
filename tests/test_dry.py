"""A dry run: what a study would be and take, and nothing of it done."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import searched
from small import small

from fesearch import estimate
from fesearch.classical import affordable
from fesearch.cli.app import run
from fesearch.errors import FesearchError
from fesearch.estimate import OF_RAY, TO_START, Course, Range, Sample, shared
from fesearch.hardware import Memory
from fesearch.portfolio import of_keys
from fesearch.search import burst, dry, resources
from fesearch.search.budget import rungs_of
from fesearch.search.dry import Outlook
from fesearch.search.prepare import prepare
from fesearch.studyfile import read

SAMPLE = Sample(0.5, 1.0, 4, 2, 1e6, 0.0, 3e6, 0.0, 4e8)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FESEARCH_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.setenv("FESEARCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("FESEARCH_STORAGE", raising=False)
    searched.save_data()
    return tmp_path


def test_configs_are_measured_on_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(burst, "_MOST", 2)
    samples = burst.measure(prepare(small()))
    assert len(samples) == 2
    for sample in samples:
        assert (sample.steps, sample.measured, sample.whole) == (4, 2, True)
        assert 0 < sample.step < 60
        assert 0 < sample.model < sample.checkpoint
        assert 5e7 < sample.memory < 5e9
        assert sample.model_growth == 0


def test_a_first_config_that_cannot_be_trained_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = prepare(small())
    monkeypatch.setattr(burst, "_specs", lambda _: [_broken(prepared)])
    with pytest.raises(FesearchError, match="The first trial cannot be trained: InputError: "):
        burst.measure(prepared)


def _broken(prepared: object) -> object:
    from dataclasses import replace

    (first, *_) = burst_specs(prepared)
    return replace(first, config={**first.config, "depth": -1})


burst_specs = burst._specs


def test_the_command_prints_all_keys_and_starts_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(burst, "measure", lambda prepared: [SAMPLE])
    words = ["study", "start", "irnet", "--data", searched.DATA, "--trials", "8", "--cpus", "1"]
    assert run([*words, "--dry-run", "--time-limit", "1m", "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["name"], said["trials"], said["target"]) == ("irnet", 8, searched.TARGET)
    assert said["estimate"]["side_by_side"] == 1
    assert said["estimate"]["hours"][0] <= said["estimate"]["hours"][1] <= 1 / 60
    assert said["estimate"]["warnings"] == []
    assert run([*words, "--dry-run"]) == 0
    out, err = capsys.readouterr()
    assert err.endswith("\nNothing was started.\n")
    (line,) = (line for line in out.splitlines() if line.startswith("memory "))
    assert " GB are free" in line
    assert not (here / "fesearch.db").exists()
    assert not (here / "artifacts" / "studies").exists()


def test_what_becomes_of_trials_is_as_the_pruner_says() -> None:
    prepared = prepare(small(pruner="median", grace=1))
    assert rungs_of(prepared.study, prepared.family.resource) == (1, 2, 3, 4)
    plan = burst.plan(prepared, 1, None)
    assert plan.courses == (Course((1,), 2),)
    halving = burst.plan(prepare(small(grace=1)), 1, None)
    assert halving.courses == (Course((1, 3), 3),)
    brackets = burst.plan(prepare(small(pruner="hyperband", grace=1, brackets=2)), 1, None)
    assert brackets.courses == (Course((1, 3), 3, share=0.6), Course((3,), 3, share=0.4))


def test_workers_of_ray_take_more_than_a_process_that_trains_alone() -> None:
    plans = [burst.plan(prepare(small(runner=one)), 1, None) for one in ("inline", "ray", "auto")]
    assert [plan.of_ray for plan in plans] == [0.0, OF_RAY, OF_RAY]


def test_ray_takes_its_time_to_start_where_it_is_used() -> None:
    plans = [burst.plan(prepare(small(runner=one)), 1, None) for one in ("inline", "ray", "auto")]
    assert [plan.to_start for plan in plans] == [0.0, TO_START, TO_START]
    assert [plan.alone for plan in plans] == [False, False, True]
    elsewhere = prepare(small(runner="auto", address="h:1"))
    assert not burst.plan(elsewhere, 1, None).alone
    ray, auto = (estimate.seconds([SAMPLE], plan) for plan in plans[1:])
    assert (ray.low - auto.low, ray.high) == (pytest.approx(TO_START), auto.high)
    many = [replace(plan, trials=100_000, parallel=16) for plan in plans[1:]]
    assert estimate.seconds([SAMPLE], many[0]) == estimate.seconds([SAMPLE], many[1])
    limited = [replace(plan, trials=1000, time_limit=20.0) for plan in plans[1:]]
    fewer, more = (estimate.trials_in_time([SAMPLE], plan) for plan in limited)
    assert fewer is not None
    assert more is not None
    assert fewer.low == more.low
    assert fewer.high < more.high


def test_what_auto_has_picked_is_said_with_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(burst, "measure", lambda prepared: [SAMPLE])
    words = ["study", "start", "irnet", "--data", searched.DATA, "--trials", "3", "--dry-run"]
    assert run([*words, "--set", "runner=inline", "--sampler", "auto"]) == 0
    assert "\nsampler tpe: some parameters depend on others" in capsys.readouterr().err


def test_gpus_of_a_cluster_are_not_looked_for_here(monkeypatch: pytest.MonkeyPatch) -> None:
    there = small(runner="ray", gpus=2, cpus=1, address="h:1")
    monkeypatch.setattr(resources, "check", lambda study: None)
    monkeypatch.setattr(burst, "measure", lambda prepared: [SAMPLE])
    for count, device in [(0, "cpu"), (1, "cuda")]:
        for module in (burst, dry):
            monkeypatch.setattr(module, "gpu_count", lambda count=count: count)
        outlook = dry.run(there)
        assert {spec.device for spec in burst_specs(outlook.prepared)} == {device}
        said = [line for line in outlook.warnings if line.startswith("There is no GPU here, so ")]
        assert len(said) == (device == "cpu")


def test_what_does_not_suffice_is_said_with_what_to_type(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(burst, "measure", lambda prepared: [SAMPLE])
    monkeypatch.setattr(dry.hardware, "memory", lambda: Memory(int(1e9), int(1e9)))
    monkeypatch.setattr(dry.room, "room", lambda place: int(1e6))
    memory, disk = dry.run(small(runner="ray", cpus=2)).warnings
    assert memory == "Memory may not suffice for 2 trials side by side: add --cpus 1"
    assert disk.endswith(
        "may become full: add --set keep=1, or --set disk_limit=1MB, or set FESEARCH_ARTIFACTS "
        "to another disk"
    )


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words that start two families and one that has too little memory."""
    monkeypatch.setattr(affordable, "free_memory", lambda: 1000)
    words = ["study", "start", "all_families", "--families", "krr,ridge,decision_tree"]
    return [*words, "--data", searched.DATA, "--set", "runner=inline"]


def test_families_that_cannot_be_trained_are_left_out_of_what_is_prepared(
    many: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*many, "--prepare", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    said = json.loads(out)
    assert [row["name"] for row in said["families"]] == [
        "all_families-ridge",
        "all_families-decision_tree",
    ]
    assert list(said["left_out"]) == ["krr"]
    assert "\nkrr is left out: krr on 48 training rows takes about " in err
    assert run([*many[:3], "--families", "krr", "--data", searched.DATA, "--prepare"]) == 2
    assert run([*many, "--prepare"]) == 0
    assert "all_families-decision_tree  alloys  h_form  magpie" in capsys.readouterr().out


def test_each_family_is_estimated_for_its_share_and_all_for_the_budget(
    many: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(burst, "measure", lambda prepared: [SAMPLE])
    assert run([*many, "--dry-run", "--time-limit", "2h", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    said = json.loads(out)
    assert {row["time_limit"] for row in said["families"]} == {"10m"}  # 4 parts, 3 families
    assert {row["sampler"] for row in said["families"]} == {"tpe"}
    assert said["estimate"]["hours"] == [2.0, 2.0]
    assert said["estimate"]["disk_gb"][0] == pytest.approx(
        6 * sum(row["estimate"]["disk_gb"][0] for row in said["families"])
    )
    assert list(said["left_out"]) == ["krr"]
    assert err.endswith("\nNothing was started.\n")


def test_families_that_share_trials(
    many: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(burst, "measure", lambda prepared: [SAMPLE])
    words = [*many, "--dry-run", "--set", "sampler=auto", "--trials", "18"]
    flags = {"families": "ridge,decision_tree", "trials": 18, "data": searched.DATA}
    keys = {**read("all_families", flags), "runner": "inline"}
    found: list[Outlook] = []
    dry.run_all(of_keys(keys, "shared"), found.append, lambda family, why: None)
    assert [outlook.prepared.study.trials for outlook in found] == [2, 2]
    assert "qmc" not in {outlook.prepared.study.sampler for outlook in found}  # for 10 and less
    assert run(words) == 0
    assert "\ntime    " in capsys.readouterr().out


def test_shares_that_fall_to_anybody() -> None:
    assert shared([Range(1, 4), Range(2, 3)], 5) == Range(3 + 3, 7 + 12)
