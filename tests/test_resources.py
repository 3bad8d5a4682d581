"""What a cluster has and a study asks for: refused at once where it can never be."""

from contextlib import nullcontext
from typing import Any

import pytest
import ray
from small import small

from fesearch import raysession
from fesearch.errors import InputError
from fesearch.search import resources


@pytest.fixture(autouse=True)
def cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four nodes of 8 cores and a GPU, one of 32 cores, and one that is gone."""
    nodes = [{"Alive": True, "Resources": {"CPU": 8.0, "GPU": 1.0}} for _ in range(4)]
    nodes += [{"Alive": alive, "Resources": {"CPU": 32.0}} for alive in (True, False)]
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    monkeypatch.setattr(raysession, "session", lambda **where: nullcontext(64))


@pytest.mark.parametrize(
    ("keys", "message", "hint"),
    [
        (
            {"cpus": 65},
            "65 CPU cores are asked for, but the cluster at h:1 has 64.",
            "Give --cpus 64 or less.",
        ),
        (
            {"gpus": 5},
            "5 GPUs are asked for, but the cluster at h:1 has 4.",
            "Give --gpus 4 or less.",
        ),
        (
            {"gpus": 4, "gpus_per_trial": 2},
            "A trial takes 1 CPU cores and 2 GPUs of one node, but no node of the cluster at h:1 "
            "has them: the largest have 32 and 1.",
            "Give fewer --cpus-per-trial or --gpus-per-trial.",
        ),
        (
            {"cpus_per_trial": 33},
            "A trial takes 33 CPU cores and 0 GPUs of one node, but no node of the cluster at h:1 "
            "has them: the largest have 32 and 1.",
            "Give fewer --cpus-per-trial or --gpus-per-trial.",
        ),
    ],
    ids=str,
)
def test_what_a_cluster_can_never_give(keys: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        resources.check(small(runner="ray", address="h:1", **keys))
    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize(
    "keys", [{"cpus_per_trial": 32}, {"gpus": 4, "cpus_per_trial": 8}], ids=str
)
def test_what_a_node_of_it_can(keys: dict[str, Any]) -> None:
    study = small(runner="ray", address="h:1", **keys)
    resources.check(study)
    assert resources.cores(study) == 64


def test_no_node_has_the_cores_and_the_gpus_of_a_trial() -> None:
    with pytest.raises(InputError, match="9 CPU cores and 1 GPUs of one"):
        resources.check(small(runner="ray", address="h:1", gpus=4, cpus_per_trial=9))
