"""Magpie features: fesearch against matminer, and a whole file into the cache.

    python benchmarks/features.py --file ../shared/data/oqmd_bandgap.csv.gz

computes the features of the same formulas with both in one run, each from text and on one core,
checks that they are equal, and prints compositions a second and their ratio; then takes every
formula of the file to a cached float32 matrix, and prints seconds and peak memory. A line with
device and commit goes to benchmarks/results/. Rates are of processor time, because the machine may
have other work. Without ``--file`` the formulas are those of the data set that comes with the
package; ``--smoke`` takes few and writes nothing.
"""

import argparse
import csv
import gzip
import os
import platform
import random
import resource
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from fesearch import featureset, library

HERE = Path(__file__).resolve().parent
MIB_PER_RSS = 1 / 1024  # ru_maxrss is in KiB on Linux


def read(file: Path | None) -> list[str]:
    """The column ``formula`` of a CSV file, gzip or not; without one, the alloys of Miedema."""
    if file is None:
        return list(library.load("miedema").formulas)
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "rt", encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines)
        column = next(rows).index("formula")
        return [row[column] for row in rows]


def matminer_rows() -> Callable[[Sequence[str]], np.ndarray]:
    """Formulas -> the same columns by matminer, one formula at a time."""
    from matminer.featurizers.base import MultipleFeaturizer
    from matminer.featurizers.composition import (
        ElementProperty,
        IonProperty,
        Stoichiometry,
        ValenceOrbital,
    )
    from pymatgen.core.composition import Composition

    warnings.filterwarnings("ignore", "No Pauling electronegativity", UserWarning)
    featurizer = MultipleFeaturizer(
        [
            Stoichiometry(),
            ElementProperty.from_preset("magpie", impute_nan=False),
            ValenceOrbital(props=["avg"], impute_nan=False),
            IonProperty(fast=True, impute_nan=False),
        ]
    )
    return lambda formulas: np.array(
        [featurizer.featurize(Composition(text)) for text in formulas], dtype=np.float64
    )


def per_second(
    compute: Callable[[Sequence[str]], np.ndarray], formulas: Sequence[str]
) -> tuple[float, np.ndarray]:
    """Formulas per second of processor time, and what was computed; one is done before."""
    compute(["NaCl"])
    began = time.process_time()
    rows = compute(formulas)
    return len(formulas) / (time.process_time() - began), rows


def whole_file(file: Path | None) -> dict[str, Any]:
    """Seconds and peak memory of this process from file to a matrix in an empty cache."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ["FESEARCH_CACHE_DIR"] = cache
        began, used = time.perf_counter(), time.process_time()
        features = featureset.build("magpie", read(file))
        seconds, cpu = time.perf_counter() - began, time.process_time() - used
        assert featureset.cached()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MIB_PER_RSS
    return {
        "file_formulas": len(features.matrix),
        "file_seconds": round(seconds, 1),
        "file_cpu_seconds": round(cpu, 1),
        "peak_mib": round(peak),
    }


def measure(file: Path | None, count: int) -> dict[str, Any]:
    """All figures; matminer comes last, so that the peak memory is without it."""
    magpie = featureset.FEATURE_SETS.get("magpie")
    formulas = random.Random(0).sample(read(file), count)
    ours, found = per_second(magpie.compute, formulas)
    figures = whole_file(file)
    theirs, expected = per_second(matminer_rows(), formulas)
    scale = np.nanmax(np.abs(expected), axis=0)
    difference = np.nanmax(np.abs(found - expected) / np.where(scale > 0, scale, 1))
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert difference <= 1e-6
    return {
        "formulas": count,
        "matminer_per_second": round(theirs),
        "fesearch_per_second": round(ours),
        "ratio": round(ours / theirs, 1),
        "largest_difference": f"{difference:.1e}",
        **figures,
    }


def write(figures: dict[str, Any]) -> Path:
    """One line of CSV with device and commit."""
    named = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    commit = subprocess.run(named, cwd=HERE, capture_output=True, text=True, check=True)
    device = f"{os.cpu_count()} cores, {platform.machine()}"
    line = {"commit": commit.stdout.strip(), "device": device, **figures}
    stamp = datetime.now(UTC).date().isoformat()
    path = HERE / "results" / f"{stamp}-{os.cpu_count()}cpu-features.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(line))
        writer.writeheader()
        writer.writerow(line)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--file", type=Path, help="CSV with a column 'formula', gzip or not")
    parser.add_argument("--formulas", type=int, default=2000, help="compared with matminer")
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    figures = measure(given.file, 50 if given.smoke else given.formulas)
    for name, value in figures.items():
        print(f"{name:20} {value}")
    if not given.smoke:
        print(f"written: {write(figures).name}")


if __name__ == "__main__":
    main()
