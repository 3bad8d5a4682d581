"""A task of matbench with rows made here: its own are downloaded."""

from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
import searched


def local(task: Any) -> pd.DataFrame:
    """As many formulas as the task divides, with the mean energy of their elements."""
    rows = sorted(row for fold in task.validation.values() for row in fold.test)
    metals = np.linspace(-1.0, 1.0, len(searched.METALS))
    given = [(a, n, b) for a, b in permutations(searched.METALS, 2) for n in (1, 2, 3)][: len(rows)]
    energies = dict(zip(searched.METALS, metals, strict=True))
    y = [(n * energies[a] + energies[b]) / (n + 1) for a, n, b in given]
    columns = {task.metadata.input_type: [f"{a}{n}{b}" for a, n, b in given]}
    return pd.DataFrame({**columns, task.metadata.target: y}, index=rows)
