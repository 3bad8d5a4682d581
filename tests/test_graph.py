"""Steps replayed from a graph: their numbers, when they begin, and what ends them.

On a CPU, with a stand-in for CUDA's capture: what is recorded is the step, and it is called anew.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import ClassVar

import numpy as np
import pytest
import torch
from linear import linear

from fesearch.families.irnet import build
from fesearch.nets import graph
from fesearch.nets.config import BEST_2019
from fesearch.nets.graph import Graphed
from fesearch.nets.step import Step
from fesearch.nets.train import NetLearner
from fesearch.space import Config
from fesearch.split import Development

SMALL: Config = {**BEST_2019, "depth": 4, "width": 0.0625, "learning_rate": 1e-2, "batch_size": 32}
DATA = linear(rows=230)  # 184 to train on: five batches of 32, and one of 24
EPOCHS = 4


class StandIn:
    """Records a step to call it anew."""

    rate_type = torch.float64  # the one that CPU kernels compute with; so no bit is lost
    replays: ClassVar[list[int]] = []  # of each record, how many

    def __init__(self, device: torch.device) -> None:
        assert device.type == "cpu"

    def running(self) -> AbstractContextManager[object]:
        return nullcontext()

    def record(self, step: Callable[[], None]) -> Callable[[], None]:
        self.replays.append(0)

        def replay() -> None:
            self.replays[-1] += 1
            self.replayed(step)

        return replay

    def replayed(self, step: Callable[[], None]) -> None:
        step()


class Nothing(StandIn):
    """As a graph into which a rate of 0 was written."""

    def replayed(self, step: Callable[[], None]) -> None:
        pass


class Twice(StandIn):
    def replayed(self, step: Callable[[], None]) -> None:
        step()
        step()


class OtherNoise(StandIn):
    """As a graph that does not follow the generator."""

    def replayed(self, step: Callable[[], None]) -> None:
        torch.rand(1)
        step()


class Raising(StandIn):
    """What cannot be captured; some of the step has been made by then."""

    def record(self, step: Callable[[], None]) -> Callable[[], None]:
        super().record(step)
        step()
        raise RuntimeError("operation not permitted when stream is capturing")


class Breaking(StandIn):
    def replayed(self, step: Callable[[], None]) -> None:
        step()
        raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five steps in all are enough for a graph."""
    monkeypatch.setattr(graph, "FEWEST", 5)
    use(monkeypatch, StandIn)


def use(monkeypatch: pytest.MonkeyPatch, recorder: type[StandIn]) -> None:
    monkeypatch.setitem(graph.RECORDERS, "cpu", recorder)
    monkeypatch.setattr(StandIn, "replays", [])


def learner_of(config: Config = SMALL, data: Development = DATA) -> NetLearner:
    found = build(config, data, seed=1, threads=1, device="cpu")
    assert isinstance(found, NetLearner)
    return found


def eagerly(monkeypatch: pytest.MonkeyPatch, config: Config = SMALL) -> list[np.ndarray]:
    with monkeypatch.context() as patch:
        patch.setenv(graph.SWITCH, "0")
        return trained(learner_of(config))


def trained(learner: NetLearner, epochs: int = EPOCHS) -> list[np.ndarray]:
    return [learner.advance() for _ in range(epochs)]


def graphed(learner: NetLearner) -> Graphed:
    assert isinstance(learner.steps, Graphed)
    return learner.steps


