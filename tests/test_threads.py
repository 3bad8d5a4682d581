"""How many threads the driver computes with."""

from typing import Any

import numpy as np
import pytest
import torch
from small import small
from threadpoolctl import threadpool_info, threadpool_limits

from fesearch.record import TrialResult, TrialState
from fesearch.search import start
from fesearch.search.sampler import sampler_named
from fesearch.search.samplers import gp
from fesearch.search.worker import Worker
from fesearch.space import Float, Space


@pytest.fixture(autouse=True)
def many_threads() -> Any:
    """Two threads of each library, whatever the machine has."""
    assert np.linalg.inv(np.eye(2)).any()  # its library is loaded
    before = torch.get_num_threads()
    with threadpool_limits(limits=2):
        torch.set_num_threads(2)
        yield
        torch.set_num_threads(before)


def pools() -> set[int]:
    """Threads of the pools for linear algebra."""
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def test_a_gaussian_process_leaves_the_cores_to_the_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    config_of, seen = gp.config_of, []

    def noting(*words: Any) -> Any:
        seen.append((torch.get_num_threads(), pools()))
        return config_of(*words)

    monkeypatch.setattr(gp, "config_of", noting)
    sampler = sampler_named("gp", Space({"x": Float(0.0, 1.0)}), 0, "minimize")
    for number in range(12):
        config: Any = sampler.suggest(number)
        sampler.begin(number, "toy", config)
        ended = TrialResult(number, "toy", config, 0, TrialState.COMPLETE, config["x"], 9, 9)
        sampler.finish(ended)
    assert seen == [(1, {1}), (1, {1})]
    assert (torch.get_num_threads(), pools()) == (2, {2})


def test_a_trial_in_this_process_has_its_own_number_of_threads(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, seen = Worker.step, set()

    def noting(worker: Worker) -> Any:
        seen.update(pools())
        return step(worker)

    monkeypatch.setattr(Worker, "step", noting)
    start.start(small(trials=1), url)
    assert (seen, pools()) == ({1}, {2})
