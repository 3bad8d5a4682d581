"""A small data set to divide, and what became of its rows."""

from collections.abc import Mapping, Sequence

import numpy as np

from fesearch import dataset
from fesearch.dataset import Dataset
from fesearch.split import Split

ELEMENTS = ("Al", "B", "Ca", "Fe", "K", "Li", "Mg", "Na", "Ni", "Ti")


def data(
    formulas: Sequence[str],
    targets: Sequence[float] | np.ndarray | None = None,
    columns: Mapping[str, Sequence[str]] | None = None,
    ids: Sequence[str] | None = None,
) -> Dataset:
    """The data set ``toy``; its target ``e`` counts the rows unless others are given."""
    values = np.arange(len(formulas), dtype=np.float64) if targets is None else targets
    ids = ids or [f"r{row:04d}" for row in range(len(formulas))]
    return dataset.make(
        "toy", formulas, {"e": values}, {"e": "eV/atom"}, ids=ids, columns=columns or {}
    )


def oxides(count: int) -> list[str]:
    """Distinct formulas; every tenth contains the same metal, and is in the same system."""
    return [f"{ELEMENTS[n % 10]}{n // 10 + 1}O{(n // 10 + 1) * 7 + 1}" for n in range(count)]


def by_role(rows: Dataset, split: Split) -> dict[str, str]:
    """Row id -> role of the used rows."""
    parts = {"train": split.train, "val": split.val, "test": split.test}
    return {rows.ids[row]: role for role, part in parts.items() for row in part}