CONFIGS = [
    {"optimizer": "sgd"},
    {"optimizer": "momentum", "momentum": 0.8},
    {"optimizer": "adam", "weight_decay": 0.01},
    {"optimizer": "adamw", "weight_decay": 0.1},
    {"schedule": "cosine", "epochs": EPOCHS},
    {"schedule": "one_cycle", "epochs": EPOCHS},
    {"dropout": 0.4},
    {"norm": None},
    {"precision": "bf16"},
]


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("choice", CONFIGS, ids=str)
def test_replayed_steps_give_the_numbers_of_eager_ones(
    choice: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {**SMALL, **choice}
    learner = learner_of(config)
    np.testing.assert_array_equal(trained(learner), eagerly(monkeypatch, config))
    assert graphed(learner).replays
    # Three of twenty full batches are warm-up; the fourth is replayed and made again.
    assert StandIn.replays == [17]


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("recorder", [Nothing, Twice, Raising, Breaking])
def test_a_graph_that_is_wrong_or_cannot_be_is_not_used(
    recorder: type[StandIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, recorder)
    learner = learner_of({**SMALL, "dropout": 0.4})
    np.testing.assert_array_equal(trained(learner), eagerly(monkeypatch, {**SMALL, "dropout": 0.4}))
    assert not graphed(learner).replays
    assert graphed(learner).refused
    assert StandIn.replays == [0 if recorder is Raising else 1]  # it is not tried again


@pytest.mark.usefixtures("few")
def test_a_graph_with_random_numbers_of_its_own_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use(monkeypatch, OtherNoise)
    noisy = {**SMALL, "dropout": 0.4}
    learner = learner_of(noisy)
    np.testing.assert_array_equal(trained(learner), eagerly(monkeypatch, noisy))
    assert graphed(learner).refused == "a replayed step gives other numbers than an eager one"


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("choice", CONFIGS, ids=str)
def test_a_checkpoint_is_taken_up_in_the_midst_of_replays(
    choice: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {**SMALL, **choice}
    straight, other = learner_of(config), learner_of(config)
    expected = eagerly(monkeypatch, config)
    np.testing.assert_array_equal(trained(straight, 2), expected[:2])
    saved = straight.checkpoint()
    trained(other, 1)  # it has a graph of its own, of steps in another state
    assert graphed(other).replays
    other.restore({name: array.copy() for name, array in saved.items()})
    assert "steps" not in vars(other)  # a graph of CUDA's would go on with the state of before
    np.testing.assert_array_equal(trained(other, 2), expected[2:])
    assert graphed(other).replays
    np.testing.assert_array_equal(trained(straight, 2), expected[2:])


@pytest.mark.usefixtures("few")
def test_a_learner_that_lets_go_of_its_rows_drops_the_graph_that_reads_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ending = {**SMALL, "schedule": "cosine", "epochs": EPOCHS}
    learner = learner_of(ending)
    assert learner.steps._planned == 5 * EPOCHS  # type: ignore[attr-defined]
    found = []
    for _ in range(EPOCHS):
        found.append(learner.advance())
        learner.release()
        assert not {"_rows", "steps"} & vars(learner).keys()
        assert learner.steps._planned == 5  # type: ignore[attr-defined]  # those of one epoch
        learner.release()
    np.testing.assert_array_equal(found, eagerly(monkeypatch, ending))


@pytest.mark.parametrize(
    ("fewest", "choice", "first"),
    [
        (5, {}, 3),  # an epoch has five full batches, of which three are warm-up
        (9, {}, 4),  # four were made, and five are an epoch
        (20, {}, 15),
        (20, {"schedule": "cosine", "epochs": EPOCHS}, 3),  # all are planned from the start
        (100, {}, None),
    ],
)
def test_a_graph_begins_once_enough_steps_are_planned(
    fewest: int, choice: Config, first: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, StandIn)
    monkeypatch.setattr(graph, "FEWEST", fewest)
    trained(learner_of({**SMALL, **choice}))
    assert StandIn.replays == ([] if first is None else [20 - first])


@pytest.mark.usefixtures("few")
def test_a_batch_of_all_rows_is_replayed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    config = {**SMALL, "batch_size": 1000}
    monkeypatch.setattr(graph, "FEWEST", 1)
    learner = learner_of(config)
    np.testing.assert_array_equal(trained(learner, 6)[:EPOCHS], eagerly(monkeypatch, config))
    assert StandIn.replays == [3]


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("optimizer", ["rmsprop", "adadelta"])
def test_an_optimizer_that_is_not_fused_trains_eagerly(optimizer: str) -> None:
    learner = learner_of({**SMALL, "optimizer": optimizer})
    learner.advance()
    assert isinstance(learner.steps, Step)


@pytest.mark.usefixtures("few")
def test_they_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FESEARCH_CUDA_GRAPHS", "0")
    assert isinstance(learner_of().steps, Step)
    monkeypatch.setenv("FESEARCH_CUDA_GRAPHS", "1")
    assert isinstance(learner_of().steps, Graphed)


def test_a_cpu_has_none() -> None:
    assert isinstance(learner_of().steps, Step)


def test_a_capture_is_on_the_stream_that_steps_are_made_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is said to torch, since no GPU may be here to do it."""
    said: list[object] = []

    class Stream:
        device = "cuda:0"

        def __init__(self, name: object) -> None:
            self.name = name

        def wait_stream(self, other: "Stream") -> None:
            said.append((self.name, "waits for", other.name))

    class Graph:
        def replay(self) -> None:
            said.append("replay")

    @contextmanager
    def entered(what: object, stream: Stream | None = None) -> Iterator[None]:
        said.append(("enter", (stream or what).name))  # type: ignore[attr-defined]
        try:
            yield
        finally:
            said.append("leave")

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream("outer"))
    monkeypatch.setattr(torch.cuda, "stream", entered)
    monkeypatch.setattr(torch.cuda, "graph", entered)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    graph.own_stream.cache_clear()
    recorder = graph.CudaRecorder("own")  # type: ignore[arg-type]
    assert graph.CudaRecorder("own")._stream is recorder._stream  # type: ignore[arg-type]
    graph.own_stream.cache_clear()
    with recorder.running():
        recorder.record(lambda: said.append("step"))()
    assert said == [
        ("own", "waits for", "outer"),
        ("enter", "own"),
        *[("enter", "own"), "step", "leave"],
        *["replay", "leave"],
        ("outer", "waits for", "own"),
    ]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("choice", CONFIGS, ids=str)
def test_on_a_gpu_replayed_steps_give_the_numbers_of_eager_ones(
    choice: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "FEWEST", 5)
    config = {**SMALL, **choice}
    learner = build(config, DATA, seed=1, threads=1, device="cuda")
    assert isinstance(learner, NetLearner)
    found = trained(learner)
    assert not graphed(learner).refused
    assert graphed(learner).replays
    monkeypatch.setenv(graph.SWITCH, "0")
    eager = build(config, DATA, seed=1, threads=1, device="cuda")
    assert isinstance(eager, NetLearner)
    np.testing.assert_allclose(found, trained(eager), atol=1e-2)
