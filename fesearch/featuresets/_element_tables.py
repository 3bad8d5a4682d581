"""The tables of the elements that matminer and pymatgen bring, read without importing either.

Importing both takes seconds and hundreds of megabytes, for 22 short text files and one JSON file.
"""

import gzip
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import numpy as np

from fesearch.errors import FesearchError
from fesearch.formula import ELEMENTS

#: The properties of the preset "magpie" of matminer's ElementProperty, in its order.
PROPERTIES = (
    *("Number", "MendeleevNumber", "AtomicWeight", "MeltingT", "Column", "Row", "CovalentRadius"),
    *("Electronegativity", "NsValence", "NpValence", "NdValence", "NfValence", "NValence"),
    *("NsUnfilled", "NpUnfilled", "NdUnfilled", "NfUnfilled", "NUnfilled"),
    *("GSvolume_pa", "GSbandgap", "GSmagmom", "SpaceGroupNumber"),
)

_PERIODIC_TABLE = "periodic_table.json.gz"


@dataclass(frozen=True, eq=False)
class ElementTables:
    """What is known of the elements.

    Attributes:
        place: symbol -> column in the arrays; an element that the tables lack is left out.
        properties: (22, elements) float64, as `PROPERTIES`; NaN where one is not known.
        electronegativity: (elements,) float64, Pauling's by pymatgen; NaN where not known.
        charges: the common oxidation states of each element; none for most noble gases.
        lowest_charge, highest_charge: (elements,) float64 of those; NaN where there are none.
    """

    place: Mapping[str, int]
    properties: np.ndarray
    electronegativity: np.ndarray
    charges: tuple[tuple[int, ...], ...]
    lowest_charge: np.ndarray
    highest_charge: np.ndarray


def files() -> dict[str, bytes]:
    """File name -> content: all that the tables are read from, and nothing else.

    Raises:
        FesearchError: a package or a file of it is missing.
    """
    magpie = _package("matminer") / "utils" / "data_files" / "magpie_elementdata"
    paths = [magpie / f"{name}.table" for name in PROPERTIES]
    periodic = _package("pymatgen") / "core" / _PERIODIC_TABLE
    for path in (*paths, periodic):
        if not path.is_file():
            raise FesearchError(
                f"The element table {path} is missing.",
                "Type: pip install --force-reinstall matminer pymatgen-core",
            )
    used = {
        symbol: [values.get("X"), values.get("Common oxidation states", [])]
        for symbol, values in json.loads(gzip.decompress(periodic.read_bytes())).items()
        if symbol in ELEMENTS
    }
    found = {path.name: path.read_bytes() for path in paths}
    return found | {periodic.name: json.dumps(used, sort_keys=True).encode()}


@cache
def element_tables() -> ElementTables:
    """The tables, read once.

    Raises:
        FesearchError: a package or a file of it is missing.
    """
    found = files()
    periodic = json.loads(found[_PERIODIC_TABLE])
    numbers = _column(found["Number.table"])
    known = [
        symbol
        for symbol, number in zip(ELEMENTS, numbers, strict=True)
        if symbol in periodic and not math.isnan(number)
    ]
    charges = tuple(tuple(periodic[symbol][1]) for symbol in known)
    properties = np.array([_column(found[f"{name}.table"]) for name in PROPERTIES])
    return ElementTables(
        place=MappingProxyType({symbol: place for place, symbol in enumerate(known)}),
        properties=properties[:, [ELEMENTS.index(symbol) for symbol in known]],
        electronegativity=np.array([periodic[symbol][0] or math.nan for symbol in known]),
        charges=charges,
        lowest_charge=np.array([min(choices, default=math.nan) for choices in charges]),
        highest_charge=np.array([max(choices, default=math.nan) for choices in charges]),
    )


def _column(table: bytes) -> list[float]:
    """One property of all elements: a line each by atomic number, NaN where it is no number."""
    lines = table.decode().splitlines()[: len(ELEMENTS)]
    lines += [""] * (len(ELEMENTS) - len(lines))
    return [_number(line) for line in lines]


def _number(line: str) -> float:
    try:
        return float(line)
    except ValueError:
        return math.nan


def _package(name: str) -> Path:
    """The folder of an installed package, found without importing it."""
    spec = find_spec(name)
    places = spec.submodule_search_locations if spec else None
    if not places:
        raise FesearchError(f"The package '{name}' is missing.", f"Type: pip install {name}")
    return Path(next(iter(places)))
