"""Feature sets whose numbers can be told by looking, and that count what they compute."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from fesearch.featureset import (
    FEATURE_SETS,
    FeatureSet,
    FormulaFeatureSet,
    Progress,
    StructureFeatureSet,
)

NAMES = ("length", "nan for Xe", "infinite", "one")
STRUCTURE_NAMES = ("letters", "one")

#: What was computed: the formulas or structures of each call.
calls: list[Sequence[str]] = []


def toy_rows(formulas: Sequence[str]) -> np.ndarray:
    """A row as `NAMES` for each formula."""
    calls.append(list(formulas))
    lack = [np.nan if "Xe" in text else 0.5 for text in formulas]
    return np.array(
        [[len(text), nan, np.inf, 1.0] for text, nan in zip(formulas, lack, strict=True)]
    )


def toy_structure_rows(
    texts: Sequence[str], progress: Progress | None
) -> tuple[np.ndarray, Mapping[int, str]]:
    """A row as `STRUCTURE_NAMES` for each text; those with "slow" in them fail."""
    calls.append(list(texts))
    failed = {place: "too slow" for place, text in enumerate(texts) if "slow" in text}
    rows = np.array([[len(text), 1.0] for text in texts]).reshape(len(texts), 2)
    rows[list(failed)] = np.nan
    if progress:
        progress(len(texts), len(texts))
    return rows, failed


TOY = FormulaFeatureSet(
    name="toy",
    title="Toy",
    source="none",
    version="1",
    names=lambda: NAMES,
    tables=lambda: {"table": b"1 2 3"},
    rows=toy_rows,
)
TOY_STRUCTURES = StructureFeatureSet(
    name="toy_structures",
    title="Toy of structures",
    source="none",
    version="1",
    names=lambda: STRUCTURE_NAMES,
    structure_rows=toy_structure_rows,
)


def install(monkeypatch: pytest.MonkeyPatch, *sets: FeatureSet) -> None:
    """Make the registry know these sets too; without any, `TOY` and `TOY_STRUCTURES`."""
    known = {one.name: one for one in sets or (TOY, TOY_STRUCTURES)}
    get: Callable[[str], Any] = FEATURE_SETS.get
    monkeypatch.setattr(FEATURE_SETS, "get", lambda name: known.get(name) or get(name))
