"""The space group of a crystal structure, found by spglib through pymatgen."""

import json
import warnings
from dataclasses import dataclass

#: The seven crystal systems, from the least to the most symmetric.
SYSTEMS = (
    *("triclinic", "monoclinic", "orthorhombic", "tetragonal", "trigonal", "hexagonal", "cubic"),
)

TOLERANCE = 0.01  # Å: how far atoms may be from where symmetry wants them; pymatgen's default


@dataclass(frozen=True)
class SpaceGroup:
    """One of the 230.

    Attributes:
        number: 1 to 230, International Tables for Crystallography A.
        symbol: Hermann and Mauguin's, short, in ASCII, such as "P6_3/mmc".
        system: one of `SYSTEMS`.
    """

    number: int
    symbol: str
    system: str


def space_group(text: str) -> SpaceGroup | None:
    """The space group of a structure; None where none can be found.

    Args:
        text: JSON that pymatgen's ``Structure.from_dict`` reads.
    """
    from pymatgen.core.structure import Structure
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # spglib's about its own next version, for each structure
        try:
            found = SpacegroupAnalyzer(Structure.from_dict(json.loads(text)), symprec=TOLERANCE)
            return SpaceGroup(
                found.get_space_group_number(),
                found.get_space_group_symbol(),
                found.get_crystal_system(),
            )
        except Exception:  # noqa: BLE001  pymatgen and spglib fail in many ways, all mean unknown
            return None
