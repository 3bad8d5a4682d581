"""Training of networks on one GPU: samples a second eager, as CUDA graphs, and side by side.

    PYTHONPATH=. python benchmarks/gpu.py [--device cuda] [--out results.csv]

needs numpy, torch and this package, and nothing else. For irnet of 17, 24 and 48 layers and a dnn
of 3 layers (128 at the widest), at batch 64 and 1,024, it measures

- ``eager``: as a trial trains (``NetLearner``, an epoch at a time);
- ``graph``: one step of the same network captured as a CUDA graph and replayed;
- ``graphs``: 2 to 16 such networks, each a graph on a stream of its own, replayed in turns.

Numbers are training samples a second, of all networks together, medians over repeats in one run.
Rows are random: speed does not depend on them. A CPU has the eager figures alone. ``--smoke`` takes
few rows and the smallest networks.
"""

import argparse
import csv
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from fesearch.family import FAMILIES
from fesearch.nets.stack import Stack
from fesearch.space import Config
from fesearch.split import Development

WIDTH = 145  # of magpie
REPEATS = 5
WARM = 11  # steps before a capture, as torch's documentation has it
NETWORKS: dict[str, tuple[str, Config]] = {
    "irnet-17": ("irnet", {"depth": 17, "width": 1.0}),
    "irnet-24": ("irnet", {"depth": 24, "width": 1.0}),
    "irnet-48": ("irnet", {"depth": 48, "width": 1.0}),
    "dnn-3x128": ("dnn", {"depth": 3, "width": 0.125}),
}
COMMON: Config = {
    "activation": "relu",
    "output_activation": None,
    "norm": "before",
    "loss": "mae",
    "optimizer": "adam",
    "learning_rate": 1e-4,
}
SHORTCUTS = {"irnet": "layer", "dnn": "none"}


def config_of(name: str, batch: int) -> Config:
    """The config of a network of ``NETWORKS`` at a batch size."""
    return {**COMMON, **NETWORKS[name][1], "batch_size": batch}


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


def eager(name: str, batch: int, rows: int, device: str) -> float:
    """As a trial trains."""
    x, y = rows_of(rows + 2)
    data = Development(x[:-2], y[:-2], x[-2:], y[-2:])
    family = FAMILIES.get(NETWORKS[name][0])
    learner = family.build(config_of(name, batch), data, seed=0, threads=1, device=device)

    def epoch() -> int:
        learner.advance()
        return rows

    return rate(epoch, device)


class Captured:
    """A network whose training step is one CUDA graph on a stream of its own."""

    def __init__(self, name: str, batch: int, rows: int) -> None:
        shortcut: Any = SHORTCUTS[NETWORKS[name][0]]
        self.stream = torch.cuda.Stream()
        x, y = rows_of(rows)
        with torch.cuda.stream(self.stream):
            net = Stack.of(config_of(name, batch), inputs=WIDTH, shortcut=shortcut).net().cuda()
            optimizer = torch.optim.Adam(net.parameters(), lr=1e-4, fused=True, capturable=True)
            self.x = torch.from_numpy(x).cuda()
            self.y = torch.from_numpy(y.astype(np.float32)).cuda()
            self.batch_x, self.batch_y = self.x[:batch].clone(), self.y[:batch].clone()

            def step() -> None:
                optimizer.zero_grad(set_to_none=True)
                functional.l1_loss(net(self.batch_x), self.batch_y).backward()
                optimizer.step()

            for _ in range(WARM):
                step()
            self.stream.synchronize()
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph, stream=self.stream):
                step()

    def step(self, rows: torch.Tensor) -> None:
        """One step on the rows of these numbers."""
        with torch.cuda.stream(self.stream):
            torch.index_select(self.x, 0, rows, out=self.batch_x)
            torch.index_select(self.y, 0, rows, out=self.batch_y)
            self.graph.replay()


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


def cases(smoke: bool, device: str) -> list[tuple[str, int, int]]:
    """Network, batch size, models side by side; 0 models is eager."""
    names = ["dnn-3x128"] if smoke else list(NETWORKS)
    counts = [0] if device == "cpu" else [0, 1, 2, 4, 8, 16]
    return [(name, batch, models) for name in names for batch in (64, 1024) for models in counts]


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
    fields = ("device", "torch", "network", "batch", "mode", "models", "samples_per_second")
    for writer in writers:
        writer.writerow(fields)
    for name, batch, models in cases(given.smoke, device):
        rows = batch * (4 if given.smoke or device == "cpu" else 100)
        if models == 0:
            mode, found = "eager", eager(name, batch, rows, device)
        else:
            mode = "graph" if models == 1 else "graphs"
            found = graphs(name, batch, rows, models)
        line = (shown, torch.__version__, name, batch, mode, max(models, 1), round(found))
        for writer, file in zip(writers, out, strict=True):
            writer.writerow(line)
            file.flush()


if __name__ == "__main__":
    main()
