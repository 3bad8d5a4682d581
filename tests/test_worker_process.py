"""What a trial finds in its worker on real Ray: its threads, the data, a daemon's folder."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import own_files
import pytest
import searched

from fesearch.own import family_of
from fesearch.search import start
from fesearch.study import Study

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]

LOOKING = """
import json, os
from dataclasses import replace
from pathlib import Path
from fesearch.families.ridge import FAMILY as RIDGE

TO = Path({to!r})

def mapped(array):
    '''The file behind the memory of an array.'''
    place = array.__array_interface__["data"][0]
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        first, last = (int(end, 16) for end in fields[0].split("-"))
        if first <= place < last:
            return fields[5] if len(fields) > 5 else ""
    return "nowhere"

def build(config, data, **options):
    import lightgbm, sklearn.ensemble, threadpoolctl, torch
    learner = RIDGE.build(config, data, **options)
    torch.ones(9, 9) @ torch.ones(9, 9)
    seen = {{
        "pools": {{f"{{one['internal_api']}} {{one['filepath']}}": one["num_threads"]
                  for one in threadpoolctl.threadpool_info()}},
        "torch": torch.get_num_threads(),
        "omp": os.environ["OMP_NUM_THREADS"],
        "mps": os.environ.get("CUDA_MPS_PIPE_DIRECTORY"),
        "data": [mapped(data.train_x), bool(data.train_x.flags.writeable)],
        "address": data.train_x.__array_interface__["data"][0],
        "pid": os.getpid(),
    }}
    (TO / f"{{options['seed']}}.json").write_text(json.dumps(seen))
    return learner

FAMILY = replace(RIDGE, name="looking", build=build)
"""


@pytest.fixture
def seen(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[dict[str, Any]]]:
    """What two trials after each other saw, started with a hostile environment."""
    ray = Path(tempfile.mkdtemp(prefix="ray-"))
    monkeypatch.setenv("RAY_TMPDIR", str(ray))
    monkeypatch.setenv("FESEARCH_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.setenv("FESEARCH_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "7")
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", "/run/mps")
    searched.save_data()
    own_files.forget(monkeypatch)
    file = own_files.write(tmp_path, "looking.py", LOOKING.format(to=str(tmp_path)))
    study = Study(
        name="deep", family=family_of(file).name, own=[str(file)], data=searched.DATA,
        cpus=1, seed=1, sampler="random", preset="full", trials=2,
    )  # fmt: skip
    outcome = start.start(study, sqlite_url)
    assert len(outcome.results) == 2
    assert outcome.usable
    yield [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    shutil.rmtree(ray, ignore_errors=True)


def test_trials_do_not_fight_for_cores_nor_copy_the_data(seen: list[dict[str, Any]]) -> None:
    assert len(seen) == 2
    for one in seen:
        assert one["pid"] != os.getpid()
        assert len(one["pools"]) >= 3  # BLAS, and an OpenMP each of torch, LightGBM or sklearn
        assert {path: count for path, count in one["pools"].items() if count != 1} == {}
        assert (one["torch"], one["omp"], one["mps"]) == (1, "1", "/run/mps")
        place, writeable = one["data"]
        assert "plasma" in place or place.startswith("/dev/shm")
        assert not writeable
    first, second = seen
    assert (first["pid"], first["address"]) == (second["pid"], second["address"])
