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
