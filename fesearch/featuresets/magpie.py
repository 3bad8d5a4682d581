"""The 145 composition features of Ward et al., npj Comput. Mater. 2, 16028 (2016), by matminer.

Six norms of the stoichiometry, six statistics of each of 22 properties of the elements, mean
valence electrons in s, p, d and f, and three measures of ionic character. As published:

- an ionic compound counts as possible if each element can have one charge (``fast=True``);
- nothing is imputed: a column is NaN where a table lacks an element (noble gases have no
  electronegativity), rather than matminer's mean over the periodic table.

Only 141 columns are distinct, because the four mean valences are among the means of the element
properties too. All 145 are kept, so that widths and names are those of the papers.
"""

import gzip
import json
import warnings
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from fesearch.errors import FesearchError, InputError
from fesearch.featureset import FeatureSet


@cache
def _featurizer() -> Any:
    from matminer.featurizers.base import MultipleFeaturizer
    from matminer.featurizers.composition import (
        ElementProperty,
        IonProperty,
        Stoichiometry,
        ValenceOrbital,
    )

    return MultipleFeaturizer(
        [
            Stoichiometry(),
            ElementProperty.from_preset("magpie", impute_nan=False),
            ValenceOrbital(props=["avg"], impute_nan=False),
            IonProperty(fast=True, impute_nan=False),
        ]
    )


def names() -> tuple[str, ...]:
    """The 145 column names, matminer's own."""
    return tuple(_featurizer().feature_labels())


def rows(formulas: Sequence[str]) -> np.ndarray:
    """Features of m reduced formulas, (m, 145) float64.

    Raises:
        InputError: matminer cannot compute those of a formula, which is named.
    """
    with warnings.catch_warnings():
        # Said once for each noble gas; the NaN it speaks of is reported by column instead.
        warnings.filterwarnings("ignore", "No Pauling electronegativity", UserWarning)
        return np.array([_row(text) for text in formulas], dtype=np.float64)


def _row(text: str) -> list[float]:
    from pymatgen.core.composition import Composition

    try:
        return [float(value) for value in _featurizer().featurize(Composition(text))]
    except Exception as error:
        raise InputError(
            f"matminer cannot compute the magpie features of {text}: {error}",
            "Leave the formula out of the data.",
        ) from error


def tables() -> dict[str, bytes]:
    """The tables behind the features: Magpie's, and pymatgen's charges and electronegativities."""
    magpie = _package("matminer") / "utils" / "data_files" / "magpie_elementdata"
    found = {path.name: path.read_bytes() for path in magpie.glob("*.table")}
    elements = _package("pymatgen") / "core" / "periodic_table.json.gz"
    if not found or not elements.is_file():
        raise FesearchError(
            f"The element tables are missing: {elements if found else magpie}.",
            "Type: pip install --force-reinstall matminer pymatgen-core",
        )
    periodic = json.loads(gzip.decompress(elements.read_bytes()))
    used = {
        symbol: [values.get("X"), values.get("Common oxidation states")]
        for symbol, values in periodic.items()
        if not symbol.startswith("_")
    }
    return found | {elements.name: json.dumps(used, sort_keys=True).encode()}


def _package(name: str) -> Path:
    """The folder of an installed package, found without importing it."""
    spec = find_spec(name)
    places = spec.submodule_search_locations if spec else None
    if not places:
        raise FesearchError(f"The package '{name}' is missing.", f"Type: pip install {name}")
    return Path(next(iter(places)))


FEATURE_SET = FeatureSet(
    name="magpie",
    title="145 Magpie features of the composition (matminer)",
    source="Ward et al., npj Comput. Mater. 2, 16028 (2016), doi:10.1038/npjcompumats.2016.28",
    version="1",
    names=names,
    rows=rows,
    tables=tables,
)
