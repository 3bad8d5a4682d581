"""What bf16 does to the validation MAE of networks, on one core of a CPU.

    python benchmarks/precision.py ../shared/data/mp_e_form_folds.csv.gz

An irnet of 8 layers and a dnn, both at a quarter of the published width, are trained for a few
epochs on fold 0 of mp_e_form (a twentieth of its training formulas, the whole validation part, no
test row), in fp32 and in bf16 from the same seeds. A line is one network in one precision: mean and
standard deviation over seeds of the least validation MAE of a training, and the mean difference
from fp32 at the same seed with its standard error. CPU seconds are those of training and
validation; those of bf16 say nothing of a GPU's, since few CPUs compute in it. ``--smoke`` trains
on a hundred of these rows for one epoch and writes nothing.
"""

import argparse
import csv
import gzip
import time
from pathlib import Path
from typing import Any

import numpy as np
from _results import write

from fesearch import dataset, split
from fesearch.family import FAMILIES
from fesearch.features import build
from fesearch.featureset import Inputs
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
    learner = FAMILIES.get(family).build(config, data, seed=seed, threads=1, device="cpu")
    return min(float(np.mean(np.abs(learner.advance() - data.val_y))) for _ in range(epochs))


def compared(family: str, data: Development, seeds: int, epochs: int) -> list[dict[str, Any]]:
    """The lines of a network, fp32 before bf16."""
    config = {**FAMILIES.get(family).best, **COMMON, **NETWORKS[family]}
    lines, plain = [], np.zeros(seeds)
    for precision in ("fp32", "bf16"):
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
