"""Python files of a user, for tests: a family that is quick to train, a metric, a feature set."""

from pathlib import Path

import pytest

from fesearch import own
from fesearch.family import FAMILIES
from fesearch.featureset import FEATURE_SETS
from fesearch.metrics import ALL_METRICS

EXAMPLE = Path(__file__).parent.parent / "examples" / "my_net.py"

RIDGES = """
from dataclasses import replace
from fesearch.families.ridge import FAMILY as RIDGE

FAMILY = replace(RIDGE, name="ridges", title="Mine")
"""
WORST = """
import numpy as np
from fesearch.metrics import Metric

def worst(truth, prediction):
    return float(np.abs(truth - prediction).max())

METRIC = Metric("worst", "worst |error|", "{unit}", "minimize", worst)
"""
LENGTHS = """
import numpy as np
from dataclasses import replace
from fesearch.featureset import FormulaFeatureSet

def of(power):
    return FormulaFeatureSet(
        name="lengths" if power == 1 else f"lengths:power={power}",
        title="Lengths",
        source="an example",
        version=str(power),
        names=lambda: ("letters", "elements"),
        rows=lambda texts: np.array([[len(t), sum(map(str.isupper, t))] for t in texts]) ** power,
        configure=lambda options: of(int(options["power"])),
    )

FEATURE_SET = of(1)
"""


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be as a new process is: no file of a user has been run. At a test's end all is as before."""
    for registry in (FAMILIES, ALL_METRICS, FEATURE_SETS):
        monkeypatch.setattr(registry, "_added", {})
    monkeypatch.setattr(own, "_RUN", {})


def write(folder: Path, name: str, *texts: str) -> Path:
    """A file of these texts."""
    path = folder / name
    path.write_text("".join(texts))
    return path


def full(name: str, path: Path) -> str:
    """What a declaration of a file is called."""
    return f"{name}@{own.Source.read(path).digits}"
