"""Training of networks on one GPU: samples a second eager, as CUDA graphs, and side by side.

    PYTHONPATH=. python benchmarks/gpu.py [--device cuda] [--out results.csv]

needs numpy, torch and this package, and nothing else. For irnet of 17, 24 and 48 layers and a dnn
of 3 layers (128 at the widest), at batch 64 and 1,024, it measures

- ``eager``: as a trial trains without CUDA graphs (``NetLearner``, an epoch at a time);
- ``graph``: as a trial trains with them (``fesearch.nets.graph``), ``refused`` where it did not;
- ``graphs``: 2 to 16 such networks, each a graph on a stream of its own, replayed in turns.

The first two in fp32, TF32 and bf16. Numbers are training samples a second, of all networks
together, medians over repeats in one run. Rows are random: speed does not depend on them. A CPU has
the eager figures alone. ``--smoke`` takes few rows and the smallest networks.
"""

import argparse
import csv
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from fesearch.family import FAMILIES
from fesearch.nets import graph
from fesearch.nets.config import PRECISIONS
from fesearch.nets.graph import SWITCH, WARM_UP, CudaRecorder, Graphed
from fesearch.nets.optimizer import Optimizer
from fesearch.nets.stack import Stack
from fesearch.nets.step import Step
from fesearch.nets.train import NetLearner
from fesearch.space import Config
from fesearch.split import Development

WIDTH = 145  # of magpie
REPEATS = 5
NETWORKS: dict[str, tuple[str, Config]] = {
    "irnet-17": ("irnet", {"depth": 17, "width": 1.0}),
    "irnet-24": ("irnet", {"depth": 24, "width": 1.0}),
    "irnet-48": ("irnet", {"depth": 48, "width": 1.0}),
    "dnn-3x128": ("dnn", {"depth": 3, "width": 0.125}),
}
RATE = 1e-4
COMMON: Config = {
    "activation": "relu",
    "output_activation": None,
    "norm": "before",
    "loss": "mae",
    "optimizer": "adam",
    "learning_rate": RATE,
}
SHORTCUTS = {"irnet": "layer", "dnn": "none"}


def config_of(name: str, batch: int, precision: str = "fp32") -> Config:
    """The config of a network of ``NETWORKS`` at a batch size."""
    return {**COMMON, **NETWORKS[name][1], "batch_size": batch, "precision": precision}


def rows_of(count: int) -> tuple[np.ndarray, np.ndarray]:
    """So many random rows of features and targets."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(count, WIDTH)).astype(np.float32)
    return x, draw.normal(size=count)


def rate(work: Callable[[], int], device: str) -> float:
    """Samples a second of ``work``, which returns how many it trained on; the median of repeats."""
    rates = []
    work()
    for _ in range(REPEATS):
        _settle(device)
        began = time.perf_counter()
        count = work()
        _settle(device)
        rates.append(count / (time.perf_counter() - began))
    return statistics.median(rates)


def _settle(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def trial(
    name: str, batch: int, rows: int, device: str, precision: str, graphs: bool
) -> tuple[str, float]:
    """As a trial trains: whether by a graph, and how fast."""
    os.environ[SWITCH] = "1" if graphs else "0"
    graph.FEWEST = 0  # a capture after the warm-up, however few steps there are
    x, y = rows_of(rows + 2)
    data = Development(x[:-2], y[:-2], x[-2:], y[-2:])
    family = FAMILIES.get(NETWORKS[name][0])
    config = config_of(name, batch, precision)
    learner = family.build(config, data, seed=0, threads=1, device=device)
    assert isinstance(learner, NetLearner)

    def epoch() -> int:
        learner.advance()
        return rows

    if graphs:
        epoch()  # in which, or in the next one, its graph is captured
    found = rate(epoch, device)
    if not graphs:
        return "eager", found
    replays = isinstance(learner.steps, Graphed) and learner.steps.replays
    return "graph" if replays else "refused", found


class Apart(CudaRecorder):
    """Streams of their own, that do not wait for each other."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    @contextmanager
    def running(self) -> Iterator[None]:
        with torch.cuda.stream(self._stream):
            yield


class Captured:
    """A network whose training step is one CUDA graph on a stream of its own."""

    def __init__(self, name: str, batch: int, rows: int) -> None:
        shortcut: Any = SHORTCUTS[NETWORKS[name][0]]
        x, y = rows_of(rows)
        net = Stack.of(config_of(name, batch), inputs=WIDTH, shortcut=shortcut).net().cuda()
        step = Step(
            net,
            Optimizer("adam", net.parameters(), decay=0.0),
            functional.l1_loss,
            torch.from_numpy(x).cuda(),
            torch.from_numpy(y.astype(np.float32)).cuda(),
            "fp32",
        )
        self._recorder = Apart(torch.device("cuda"))
        self._graphed = Graphed(step, self._recorder, size=batch, planned=rows)
        rows_of_batch = torch.arange(batch, device="cuda")
        torch.cuda.synchronize()  # what was made so far is on another stream
        for _ in range(WARM_UP + 1):
            self.step(rows_of_batch)
        if self._graphed.refused:
            sys.exit(f"No graph of {name}: {self._graphed.refused}")

    def step(self, rows: torch.Tensor) -> None:
        """One step on the rows of these numbers."""
        with self._recorder.running():
            self._graphed(rows, RATE)


def graphs(name: str, batch: int, rows: int, models: int) -> float:
    """So many captured networks in turns, each with all rows once."""
    held = [Captured(name, batch, rows) for _ in range(models)]

    def epoch() -> int:
        steps = torch.randperm(rows, device="cuda").split(batch)
        whole = [one for one in steps if len(one) == batch]
        torch.cuda.synchronize()  # the order is drawn on another stream
        for one in whole:
            for captured in held:
                captured.step(one)
        return models * batch * len(whole)

    return rate(epoch, "cuda")


class Case(NamedTuple):
    """A line of the table; more models than one are replayed side by side."""

    network: str
    batch: int
    precision: str
    mode: str
    models: int = 1


def cases(smoke: bool, device: str) -> list[Case]:
    """All that is measured on a device."""
    names = ["dnn-3x128"] if smoke else list(NETWORKS)
    modes = ["eager"] if device == "cpu" else ["eager", "graph"]
    counts = [] if device == "cpu" else [2, 4, 8, 16]
    found = []
    for name in names:
        for batch in (64, 1024):
            found += [Case(name, batch, kind, mode) for kind in PRECISIONS for mode in modes]
            found += [Case(name, batch, "fp32", "graphs", count) for count in counts]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", choices=["cpu", "cuda"])
    parser.add_argument("--out", type=Path, help="CSV to write too")
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    device = given.device or ("cuda" if torch.cuda.is_available() else "cpu")
    shown = torch.cuda.get_device_name() if device == "cuda" else "CPU, 1 thread"
    out = [sys.stdout] + ([given.out.open("w", newline="")] if given.out else [])
    writers = [csv.writer(file) for file in out]
    fields = ("device", "torch", *Case._fields, "samples_per_second")
    for writer in writers:
        writer.writerow(fields)
    for case in cases(given.smoke, device):
        name, batch, precision, mode, models = case
        rows = batch * (4 if given.smoke or device == "cpu" else 100)
        if mode == "graphs":
            found = graphs(name, batch, rows, models)
        else:
            mode, found = trial(name, batch, rows, device, precision, mode == "graph")
        line = (shown, torch.__version__, *case._replace(mode=mode), round(found))
        for writer, file in zip(writers, out, strict=True):
            writer.writerow(line)
            file.flush()


if __name__ == "__main__":
    main()
