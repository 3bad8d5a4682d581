"""Training steps as CUDA graphs: the kernels of a step recorded once, then launched all at once.

A small network is bound by the launches of its kernels, which a graph does without. Its numbers are
those of eager steps; where that is not so, or a step cannot be recorded, training goes on eagerly.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Protocol

import torch

from fesearch.nets.optimizer import FUSED
from fesearch.nets.step import Step, Stepping

SWITCH = "FESEARCH_CUDA_GRAPHS"
"""Environment variable; "0" trains without graphs."""
WARM_UP = 3
"""Steps before a capture, in which libraries choose kernels and allocate; as torch does it."""
FEWEST = 100
"""Steps that have to be planned for a graph: capture and check take as long as some tens of them.

Those planned are the ones that were, and an epoch more, or all epochs of a config with an end.
"""
TOLERANCE = 1e-3
"""Of the largest change that a step makes in a tensor: how far a replay may be from it.

What goes wrong with a graph (a number that was recorded in place of where it stands, rows or random
numbers that do not change) is as large as the change itself.
"""

_log = logging.getLogger(__name__)


class Recorder(Protocol):
    """How a device records a step; the one thing here that needs a GPU."""

    rate_type: torch.dtype

    def __init__(self, device: torch.device) -> None: ...

    def running(self) -> AbstractContextManager[object]:
        """Where steps are made, eager ones too."""

    def record(self, step: Callable[[], None]) -> Callable[[], None]:
        """What makes the step anew, with the values that the tensors it reads have by then.

        Raises:
            RuntimeError: it cannot be recorded.
        """


@cache
def own_stream(device: torch.device) -> torch.cuda.Stream:
    """One for all trainings of this process, one after the other: each keeps memory of its own."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


class CudaRecorder:
    """CUDA graphs of torch, on a stream that is not the default one, as a capture must be."""

    rate_type = torch.float32  # fused kernels read the learning rate on the device as such

    def __init__(self, device: torch.device) -> None:
        self._stream = own_stream(device)

    @contextmanager
    def running(self) -> Iterator[None]:
        outer = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(outer)
        try:
            with torch.cuda.stream(self._stream):
                yield
        finally:
            outer.wait_stream(self._stream)

    def record(self, step: Callable[[], None]) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream):
            step()
        return graph.replay


RECORDERS: dict[str, type[Recorder]] = {"cuda": CudaRecorder}
"""Device -> what records its steps; other devices train eagerly."""


def stepping(step: Step, optimizer: str, *, size: int, planned: int) -> Stepping:
    """The step itself, or where its device and optimizer allow it one that becomes a graph.

    Args:
        optimizer: fused ones alone take a learning rate that changes after the capture.
        size: rows of most batches.
        planned: batches of that size which are sure to come.
    """
    recorder = RECORDERS.get(step.device.type)
    if recorder is None or optimizer not in FUSED or os.environ.get(SWITCH) == "0":
        return step
    return Graphed(step, recorder(step.device), size=size, planned=planned)


class Graphed:
    """A step that is replayed from a graph, once enough are planned. Implements ``Stepping``.

    The first steps are eager, and so are those of other batches than most. The one at which the
    graph is captured is made twice from the same weights and random numbers: replayed, then eager.
    The second one counts, and tells whether the graph is used from there on.
    """

    def __init__(self, step: Step, recorder: Recorder, *, size: int, planned: int) -> None:
        self._step, self._recorder = step, recorder
        self._rows = torch.zeros(size, dtype=torch.int64, device=step.device)
        self._rate = torch.zeros((), dtype=recorder.rate_type, device=step.device)
        self._planned = planned
        self._done = 0
        self._replay: Callable[[], None] | None = None
        self.refused = ""  # why no graph is used

    @property
    def replays(self) -> bool:
        """Whether a graph is in use."""
        return self._replay is not None

    @contextmanager
    def running(self) -> Iterator[None]:
        with self._step.running(), self._recorder.running():
            yield

    def __call__(self, rows: torch.Tensor, rate: float) -> None:
        if self.refused:
            self._step(rows, rate)
            return
        self._rate.fill_(rate)
        if len(rows) != len(self._rows):
            self._step(rows, self._rate)
            return
        self._rows.copy_(rows)
        if self._replay is not None:
            self._replay()
        elif self._done >= WARM_UP and self._done + self._planned >= FEWEST:
            self._begin(rows, rate)
        else:
            self._eager()
        self._done += 1

    def _eager(self) -> None:
        self._step(self._rows, self._rate)

    def _begin(self, rows: torch.Tensor, rate: float) -> None:
        """Capture the step, and make it with and without the graph."""
        before = _copies(self._step.state())
        replayed: Mapping[str, torch.Tensor] = {}
        devices = [self._step.device] if self._step.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            try:
                # A rate that were recorded as a number would be 0, and show.
                self._rate.zero_()
                replay = self._recorder.record(self._eager)
                self._rate.fill_(rate)
                replay()
                replayed = _copies(self._step.state())
            except RuntimeError as error:
                self.refused = str(error) or type(error).__name__
        self._rate.fill_(rate)
        for name, value in self._step.state().items():
            value.copy_(before[name])
        self._eager()
        if not self.refused and not _alike(replayed, self._step.state(), before):
            self.refused = "a replayed step gives other numbers than an eager one"
        if self.refused:
            _log.info("Training goes on without CUDA graphs: %s.", self.refused)
        else:
            self._replay = replay


def _copies(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in tensors.items()}


def _alike(
    found: Mapping[str, torch.Tensor],
    expected: Mapping[str, torch.Tensor],
    before: Mapping[str, torch.Tensor],
) -> bool:
    """Whether a step from ``before`` led to the same numbers, but for rounding; NaN is not."""
    rounding = 2 * torch.finfo(torch.float32).eps
    verdicts = []
    for name, value in expected.items():
        wanted = value.detach().double()
        change = (wanted - before[name].double()).abs().amax()
        apart = (found[name].double() - wanted).abs().amax()
        verdicts.append(apart <= TOLERANCE * change + rounding * wanted.abs().amax())
    return bool(torch.stack(verdicts).all())
