"""Space groups of structures known from textbooks."""

import json

import pytest
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure

from fesearch.symmetry import SYSTEMS, SpaceGroup, space_group

ROCK_SALT = Structure.from_spacegroup(
    "Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
)
MAGNESIUM = Structure.from_spacegroup(
    "P6_3/mmc", Lattice.hexagonal(3.21, 5.21), ["Mg"], [[1 / 3, 2 / 3, 0.25]]
)
QUARTZ = Structure.from_spacegroup(
    "P3_221",
    Lattice.hexagonal(4.91, 5.40),
    ["Si", "O"],
    [[0.4697, 0, 2 / 3], [0.4135, 0.2669, 0.7858]],
)
ANYTHING = Structure(
    Lattice.from_parameters(4, 5, 6, 80, 85, 95), ["Na", "Cl", "O"],
    [[0, 0, 0], [0.1, 0.4, 0.3], [0.6, 0.8, 0.7]],
)  # fmt: skip


@pytest.mark.parametrize(
    ("structure", "found"),
    [
        (ROCK_SALT, SpaceGroup(225, "Fm-3m", "cubic")),
        (MAGNESIUM, SpaceGroup(194, "P6_3/mmc", "hexagonal")),
        (QUARTZ, SpaceGroup(154, "P3_221", "trigonal")),
        (ANYTHING, SpaceGroup(1, "P1", "triclinic")),
    ],
    ids=["rock salt", "magnesium", "quartz", "anything"],
)
def test_finds_the_space_group(structure: Structure, found: SpaceGroup) -> None:
    assert space_group(json.dumps(structure.as_dict())) == found
    assert found.system in SYSTEMS


def test_a_little_noise_does_not_matter_and_much_does() -> None:
    for distance, number in [(0.001, 225), (0.3, 1)]:
        moved = ROCK_SALT.copy()
        moved.perturb(distance)
        found = space_group(json.dumps(moved.as_dict()))
        assert found is not None
        assert (found.number == 225) == (number == 225)


@pytest.mark.parametrize("text", ["{}", "no JSON", '{"lattice": 1, "sites": []}'])
def test_a_structure_that_fails_has_none(text: str) -> None:
    assert space_group(text) is None
