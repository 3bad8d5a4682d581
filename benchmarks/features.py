"""Magpie features: fesearch against matminer, and whole files into the cache.

    python benchmarks/features.py --file ../shared/data/oqmd_bandgap.csv.gz

computes the features of the same formulas with both in one run, each from text and on one core, and
prints compositions a second and their ratio; checks that the numbers of both are equal for 5,000
formulas of the file and 2,000 made at random, column by column; then takes every formula of the
file to a cached float32 matrix, of ``magpie`` and of ``magpie+element_fractions``, each in a
process of its own, and prints seconds and peak memory. A line with device, commit and load goes to
benchmarks/results/. Rates are of processor time, because the machine may have other work. Without
``--file`` the formulas are those of the data set that comes with the package; ``--smoke`` takes few
and writes nothing.
"""

import argparse
import csv
import gzip
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _results import write

from fesearch import featurecache, formula, library
from fesearch.features import Combination, build
from fesearch.featureset import Inputs

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


def generated(count: int) -> list[str]:
    """Compositions of one to seven elements, noble gases too, a third with decimal amounts."""
    draw = random.Random(6)
    made = []
    for number in range(count):
        chosen = draw.sample(formula.ELEMENTS[:94], draw.randint(1, 7))
        amounts = [
            f"{draw.uniform(0.01, 3):.2f}" if number % 3 == 0 else str(draw.randint(1, 12))
            for _ in chosen
        ]
        made.append("".join(map("".join, zip(chosen, amounts, strict=True))))
    return made


def matminer() -> Any:
    """The featurizer whose numbers ours are."""
    from matminer.featurizers.base import MultipleFeaturizer
    from matminer.featurizers.composition import (
        ElementProperty,
        IonProperty,
        Stoichiometry,
        ValenceOrbital,
    )

    warnings.filterwarnings("ignore", "No Pauling electronegativity", UserWarning)
    return MultipleFeaturizer(
        [
            Stoichiometry(),
            ElementProperty.from_preset("magpie", impute_nan=False),
            ValenceOrbital(props=["avg"], impute_nan=False),
            IonProperty(fast=True, impute_nan=False),
        ]
    )


def per_second(
    compute: Callable[[Sequence[str]], np.ndarray], formulas: Sequence[str]
) -> tuple[float, np.ndarray]:
    """Formulas per second of processor time, and what was computed; one is done before."""
    compute(["NaCl"])
    began = time.process_time()
    rows = compute(formulas)
    return len(formulas) / (time.process_time() - began), rows


def compared(file: Path | None, timed: int, equal: int, made: int) -> dict[str, Any]:
    """Rates of both on the same formulas, and how far their numbers are from each other."""
    from pymatgen.core.composition import Composition

    magpie, featurizer = Combination.parse("magpie"), matminer()
    assert list(magpie.names) == featurizer.feature_labels(), "and in this order"

    def ours(formulas: Sequence[str]) -> np.ndarray:
        return magpie.compute(Inputs.of_formulas(formulas)).matrix

    def theirs(formulas: Sequence[str]) -> np.ndarray:
        return np.array([featurizer.featurize(Composition(text)) for text in formulas], dtype=float)

    real = random.Random(0).sample(read(file), equal)
    fast, found = per_second(ours, real[:timed])
    slow, expected = per_second(theirs, real[:timed])
    # matminer takes minutes over the charges of amounts that are large before they are reduced
    others = real[timed:] + [formula.reduced(text) for text in generated(made)]
    found = np.concatenate([found, ours(others)])
    expected = np.concatenate([expected, theirs(others)])
    scale = np.nanmax(np.abs(expected), axis=0)
    difference = np.nanmax(np.abs(found - expected), axis=0) / np.where(scale > 0, scale, 1)
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert difference.max() <= 1e-6
    return {
        "formulas": timed,
        "matminer_per_second": round(slow),
        "fesearch_per_second": round(fast),
        "ratio": round(fast / slow, 1),
        "compared": len(found),
        "largest_difference": f"{difference.max():.1e}",
    }


def whole_file(features: str, file: Path | None) -> dict[str, Any]:
    """Seconds and peak memory of this process from file to matrix, and seconds to find it again."""
    began, used = time.perf_counter(), time.process_time()
    inputs = Inputs.of_formulas(read(file))
    built = build(features, inputs)
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MIB_PER_RSS
    assert featurecache.cached()
    began = time.perf_counter()
    again = build(features, inputs)
    found = time.perf_counter() - began
    assert np.array_equal(built.matrix[-1], again.matrix[-1], equal_nan=True)
    return {
        "rows": len(built.matrix),
        "columns": len(built.names),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "peak_mib": round(peak),
        "again_seconds": round(found, 1),
    }


def apart(features: str, file: Path | None) -> dict[str, Any]:
    """What ``whole_file`` finds in a process of its own, with an empty cache."""
    command = [sys.executable, __file__, "--once", features]
    command += ["--file", str(file)] if file else []
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {"FESEARCH_CACHE_DIR": cache}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure(file: Path | None, smoke: bool) -> dict[str, Any]:
    """All figures."""
    figures = {"load": round(os.getloadavg()[0], 1)}
    for features in ("magpie", "magpie+element_fractions"):
        found = apart(features, file)
        figures |= {f"{features} {name}": value for name, value in found.items()}
    return figures | (compared(file, 30, 50, 20) if smoke else compared(file, 2000, 5000, 2000))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--file", type=Path, help="CSV with a column 'formula', gzip or not")
    parser.add_argument("--once", metavar="FEATURES", help="the whole file, in this process")
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    if given.once:
        print(json.dumps(whole_file(given.once, given.file)))
        return
    figures = measure(given.file, given.smoke)
    for name, value in figures.items():
        print(f"{name:40} {value}")
    if not given.smoke:
        write("features", [figures])


if __name__ == "__main__":
    main()
