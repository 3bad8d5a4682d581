"""Structures as texts; pymatgen reads and writes them, hostile ones get a reason."""

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure

from fesearch import formula, structure
from fesearch.errors import InputError
from fesearch.structure import Structures, canonical, formula_of, from_cif

SALT = Structure.from_spacegroup(
    "Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0, 0]]
)
MIXED = Structure(Lattice.cubic(3.5), [{"Fe": 0.5, "Ni": 0.25}, "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
SMALL = (
    '{"lattice":{"matrix":[[3.5,0.0,0.0],[0.0,3.5,0.0],[0.0,0.0,3.5]]},"sites":['
    '{"abc":[0.0,0.0,0.0],"species":[{"element":"Fe","occu":0.5},{"element":"Ni","occu":0.25}]},'
    '{"abc":[0.5,0.5,0.5],"species":[{"element":"O","occu":1.0}]}]}'
)


def simple(**changes: Any) -> dict[str, Any]:
    """One atom of iron in a cube, as pymatgen has it, with other parts where they are given."""
    site = {"species": [{"element": "Fe", "occu": 1}], "abc": [0.0, 0.0, 0.0]}
    matrix = [[3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0]]
    return {"lattice": {"matrix": matrix}, "sites": [site], **changes}


def with_species(**species: Any) -> dict[str, Any]:
    return simple(sites=[{"species": [species], "abc": [0.0, 0.0, 0.0]}])


def test_only_lattice_and_occupied_sites_are_kept() -> None:
    assert canonical(MIXED.as_dict()) == SMALL
    assert canonical(MIXED.to_json()) == SMALL
    decorated = MIXED.copy(site_properties={"magmom": [1.0, 0.0]})
    decorated.add_oxidation_state_by_element({"Fe": 2, "Ni": 2, "O": -2})
    assert canonical(decorated.as_dict()) == SMALL
    assert canonical(SMALL) == SMALL


@pytest.mark.parametrize("found", [SALT, MIXED], ids=["salt", "mixed"])
def test_pymatgen_reads_the_same_structure(found: Structure) -> None:
    text = canonical(found.as_dict())
    assert Structure.from_dict(json.loads(text)) == found
    assert formula.reduced(formula_of(text)) == formula.reduced(found.formula)


def test_formula_of_the_whole_cell() -> None:
    assert formula_of(canonical(SALT.as_dict())) == "Na4Cl4"
    assert formula_of(SMALL) == "Fe0.5Ni0.25O"


def test_one_element_in_two_states_is_one() -> None:
    species = [
        {"element": "Fe", "oxidation_state": 2, "occu": 0.5},
        {"element": "Fe", "oxidation_state": 3, "occu": 0.5},
    ]
    text = canonical(simple(sites=[{"species": species, "abc": [0, 0, 0]}]))
    assert text == canonical(simple())


def test_rounding_noise_and_signs_of_zero_are_no_difference() -> None:
    noisy = [[3.0, -0.0, 1e-16], [0, 3.00000000000004, 0.0], [0.0, -4e-15, 3]]
    assert canonical(simple(lattice={"matrix": noisy})) == canonical(simple())


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("[1]", "'[1]' is no JSON object"),
        ("{", "'{' is not JSON"),
        ('{"a":' * 2000, "'" + ('{"a":' * 8)[:39] + "…' is not JSON"),
        ("{}", "it has no matrix of a lattice"),
        ({"lattice": [1]}, "it has no matrix of a lattice"),
        (simple(sites=[]), "it has no sites"),
        (simple(sites={"a": 1}), "it has no sites"),
        (simple(sites=[0] * 2001), "it has 2001 sites, more than 2000"),
        (simple(lattice={"matrix": [[1, 0, 0]] * 2}), "its lattice has not three vectors"),
        (simple(lattice={"matrix": [[1, 0, 0]] * 3}), "its cell has a volume of 0 Å³"),
        (simple(lattice={"matrix": [[0.1, 0, 0], [0, 0.1, 0], [0, 0, 0.1]]}),
         "its cell has a volume of 0.001 Å³"),
        (simple(lattice={"matrix": [[1e300, 0, 0], [0, 1e300, 0], [0, 0, 1e300]]}),
         "its cell has a volume of inf Å³"),
        (simple(lattice={"matrix": [[1, 0, math.nan]] * 3}),
         "the coordinates of its lattice are not three finite numbers"),
        (simple(lattice={"matrix": [[1, 0, 10**400]] * 3}),
         "the coordinates of its lattice are not three finite numbers"),
        (simple(lattice={"matrix": [[1, 0, True]] * 3}),
         "the coordinates of its lattice are not three finite numbers"),
        (simple(lattice={"matrix": ["abc"] * 3}),
         "the coordinates of its lattice are not three finite numbers"),
        (simple(sites=[1]), "site 1 has no species"),
        (simple(sites=[{"species": []}]), "site 1 is occupied 0 times"),
        (simple(sites=[{"species": [1]}]), "site 1 has no species"),
        (simple(sites=[{"species": [{"element": "Fe", "occu": 1}], "abc": [0, 0]}]),
         "the coordinates of site 1 are not three finite numbers"),
        (with_species(element="Xx", occu=1), "site 1 has no element 'Xx'"),
        (with_species(element="D", occu=1), "site 1 has no element 'D'"),
        (with_species(element=["Fe"], occu=1), "site 1 has no element \"['Fe']\""),
        (with_species(occu=1), "site 1 has no element 'None'"),
        (with_species(element="Fe"),
         "the occupancy of Fe on site 1 is not above 0 and at most 1"),
        (with_species(element="Fe", occu=0),
         "the occupancy of Fe on site 1 is not above 0 and at most 1"),
        (with_species(element="Fe", occu=1.5),
         "the occupancy of Fe on site 1 is not above 0 and at most 1"),
        (simple(sites=[{"species": [{"element": s, "occu": 0.75} for s in ("Fe", "Ni")]}]),
         "site 1 is occupied 1.5 times"),
    ],
)  # fmt: skip
def test_what_is_no_structure_gets_a_reason(value: Any, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        canonical(value)
    assert caught.value.message == f"The structure cannot be used: {reason}."
    assert caught.value.hint.startswith("Give what pymatgen's Structure.as_dict()")


_leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
_words = st.sampled_from(["lattice", "matrix", "sites", "species", "element", "occu", "abc", "Fe"])
_json = st.recursive(
    _leaves | _words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_words, inner, max_size=4),
    max_leaves=20,
)


