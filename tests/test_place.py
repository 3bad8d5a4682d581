"""A study that goes on elsewhere: another cluster, fewer cores, never without its GPUs."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import searched
from portfolios import many
from small import small

from fesearch import hardware
from fesearch.errors import InputError
from fesearch.search import driver, on_ray, portfolio, resources, room, start
from fesearch.search.extend import extend


@pytest.fixture
def url(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FESEARCH_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.setenv("FESEARCH_CACHE_DIR", str(tmp_path / "cache"))
    searched.save_data()
    return sqlite_url


def test_a_job_script_goes_on_at_the_address_of_its_next_cluster(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(resources, "_check_cluster", lambda study, address: asked.append(address))
    for address in ("10.0.0.1:10017", "10.0.0.2:10018"):
        start.start(small(trials=1, address=address), url, or_resume=True)
    assert asked == ["10.0.0.1:10017", "10.0.0.2:10018"]
    start.resume("deep", url, place={"address": None, "cpus": 1})
    assert len(asked) == 2


def test_whether_suggestions_are_made_ahead_is_decided_once(url: str) -> None:
    """They depend on it, and one trial at a time has those of ``inline``, wherever it runs."""
    one, many = small(name="one", trials=1), small(name="many", trials=1, runner="ray", cpus=2)
    assert start.start(one, url).row.definition["ahead"] is False
    assert driver.side_by_side(many)
    assert not driver.side_by_side(small(runner="ray", address="h:1", cpus=1))
    assert not driver.side_by_side(small(runner="ray", address="h:1", gpus=1))
    assert driver.side_by_side(small(runner="ray", address="h:1"))


def test_cores_that_are_not_there_are_refused_on_the_way_too(url: str) -> None:
    start.start(small(trials=1), url)
    with pytest.raises(InputError, match="10000 CPU cores are asked for, but there are "):
        start.resume("deep", url, place={"cpus": 10_000})


def test_a_study_that_goes_on_is_refused_where_it_has_no_room(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start.start(small(trials=1), url)
    monkeypatch.setattr(room, "room", lambda folder: 30_000)
    assert start.resume("deep", url).stopped == ""  # nothing is left to do
    extend("deep", url, trials="3")
    with pytest.raises(InputError, match="2 trials take 0 MB of disk at least"):
        start.resume("deep", url)


def test_a_cluster_with_too_few_cores_for_one_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = SimpleNamespace(counted=lambda address: [(4, 0)])
    monkeypatch.setattr("fesearch.search.on_ray", counted, raising=False)
    monkeypatch.setitem(sys.modules, "fesearch.search.on_ray", counted)
    with pytest.raises(InputError, match="A trial takes 8 CPU cores and 0 GPUs of"):
        resources.check(small(address="h:1", cpus_per_trial=8))


def test_a_study_stays_on_the_device_that_its_numbers_are_from(url: str) -> None:
    start.start(small(trials=1), url)
    with pytest.raises(InputError) as caught:
        start.start(small(trials=1, gpus=2), url, or_resume=True)
    assert caught.value.message == (
        "The study 'deep' was started with gpus = 0, not 2: its numbers depend on whether it has "
        "any."
    )
    assert caught.value.hint == "Type: fesearch study resume deep; or give another --name."


def test_trials_that_share_a_gpu_are_told_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "mps", lambda: None)
    four = small(gpus=2, gpus_per_trial=0.25)
    assert resources.sharing(small()) == resources.sharing(small(gpus=2)) == ""
    most = small(gpus=6, gpus_per_trial=0.6, runner="ray")
    assert resources.sharing(most) == ""  # what is left of each is too little for another
    assert room.parallel(most, 64) == on_ray.Resources(64, 6, 1, 0.6).concurrent(64) == 6
    assert resources.sharing(four) == (
        "4 trials share each GPU by turns: no NVIDIA MPS runs here. "
        "To start it: nvidia-cuda-mps-control -d"
    )
    assert resources.sharing(four.model_copy(update={"address": "h:1"})) == (
        "4 trials share each GPU: at once where NVIDIA MPS runs on its node, else by turns."
    )
    monkeypatch.setattr(hardware, "mps", lambda: Path("/run/mps"))
    assert resources.sharing(four) == "4 trials share each GPU through NVIDIA MPS (/run/mps)."


@pytest.mark.parametrize("resumed", [False, True])
def test_gpus_that_stand_idle_are_told_of_once(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, resumed: bool
) -> None:
    if resumed:
        start.start(small(trials=1), url)
    monkeypatch.setattr(resources, "gpu_count", lambda: 2)
    resources._say.cache_clear()
    for _ in range(2):
        start.start(small(trials=1), url, or_resume=True)
    told = [line for line in caplog.messages if "idle" in line]
    assert told == ["2 GPUs stand idle; to use them add --gpus 2."]


def test_a_search_over_families_tells_of_idle_gpus_once(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(resources, "gpu_count", lambda: 1)
    resources._say.cache_clear()
    keys = {"space": {"depth": 3, "width": 0.125}, "max_epochs": 1, "trials": 2}
    portfolio.begin(many("both", families=["ridge", "irnet"], each={"irnet": keys}, trials=4), url)
    told = [line for line in caplog.messages if "idle" in line]
    assert told == ["1 GPU stands idle; to use it add --gpus 1."]


def test_cores_of_a_trial_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "cores", lambda: 4)
    with pytest.raises(InputError) as caught:
        resources.check(small(cpus_per_trial=5))
    assert caught.value.message == "5 CPU cores are asked for, but there are 4."
    assert caught.value.hint == "Give --cpus-per-trial 4 or less."
