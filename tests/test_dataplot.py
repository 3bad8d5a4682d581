"""What is drawn of a data set, and the command that draws it."""

import gzip
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core.composition import Composition
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure

from fesearch import library
from fesearch.cli.app import run
from fesearch.dataplot import MOST_FREQUENT, anonymous, plot, sheet
from fesearch.dataset import Dataset, make
from fesearch.errors import InputError
from fesearch.figures import Panel
from fesearch.formula import ELEMENTS, reduced
from fesearch.structure import Structures

STRUCTURES = Path(__file__).parents[2] / "shared" / "data" / "mp_structures.jsonl.gz"


def oxides(**changes: object) -> Dataset:
    """Five rows of two elements each, two of one composition, and two targets."""
    keywords: dict[str, object] = {
        "formulas": ["Fe2O3", "Al2O3", "Fe4O6", "MgO", "NaCl"],
        "targets": {"e": [-1.5, -3.0, -1.25, -3.0, 0.5], "gap": [2.0, 8.0, 2.1, 7.0, 8.5]},
        "units": {"e": "eV/atom", "gap": "eV"},
        "source": "a bench",
        **changes,
    }
    return make("oxides", **keywords)  # type: ignore[arg-type]


def rock_salt(cation: str, anion: str) -> str:
    crystal = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(4.2), [cation, anion], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    return json.dumps(crystal.as_dict())


def crystals() -> Dataset:
    """The same five rows: two the same rock salt, one another, one broken, one without."""
    mgo, nacl = rock_salt("Mg", "O"), rock_salt("Na", "Cl")
    texts = ["", "{}", nacl, mgo, nacl]
    return oxides(
        formulas=["Fe2O3", "Al2O3", "NaCl", "MgO", "NaCl"], structures=Structures.of(texts)
    )


def panels(data: Dataset, target: str | None = None) -> dict[str, Panel]:
    return {panel.title: panel for panel in sheet(data, target=target).panels}


# What is drawn


def test_without_structures_compositions_are_drawn() -> None:
    drawn = panels(oxides())
    assert list(drawn) == ["Elements", "e", "gap", "Elements per compound", "Anonymous formulas"]
    assert drawn["Elements"].note == f"6 of {len(ELEMENTS)} elements occur."
    assert "Highest: O 4, Fe 2, Al 1, Cl 1, Mg 1." in drawn["Elements"].alt
    assert drawn["e"].note == "Median −1.5 eV/atom, 20.0 % positive."
    assert drawn["gap"].note == "Median 7 eV."
    assert drawn["Elements per compound"].alt.endswith(": 2 5.")
    assert drawn["Anonymous formulas"].alt.endswith(": A₂B₃ 3, AB 2.")
    assert drawn["Anonymous formulas"].note == "All formulas there are: 2."


def test_with_structures_space_groups_and_prototypes_are_drawn() -> None:
    drawn = panels(crystals())
    assert list(drawn) == ["Elements", "e", "gap", "Space groups", "Prototypes"]
    assert drawn["Space groups"].alt.endswith(": Fm-3m (225) 3, unknown 1.")
    assert drawn["Space groups"].note == (
        "By spglib, within 0.01 Å. All space groups there are: 1. Rows without a structure: 1."
    )
    assert drawn["Prototypes"].alt.endswith(": AB Fm-3m 3, unknown 1.")


def test_a_data_set_of_broken_structures_is_unknown() -> None:
    data = oxides(structures=Structures.of(["{}"] * 5))
    assert panels(data)["Space groups"].alt.endswith(": unknown 5.")


def test_structures_that_no_row_has_are_none() -> None:
    data = oxides(structures=Structures.of([""] * 5))
    assert "Anonymous formulas" in panels(data)


