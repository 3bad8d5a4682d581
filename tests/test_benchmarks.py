"""Benchmarks that nobody on a machine like this one would run, in their small form."""

import csv
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
    assert [(line["network"], line["batch"], line["mode"]) for line in lines] == [
        ("dnn-3x128", "64", "eager"),
        ("dnn-3x128", "1024", "eager"),
    ]
    assert all(int(line["samples_per_second"]) > 0 for line in lines)
