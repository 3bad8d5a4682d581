"""Small crystal structures as the tests of their features write them."""

import json
from typing import Any

import numpy as np


def cell(
    *atoms: tuple[str, tuple[float, float, float]],
    edges: tuple[float, float, float] = (4.0, 4.0, 4.0),
    **more: Any,
) -> str:
    """The text of a structure in a right-angled cell."""
    sites = [
        {"species": [{"element": symbol, "occu": 1, **more}], "abc": list(place)}
        for symbol, place in atoms
    ]
    return json.dumps({"lattice": {"matrix": np.diag(edges).tolist()}, "sites": sites})


CSCL = cell(("Cs", (0, 0, 0)), ("Cl", (0.5, 0.5, 0.5)))
