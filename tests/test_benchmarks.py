"""Benchmarks that nobody on a machine like this one would run, in their small form."""

import ast
import csv
import gzip
import itertools
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
ALONE = """
import runpy, sys
sys.argv = ["gpu.py", "--device", "cpu", "--smoke", "--out", sys.argv[1]]
runpy.run_path({path!r}, run_name="__main__")
others = {{"ray", "optuna", "pandas", "sklearn", "scipy", "sqlalchemy", "pydantic"}}
assert not others & set(sys.modules), others & set(sys.modules)
"""


def test_that_of_gpus_needs_numpy_and_torch_alone(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    program = ALONE.format(path=str(BENCHMARKS / "gpu.py"))
    subprocess.run([sys.executable, "-c", program, str(out)], check=True)
    with out.open(newline="") as file:
        lines = list(csv.DictReader(file))
    said = [(line["network"], line["batch"], line["precision"], line["mode"]) for line in lines]
    kinds = ("fp32", "tf32", "bf16")
    assert said == [("dnn-3x128", size, kind, "eager") for size in ("64", "1024") for kind in kinds]
    assert all(int(line["samples_per_second"]) > 0 for line in lines)


def test_that_of_precisions_compares_both_of_each_network(tmp_path: Path) -> None:
    file = tmp_path / "folds.csv.gz"
    metals = ("Al", "Ti", "Fe", "Ni", "Cu", "Zn")
    formulas = [f"{a}{n}{b}" for a, b in itertools.combinations(metals, 2) for n in range(2, 20)]
    roles = itertools.cycle(("train", "train", "train", "val", "test"))
    with gzip.open(file, "wt") as text:
        text.write("formula,target,fold0\n")
        text.writelines(f"{f},{-len(f) / 7},{r}\n" for f, r in zip(formulas, roles, strict=False))
    words = [sys.executable, str(BENCHMARKS / "precision.py"), str(file), "--smoke"]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    lines = [ast.literal_eval(line) for line in done.stdout.splitlines()]
    found = [(line["network"], line["precision"]) for line in lines]
    assert found == [(n, p) for n in ("irnet", "dnn") for p in ("fp32", "bf16")]
    for plain, rounded in (lines[:2], lines[2:]):
        assert plain["difference"] == 0.0
        assert rounded["standard_error"] > 0.0  # it trains to other numbers