@given(st.one_of(_json, st.fixed_dictionaries({"lattice": _json, "sites": st.lists(_json)})))
@settings(max_examples=150, deadline=None)
def test_any_json_is_read_or_refused_on_two_lines(value: Any) -> None:
    try:
        canonical(value if isinstance(value, dict) else json.dumps(value))
    except InputError as error:
        refusal = error
    else:
        return
    assert len(str(refusal).splitlines()) == 2


def test_a_cif_file_gives_the_same_structure(tmp_path: Path) -> None:
    SALT.to(filename=str(tmp_path / "salt.cif"))
    text = from_cif(tmp_path / "salt.cif")
    assert formula.reduced(formula_of(text)) == "ClNa"
    assert Structure.from_dict(json.loads(text)).matches(SALT)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "pymatgen makes no structure of a.cif, 'Invalid CIF file with no structures!'"),
        (b"data_x\n_cell_length_a 5\n", "pymatgen makes no structure of a.cif, "),
        (b"\xff\xfe", "is no text in UTF-8"),
        (b"x" * (structure.LONGEST_CIF + 1), f"a.cif is longer than {1 << 22} bytes"),
        (None, "cannot be read, No such file or directory"),
    ],
)
def test_a_bad_cif_file_gets_a_reason(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "a.cif"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        from_cif(path)
    assert reason in caught.value.message
    assert len(str(caught.value).splitlines()) == 2


def test_only_a_file_is_read_as_a_cif(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.cif")
    (tmp_path / "folder.cif").mkdir()
    for name in ("pipe.cif", "folder.cif"):
        with pytest.raises(InputError, match=f"{name}' is no file"):
            from_cif(tmp_path / name)


def test_structures_are_packed_taken_and_left_out() -> None:
    texts = [SMALL, "", canonical(SALT.as_dict())]
    found = Structures.of(texts)
    assert found.digests == tuple(map(structure.digest, texts))
    assert found.digests[1] == ""
    assert list(found.texts([2, 1, 0, 2])) == [texts[2], "", SMALL, texts[2]]
    turned = found.taken([2, 0])
    assert list(turned.texts([0, 1])) == [texts[2], SMALL]
    assert turned.digests == (found.digests[2], found.digests[0])
    fewer = turned.without({0})
    assert fewer.digests == ("", found.digests[0])
    assert list(fewer.texts([0, 1])) == ["", SMALL]
    assert len(fewer) == 2
