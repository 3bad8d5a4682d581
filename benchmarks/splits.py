"""Divisions: seconds they take, and how many test rows have their formula in training.

    python benchmarks/splits.py ../shared/data/{mp_e_form_raw,oqmd_bandgap}.csv.gz

divides each file (CSV with columns ``formula`` and ``target``, gzip or not) at random, without
groups, grouped by reduced formula and by chemical system, in five repetitions and in five folds. A
line a division goes to benchmarks/results/. Seconds are from data set to roles and fingerprints, of
all members of a repeated division together; CPU seconds are given too, because the machine may have
other work. Without files the data set that comes with the package is divided; ``--smoke`` writes
nothing.
"""

import argparse
import csv
import gzip
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _results import write

from fesearch import dataset, library
from fesearch.dataset import Dataset
from fesearch.split import make, members
from fesearch.splitspec import SplitSpec

HERE = Path(__file__).resolve().parent
SPLITS = ("random:group=none", "random", "random:group=system", "repeated", "kfold")


def read(file: Path) -> Dataset:
    """The data set in a CSV file."""
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "rt", encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    targets = {"target": [float(row["target"]) for row in rows]}
    name = file.name.split(".")[0]
    return dataset.make(name, [row["formula"] for row in rows], targets, {"target": "eV/atom"})


def strings_told(data: Dataset, train: list[int], test: list[int]) -> float:
    """The share of test rows whose formula, as it is written, is in training."""
    told = {data.formulas[row] for row in train}
    return sum(data.formulas[row] in told for row in test) / len(test)


def measure(data: Dataset) -> Iterator[dict[str, Any]]:
    """A line for each division; shares are those of the first member."""
    for text in SPLITS:
        spec = SplitSpec.parse(text)
        began, used = time.perf_counter(), time.process_time()
        split = make(data, spec) if spec.count is None else members(data, spec).members[0]
        seconds, cpu = time.perf_counter() - began, time.process_time() - used
        rows = len(split.test)
        written = strings_told(data, split.train.tolist(), split.test.tolist())
        yield {
            "data": data.name,
            "rows": len(data),
            "split": text,
            "members": spec.count or 1,
            "seconds": round(seconds, 2),
            "cpu_seconds": round(cpu, 2),
            "test_rows": rows,
            "string_in_training": round(written, 4),
            "formula_in_training": round(split.crossing["formulas"].test_rows / rows, 4),
            "system_in_training": round(split.crossing["systems"].test_rows / rows, 4),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", type=Path, nargs="*", help="CSV with columns formula and target")
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    sets = map(read, given.files) if given.files else [library.load("miedema")]
    lines = []
    for data in sets:
        for line in measure(data):
            print("  ".join(f"{name}={value}" for name, value in line.items()), flush=True)
            lines.append(line)
    if not given.smoke:
        write("splits", lines)


if __name__ == "__main__":
    main()
