"""What bf16 and TF32 do to the validation MAE of networks, on one core of a CPU.

    python benchmarks/precision.py ../shared/data/mp_e_form_folds.csv.gz

An irnet of 8 layers and a dnn, both at a quarter of the published width, are trained for a few
epochs on fold 0 of mp_e_form (a twentieth of its training formulas, the whole validation part, no
test row), in fp32, in bf16 and in an emulation of TF32, from the same seeds. No CPU has TF32: here
the factors of each product of matrices, forward and backward, are rounded to its 10 bits of
mantissa, to nearest, and multiplied and summed in fp32, as a GPU does it but for the order of sums.

A line is one network in one precision: mean and standard deviation over seeds of the least
validation MAE of a training, and the mean difference from fp32 at the same seed with its standard
error. CPU seconds are those of training and validation; those of bf16 and of the emulation say
nothing of a GPU's. ``--smoke`` trains on a hundred of these rows for one epoch and writes nothing.
"""

import argparse
import csv
import gzip
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _results import write
from torch.utils._python_dispatch import TorchDispatchMode

from fesearch import dataset, split
from fesearch.family import FAMILIES
from fesearch.features import build
from fesearch.featureset import Inputs
from fesearch.nets.step import Stepping
from fesearch.nets.train import NetLearner
from fesearch.space import Config
from fesearch.split import Development
from fesearch.splitspec import SplitSpec

SPLIT = "column:fold0,train=0.05"
SEEDS = 5
EPOCHS = 10
NETWORKS: dict[str, Config] = {
    "irnet": {"depth": 8, "width": 0.25},
    "dnn": {"depth": 6, "width": 0.25, "loss": "mae", "optimizer": "adam"},
}
COMMON: Config = {"learning_rate": 1e-3, "batch_size": 64}
EMULATED = "tf32, emulated"
PRECISIONS = ("fp32", "bf16", EMULATED)
FACTORS = {torch.ops.aten.mm.default: 0, torch.ops.aten.addmm.default: 1}
"""Products of matrices, all that fully connected layers have -> where their factors begin."""


def tf32(x: torch.Tensor) -> torch.Tensor:
    """Numbers in float32 without the last 13 of their 23 bits, rounded to nearest, ties to even."""
    bits = x.view(torch.int32)
    return ((bits + 0xFFF + ((bits >> 13) & 1)) & ~0x1FFF).view(torch.float32)


class RoundedFactors(TorchDispatchMode):
    """Inside, products of matrices are of factors rounded by ``tf32``, in the backward pass too."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if (first := FACTORS.get(func)) is not None:
            a, b = map(tf32, args[first : first + 2])
            args = (*args[:first], a, b, *args[first + 2 :])
        return func(*args, **(kwargs or {}))


class Emulated:
    """Steps in an emulation of TF32; validation comes after them, in fp32."""

    def __init__(self, steps: Stepping) -> None:
        self._steps = steps

    @contextmanager
    def running(self) -> Iterator[None]:
        with self._steps.running(), RoundedFactors():
            yield

    def __call__(self, rows: torch.Tensor, rate: float) -> None:
        self._steps(rows, rate)


def fold(file: Path, smoke: bool) -> Development:
    """Training and validation rows of fold 0, with the features of ``magpie``."""
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["fold0"]]
    data = dataset.make(
        "mp_e_form",
        [row["formula"] for row in rows],
        {"target": [float(row["target"]) for row in rows]},
        {"target": "eV/atom"},
        columns={"fold0": [row["fold0"] for row in rows]},
    )
    made, y = split.make(data, SplitSpec.parse(SPLIT)), data.target("target")
    train, val = (part[:100] if smoke else part for part in (made.train, made.val))
    x = [
        build("magpie", Inputs.of_formulas([data.formulas[row] for row in part])).matrix
        for part in (train, val)
    ]
    return Development(x[0], y[train], x[1], y[val])


def least(family: str, config: Config, data: Development, seed: int, epochs: int) -> float:
    """The least validation MAE of a training, eV/atom."""
    emulated = config["precision"] == EMULATED
    if emulated:
        config = {**config, "precision": "fp32"}
    learner = FAMILIES.get(family).build(config, data, seed=seed, threads=1, device="cpu")
    assert isinstance(learner, NetLearner)
    if emulated:
        learner.steps = Emulated(learner.steps)
    return min(float(np.mean(np.abs(learner.advance() - data.val_y))) for _ in range(epochs))


def compared(family: str, data: Development, seeds: int, epochs: int) -> list[dict[str, Any]]:
    """The lines of a network, fp32 first."""
    config = {**FAMILIES.get(family).best, **COMMON, **NETWORKS[family]}
    lines, plain = [], np.zeros(seeds)
    for precision in PRECISIONS:
        began = time.process_time()
        found = np.array(
            [
                least(family, {**config, "precision": precision}, data, seed, epochs)
                for seed in range(seeds)
            ]
        )
        seconds = time.process_time() - began
        plain = found if precision == "fp32" else plain
        apart = found - plain
        lines.append(
            {
                "network": family,
                "precision": precision,
                "train_rows": len(data.train_y),
                "val_rows": len(data.val_y),
                "epochs": epochs,
                "seeds": seeds,
                "val_mae": round(float(found.mean()), 5),
                "deviation": round(float(found.std(ddof=1)), 5),
                "difference": round(float(apart.mean()), 5),
                "standard_error": round(float(apart.std(ddof=1)) / seeds**0.5, 5),
                "cpu_seconds": round(seconds, 1),
            }
        )
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, help="mp_e_form_folds.csv.gz")
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    data = fold(given.file, given.smoke)
    seeds, epochs = (2, 1) if given.smoke else (SEEDS, EPOCHS)
    lines = [line for family in NETWORKS for line in compared(family, data, seeds, epochs)]
    if not given.smoke:
        write("precision", lines)


if __name__ == "__main__":
    main()
