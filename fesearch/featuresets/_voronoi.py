"""The Voronoi features of one structure by matminer, and their names without it."""

import json
from collections.abc import Callable
from importlib.metadata import version as version_of

import numpy as np

from fesearch.featuresets._element_tables import PROPERTIES

STATISTICS = ("minimum", "maximum", "range", "mean", "avg_dev")
VERSION = "1"  # of this module; raised with every change of the numbers

_NAMES = (
    *(f"{statistic} CN_VoronoiNN" for statistic in STATISTICS),
    "mean absolute deviation in relative bond length",
    *("max relative bond length", "min relative bond length"),
    *(f"{statistic} neighbor distance variation" for statistic in STATISTICS),
    "mean absolute deviation in relative cell size",
    *(f"mean ordering parameter shell {shell}" for shell in (1, 2, 3)),
    "max packing efficiency",
    *(f"{s} local difference in {name}" for name in PROPERTIES for s in STATISTICS),
)


def names() -> tuple[str, ...]:
    """The 128 column names, matminer's own."""
    return _NAMES


def version() -> str:
    """Of all that the numbers depend on besides the structure; pymatgen does the tessellation."""
    packages = [f"{name}-{version_of(name)}" for name in ("matminer", "pymatgen-core")]
    return "_".join([VERSION, *packages])


def featurizer() -> Callable[[str], np.ndarray]:
    """Import matminer, and return what makes of a structure's text its row, (128,) float64.

    The function raises whatever matminer does of a structure it cannot take: one that is
    disordered, has two atoms in one place, or a cell without volume.
    """
    from matminer.featurizers.site import LocalPropertyDifference
    from matminer.featurizers.structure import (
        ChemicalOrdering,
        MaximumPackingEfficiency,
        SiteStatsFingerprint,
        StructuralHeterogeneity,
    )
    from matminer.utils import caching
    from pymatgen.core.structure import Structure

    preset = "ward-prb-2017"
    differences = LocalPropertyDifference.from_preset(preset, impute_nan=False)
    parts = (
        SiteStatsFingerprint.from_preset(f"CoordinationNumber_{preset}"),
        StructuralHeterogeneity(),
        ChemicalOrdering(),
        MaximumPackingEfficiency(),
        SiteStatsFingerprint(differences, stats=STATISTICS),
    )

    def row(text: str) -> np.ndarray:
        # It keeps the neighbours of the last structure, and gives them to one that pymatgen holds
        # to be equal: a slightly strained one, or the same sites in another order.
        caching._get_all_nearest_neighbors.cache_clear()
        given = Structure.from_dict(json.loads(text))
        if not given.is_ordered:
            raise ValueError("it is disordered: elements share a site")
        given.remove_oxidation_states()
        # pymatgen puts an atom that is outside of the cell into its tessellation twice inside, and
        # not where it is. The second time is for -1e-17, of which the remainder is 1.
        inside = given.frac_coords % 1 % 1
        structure = Structure(given.lattice, given.species, inside)
        return np.concatenate([np.asarray(part.featurize(structure), float) for part in parts])

    return row
