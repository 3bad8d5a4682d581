"""Importing is free: what answers at once on the command line loads no heavy library."""

import json
import subprocess
import sys

import pytest

HEAVY = [
    "torch", "ray", "optuna", "matminer", "pymatgen", "sklearn", "sqlalchemy", "alembic",
    "pandas", "pyarrow", "matplotlib", "scipy", "numpy",
]  # fmt: skip

PROGRAM = """
import json, sys
from fesearch.cli.app import run
code = run({arguments})
print("LOADED", json.dumps([name for name in {heavy} if name in sys.modules]))
sys.exit(code)
"""


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["families", "list"], ["families", "show", "irnet"]],
    ids=" ".join,
)
def test_loads_nothing_heavy(arguments: list[str]) -> None:
    program = PROGRAM.format(arguments=arguments, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *printed, last = done.stdout.splitlines()
    assert printed
    assert json.loads(last.removeprefix("LOADED")) == []


IN_PYTHON = """
import json, sys
import fesearch
from fesearch import search
assert callable(search) and "FesearchRegressor" in dir(fesearch)
print(json.dumps([name for name in {heavy} if name in sys.modules]))
"""


def test_the_package_is_imported_without_anything_heavy() -> None:
    program = IN_PYTHON.format(heavy=[*HEAVY, "pydantic", "rich"])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


def test_a_search_is_driven_without_torch() -> None:
    program = (
        "import sys; from fesearch.nets import device; device.SIGNS = ();"
        "from fesearch.search import on_ray, resources, start; from fesearch.studyfile import load;"
        "assert resources.idle_gpus(load('irnet')) == 0; resources.check(load('irnet'));"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("False\n", 0), done.stderr


def test_a_worker_of_ray_needs_no_optuna_and_no_database() -> None:
    program = (
        "import sys; from fesearch.search import actor;"
        "print([name for name in ('optuna', 'sqlalchemy', 'alembic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


TRAINING = """
import re, sys
from importlib.metadata import packages_distributions, requires
import numpy as np
from fesearch.family import FAMILIES
from fesearch.record import TrialSpec
from fesearch.split import Development
from fesearch.trial import run

x, y = np.random.rand(40, 5).astype(np.float32), np.random.rand(40)
for name in ("irnet", "dnn"):
    config = {**FAMILIES.get(name).best, "depth": 3, "width": 1 / 32}
    data = Development(x[:30], y[:30], x[30:], y[30:])
    print([report.resource for report in run([TrialSpec(0, name, config, 1, (1, 2))], data)])

def called(line):
    return re.split("[^A-Za-z0-9._-]", line)[0].lower().replace("_", "-")

needed = {"numpy", "torch"} | {called(line) for line in requires("torch")}
others = {called(line) for line in requires("fesearch")} - needed
packages = packages_distributions().items()
ours = {top for top, names in packages if {called(name) for name in names} & others}
assert {"optuna", "ray", "pydantic", "safetensors", "sklearn", "matminer"} <= ours
print(sorted(ours & set(sys.modules)))
"""


def test_networks_are_trained_with_numpy_and_torch_alone() -> None:
    done = subprocess.run([sys.executable, "-c", TRAINING], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[1, 2]\n[1, 2]\n[]\n"