def test_each_structure_is_looked_at_once_and_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    sheet(crystals(), progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_the_most_frequent_formulas_are_drawn_and_their_share_told() -> None:
    formulas = [f"Fe{n}O{m}" for n, m in itertools.product((1, 3, 5, 7), (8, 16, 32, 64, 128))]
    assert len({anonymous(reduced(text)) for text in formulas}) == 20
    data = make("many", [*formulas, *["FeO8"] * 20], {"e": np.arange(40.0)}, {"e": "eV"})
    drawn = panels(data)["Anonymous formulas"]
    assert drawn.note == f"The {MOST_FREQUENT} most frequent of 20 formulas: 88 % of 40 rows."
    assert "first ones: AB₈ 21," in drawn.alt


def test_one_target_can_be_chosen() -> None:
    assert "gap" in panels(oxides(), "gap")
    assert "e" not in panels(oxides(), "gap")


def test_a_target_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError) as refused:
        sheet(oxides(), target="gaps")
    assert str(refused.value) == (
        "There is no target 'gaps'.\nDid you mean 'gap'? Type: fesearch data show oxides"
    )


@pytest.mark.parametrize(
    ("title", "heading", "lead"),
    [
        ("", "oxides", "5 rows, 4 compositions, 6 elements"),
        ("Oxides of metals", "Oxides of metals", "oxides: 5 rows, 4 compositions, 6 elements"),
    ],
)
def test_the_heading_names_the_data_and_the_last_line_where_they_are_from(
    title: str, heading: str, lead: str
) -> None:
    data = oxides(title=title)
    drawn = sheet(data)
    assert (drawn.title, drawn.lead) == (heading, lead)
    assert drawn.source == f"a bench. Data {data.hash[:12]}"


@pytest.mark.parametrize(
    ("formula", "name"),
    [("Al2MgO4", "AB₂C₄"), ("Fe", "A"), ("Fe2O3", "A₂B₃"), ("C12H22O11", "A₁₁B₁₂C₂₂")],
)
def test_a_formula_without_its_elements(formula: str, name: str) -> None:
    assert anonymous(formula) == name


def test_more_elements_than_letters_are_counted() -> None:
    assert anonymous(reduced("".join(ELEMENTS[:26]))).endswith("Z")
    assert anonymous(reduced("".join(ELEMENTS[:27]))) == "27 elements"


@given(st.dictionaries(st.sampled_from(ELEMENTS), st.integers(1, 99), min_size=1, max_size=9))
def test_formulas_are_as_anonymous_as_those_of_pymatgen(amounts: dict[str, int]) -> None:
    text = "".join(f"{symbol}{amount}" for symbol, amount in amounts.items())
    plain = anonymous(reduced(text)).translate(str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789"))
    assert plain == Composition(text).anonymized_formula


@pytest.mark.skipif(not STRUCTURES.is_file(), reason="there is no ../shared/data here")
def test_real_structures_have_space_groups() -> None:
    with gzip.open(STRUCTURES, "rt") as file:
        rows = [json.loads(line) for line in itertools.islice(file, 50)]
    data = make(
        "real",
        [row["formula"] for row in rows],
        {"e": [row["e_form"] for row in rows]},
        {"e": "eV/atom"},
        structures=Structures.of(row["structure"] for row in rows),
    )
    drawn = panels(data)["Space groups"]
    assert "unknown" not in drawn.alt
    assert "without" not in drawn.note


# The command


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, with ``crystals`` among the data sets."""
    monkeypatch.setenv("FESEARCH_ARTIFACTS", str(tmp_path / "kept"))
    library.save(crystals())
    return tmp_path


@pytest.mark.parametrize("suffix", ["png", "svg", "html"])
def test_the_command_draws_what_the_library_draws(
    suffix: str, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = kept / f"ours.{suffix}", kept / f"theirs.{suffix}"
    assert run(["data", "plot", "oxides", "--target", "e", "--to", str(theirs)]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        f"figure  {theirs}",
        "data    oxides",
        "panels  Elements, e, Space groups, Prototypes",
    ]
    assert err.startswith("space groups: 3 of 3 structures")
    plot(library.load("oxides"), ours, target="e")
    assert theirs.read_bytes() == ours.read_bytes()


def test_the_command_draws_all_targets_and_prints_json(
    kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(kept / "all.svg")
    assert run(["data", "plot", "oxides", "--to", path, "--format", "json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["panels"] == ["Elements", "e", "gap", "Space groups", "Prototypes"]


def test_a_wrong_suffix_is_refused_before_any_work(
    kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["data", "plot", "oxides", "--to", "oxides.pdf"]) == 2
    assert capsys.readouterr().err == (
        "'oxides.pdf' does not end in .png, .svg, .html.\nType: --to oxides.png\n"
    )
