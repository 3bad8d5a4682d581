"""Predictions a second, and peak memory, for files of real formulas.

    python benchmarks/predict.py --file ../shared/data/oqmd_formation_enthalpy.csv.gz

trains one small trial of each family on the data set that comes with the package, exports each and
the ensemble of all, and predicts the rows of the file, repeated with distinct fractions until there
are enough, in a process of its own. A line for each with device and commit goes to
benchmarks/results/. Processor seconds are given too, because the machine may have other work.
Without ``--file`` the formulas are those of the package; ``--smoke`` takes few and writes nothing.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

from _results import write
from intake import repeated, source

from fesearch.cli.app import run as command

FAMILIES = {
    "irnet": ("--max-epochs", "1"),
    "random_forest": ("--set", "space.n_estimators=100", "--set", "space.max_depth=25"),
}
"""Each with what keeps its training short; the model is as large as any of its kind."""

CHILD = """
import json, sys, time
from pathlib import Path
from fesearch.bundle import open_bundle
from fesearch.predict import predict_file

began, used = time.perf_counter(), time.process_time()
bundle = open_bundle(Path(sys.argv[1]))
opened = time.perf_counter() - began
done = predict_file(bundle, Path(sys.argv[2]), Path(sys.argv[3]), on_bad="keep", level=0.9)
seconds, cpu = time.perf_counter() - began - opened, time.process_time() - used
status = Path("/proc/self/status").read_text()  # getrusage counts the parent before exec, too
peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
print(json.dumps([done.rows, done.bad, round(opened, 2), round(seconds, 1), round(cpu, 1),
    round(done.rows / seconds), round(peak)]))
"""
KEYS = ("rows", "bad", "open_seconds", "seconds", "cpu_seconds", "rows_a_second", "peak_mib")


def typed(*words: str) -> None:
    """Do a command."""
    if command(["--quiet", *words]):
        raise SystemExit(f"failed: fesearch {' '.join(words)}")


def models(folder: Path) -> dict[str, Path]:
    """The exported models, by what they are."""
    found = {}
    for family, short in FAMILIES.items():
        budget = ("--trials", "1", "--set", "runner=inline", *short)
        typed("study", "start", family, "--name", family, "--data", "miedema", *budget)
        found[family] = folder / "models" / family
        typed("export", family, "--to", str(found[family]))
    found["ensemble"] = folder / "models" / "ensemble"
    typed("export", *FAMILIES, "--ensemble", "8", "--to", str(found["ensemble"]))
    return found


def measure(file: Path | None, rows: int) -> list[dict[str, Any]]:
    """A line of figures for each model."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["FESEARCH_ARTIFACTS"] = str(folder / "artifacts")
        os.environ["FESEARCH_STORAGE"] = f"sqlite:///{folder}/fesearch.db"
        table = folder / "in.csv"
        with table.open("w", encoding="utf-8", newline="") as lines:
            writer = csv.writer(lines)
            writer.writerow(("id", "formula", "target", "part"))
            writer.writerows(islice(repeated(source(file)), rows))
        found = []
        for kind, model in models(folder).items():
            words = [sys.executable, "-c", CHILD, str(model), str(table), str(folder / "out.csv")]
            done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
            found.append({"model": kind, **dict(zip(KEYS, json.loads(done.stdout), strict=True))})
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--file", type=Path, help="CSV with columns 'formula' and 'target'")
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    lines = measure(given.file, 2000 if given.smoke else given.rows)
    for line in lines:
        print(json.dumps(line))
    if not given.smoke:
        write("predict", lines)


if __name__ == "__main__":
    main()
