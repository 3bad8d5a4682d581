"""Tables of pandas as data sets: named by content, read like files, refused with the row named."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pymatgen.core import Composition, Lattice, Structure

from fesearch import library
from fesearch.errors import InputError
from fesearch.frame import keep


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FESEARCH_ARTIFACTS", str(tmp_path / "artifacts"))
    return tmp_path


def table(**columns: Any) -> pd.DataFrame:
    given = {"formula": ["Fe2O3", "NaCl", "TiNi"], "e_form": [-1.5, -2.0, -0.3]}
    return pd.DataFrame({**given, **columns})


def test_the_name_is_that_of_the_content() -> None:
    found = keep(table(), "e_form")
    assert found.name == f"frame-{found.hash[:12]}"
    assert library.load(found.name).hash == found.hash
    shuffled = keep(table().iloc[::-1], "e_form")
    assert shuffled.name == found.name
    assert keep(table(e_form=[-1.5, -2.0, -0.31]), "e_form").name != found.name
    assert keep(table(), "e_form", unit="eV/fu").name != found.name
    assert keep(table(), "e_form", name="mine").name == "mine"


@pytest.mark.parametrize("column", ["formula", "Formula", "composition"])
def test_finds_the_formulas_by_their_name(column: str) -> None:
    assert keep(table().rename(columns={"formula": column}), "e_form").formulas[1] == "Fe2O3"
    assert keep(table(name=["KCl"] * 3), "e_form", formula="name").formulas == ("KCl",) * 3


def test_takes_objects_of_pymatgen() -> None:
    formulas = [Composition(text) for text in ("Fe2O3", "NaCl", "TiNi")]
    assert keep(table(formula=formulas), "e_form").reduced == ("ClNa", "Fe2O3", "NiTi")
    crystal = Structure(Lattice.cubic(3.0), ["Ti", "Ni"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    frame = pd.DataFrame({"structure": [crystal, crystal], "e_form": [-0.3, -0.2]})
    found = keep(frame, "e_form")
    assert found.reduced == ("NiTi", "NiTi")
    assert found.structures is not None


def test_keeps_columns_numbers_and_ids() -> None:
    frame = table(mp=["b", "c", "a"], fold=["train", "val", "test"], x=[1, None, 3])
    found = keep(frame, "e_form", id="mp", columns=["fold"], numbers=["x"])
    assert found.ids == ("a", "b", "c")
    assert found.columns["fold"] == ("test", "train", "val")
    assert found.numbers["x"][:2].tolist() == [3.0, 1.0]


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (table(e_form=[-1.0, None, 0.0]), "1 of 3 rows of the table cannot be used: row 1: e_form"),
        (table(formula=["Fe2O3", "Xx2", "NaCl"]), "row 1: "),
        (table(formula=["Fe2O3", pd.NA, "NaCl"]), "row 1: formula is missing"),
        (table(e_form=["a", 1.0, 2.0]).set_index(pd.Index(["mp\n1", "b", "c"])), r"row 'mp\n1': "),
    ],
)
def test_names_the_row_that_cannot_be_used(frame: pd.DataFrame, said: str, place: Path) -> None:
    with pytest.raises(InputError) as refused:
        keep(frame, "e_form")
    assert said in refused.value.message
    assert not (place / "artifacts").exists()


def test_leaves_wrong_rows_out_when_asked(place: Path) -> None:
    found = keep(table(e_form=[-1.0, None, 0.0]), "e_form", drop_bad=place / "bad.csv")
    assert len(found) == 2
    assert "e_form is missing" in (place / "bad.csv").read_text()


def test_names_the_nearest_column() -> None:
    with pytest.raises(InputError, match=r"the table has no column 'e_from'") as refused:
        keep(table(), "e_from")
    assert "Did you mean 'e_form'?" in refused.value.hint
    with pytest.raises(InputError, match="No column of the table is called formula or compos"):
        keep(table().rename(columns={"formula": "name"}), "e_form")
    twice = pd.concat([table(), table()[["e_form"]]], axis=1)
    with pytest.raises(InputError, match="The table has two columns 'e_form'"):
        keep(twice, "e_form")
