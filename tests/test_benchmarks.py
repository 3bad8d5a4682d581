"""Benchmarks that nobody on a machine like this one would run, in their small form."""

import ast
import csv
import gzip
import importlib
import itertools
import subprocess
import sys
from pathlib import Path

import pytest
import torch

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


def test_that_of_precisions_compares_all_of_each_network(tmp_path: Path) -> None:
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
    assert found == [(n, p) for n in ("irnet", "dnn") for p in ("fp32", "bf16", "tf32, emulated")]
    for plain, *rounded in (lines[:3], lines[3:]):
        assert plain["difference"] == 0.0
        assert all(line["standard_error"] > 0.0 for line in rounded)  # trained to other numbers


def test_tf32_is_emulated_in_products_of_both_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("precision")
    ulp = 2.0**-10
    given = [1 + ulp, 1 + 0.5 * ulp, 1 + 1.5 * ulp, -1 - 0.75 * ulp, 2.0**-100, 0.0, torch.inf]
    found = module.tf32(torch.tensor(given)).tolist()
    assert found == [1 + ulp, 1, 1 + 2 * ulp, -1 - ulp, 2.0**-100, 0.0, torch.inf]

    torch.manual_seed(0)
    net, x = torch.nn.Linear(5, 3), torch.randn(7, 5)
    with module.RoundedFactors():
        y = net(x)
        y.square().sum().backward()
    rounded = module.tf32
    torch.testing.assert_close(y, rounded(x) @ rounded(net.weight).T + net.bias)
    slope = 2 * y.detach()
    assert net.weight.grad is not None
    torch.testing.assert_close(net.weight.grad, rounded(slope).T @ rounded(x), rtol=1e-6, atol=1e-6)
    exact = slope.T @ x
    assert (net.weight.grad - exact).abs().max() > 1e-5
