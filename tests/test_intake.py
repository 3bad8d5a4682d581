"""From raw rows to a data set: what columns mean, which rows are bad, and where those go."""

import csv
import json
import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure

from fesearch import cells, intake
from fesearch.dataset import Dataset, Step
from fesearch.errors import InputError
from fesearch.intake import Wanted, collect
from fesearch.source import RawRow, RawTable
from fesearch.structure import canonical

SALT = Structure.from_spacegroup(
    "Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0, 0]]
)
OQMD = """entry_id,name,delta_e,fit,stability
1,Al2 O3,-3.4,standard,0
1,Al2 O3,-3.3,custom,0
2,Fe2 O3,NULL,standard,NULL
3,Na1 Cl1,-2.1,standard,NULL
4,Xx2,-3,standard,1
"""


def table(rows: Iterable[dict[str, Any]], columns: Sequence[str] = ()) -> RawTable:
    numbered = (RawRow(f"line {place}", cells) for place, cells in enumerate(rows, 2))
    return RawTable(columns, numbered)


def take(rows: Iterable[dict[str, Any]], wanted: Wanted | None = None, **more: Any) -> Dataset:
    wanted = wanted or Wanted({"e": "eV"}, formula="f")
    return collect("mine", table(rows), wanted, origin="HERE", **more)


def refusal(rows: Iterable[dict[str, Any]], wanted: Wanted | None = None, **more: Any) -> str:
    with pytest.raises(InputError) as caught:
        take(rows, wanted, **more)
    return str(caught.value)


def oqmd(folder: Path, **more: Any) -> Dataset:
    path = folder / "oqmd.csv"
    path.write_text(OQMD)
    keys = {"formula": "name", "id": "entry_id", "missing": ("NULL",), **more.pop("wanted", {})}
    return intake.read(path, "oqmd", Wanted({"delta_e": "eV/atom"}, **keys), **more)


def test_columns_keep_their_meaning() -> None:
    rows = [
        {"f": "NaCl", "e": "-2", "k": 7, "part": " a ", "v": None},
        {"f": " Fe2 O3 ", "e": -1.5, "k": "5", "part": None, "v": 3},
    ]
    wanted = Wanted({"e": "eV"}, formula="f", id="k", columns=("part",), numbers=("v",))
    data = take(rows, wanted, title="T", licence="L", citation="C", source="S")
    assert data.ids == ("5", "7")
    assert data.formulas == ("Fe2 O3", "NaCl")
    assert data.reduced == ("Fe2O3", "ClNa")
    assert data.target("e").tolist() == [-1.5, -2.0]
    assert data.columns == {"part": ("", "a")}
    assert str(data.numbers["v"].tolist()) == "[3.0, nan]"
    assert (data.title, data.licence, data.citation, data.source) == ("T", "L", "C", "S")
    assert data.steps == ()
    assert data.structures is None


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Wanted({}, formula="f"), "No target column was given.\nName one: --target COL"),
        (
            Wanted({"e": ""}, formula="f"),
            "The target 'e' has no unit.\nSay it, such as eV/atom.",
        ),
        (
            Wanted({"e": "eV"}),
            "No column of formulas or structures was given.\n"
            "Name one: --formula COL or --structure COL",
        ),
        (
            Wanted({"e": "eV"}, formula="f", numbers=("e",)),
            "The column 'e' is wanted as a number twice, or as a target too.\n"
            "Name each column once in --target and --numbers.",
        ),
        (
            Wanted({"e": "eV"}, formula="f", columns=("ff",)),
            "HERE has no column 'ff'.\nDid you mean 'f'? Its columns: e, f",
        ),
        (
            Wanted({"e": "eV"}, formula="f", where=(("fit", "x"),)),
            "HERE has no column 'fit'.\nIts columns: e, f",
        ),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused(wanted: Wanted, message: str) -> None:
    assert refusal([{"f": "FeO", "e": 1}], wanted) == message


def test_a_number_of_ones_own_fits_in_a_feature() -> None:
    rows = [{"f": "FeO", "e": 1e39, "v": value} for value in ("3e38", "", "-1e39")]
    assert refusal(rows, Wanted({"e": "eV"}, formula="f", numbers=("v",))).splitlines()[0] == (
        "1 of 3 rows of HERE cannot be used: line 4: v '-1e39' is beyond 3.4e+38."
    )


def test_no_rows_are_refused() -> None:
    assert refusal([]) == "HERE has no rows.\nGive a file with at least one row."


def test_oqmd_as_it_is_exported_is_refused_naming_all_that_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        oqmd(tmp_path)
    assert caught.value.message == (
        f"3 of 5 rows of {tmp_path}/oqmd.csv cannot be used: "
        "line 3: entry_id '1' is on line 2 too; line 4: delta_e is missing; "
        "line 6: 'Xx2' is not a formula: there is no element Xx."
    )


def test_one_fit_is_chosen_and_bad_rows_go_to_a_file(tmp_path: Path) -> None:
    rejects = tmp_path / "rejects.csv"
    where = {"where": (("fit", "standard"),), "numbers": ("stability",)}
    data = oqmd(tmp_path, wanted=where, rejects=rejects)
    assert data.ids == ("1", "3")
    assert data.formulas == ("Al2 O3", "Na1 Cl1")
    assert data.source == "oqmd.csv"
    assert data.steps == (Step("where:fit=standard", 5, 4), Step("drop-bad", 4, 2))
    assert rejects.read_text() == (
        "line,reason,entry_id,name,delta_e,fit,stability\n"
        "4,delta_e is missing,2,Fe2 O3,NULL,standard,NULL\n"
        "6,'Xx2' is not a formula: there is no element Xx,4,Xx2,-3,standard,1\n"
    )


def test_one_of_several_fits_is_kept(tmp_path: Path) -> None:
    data = oqmd(tmp_path, rejects=tmp_path / "r.csv", steps=["entries:lowest"])
    assert data.target("delta_e").tolist() == [-3.4, -2.1]
    assert data.steps == (Step("drop-bad", 5, 3), Step("entries:lowest", 3, 2))


def test_rejects_that_were_mended_can_be_imported(tmp_path: Path) -> None:
    rejects, more = tmp_path / "rejects.csv", tmp_path / "more.csv"
    oqmd(tmp_path, wanted={"where": (("fit", "standard"),)}, rejects=rejects)
    rejects.write_text(rejects.read_text().replace("Fe2 O3,NULL", "Fe2 O3,-1.7"))
    wanted = Wanted({"delta_e": "eV/atom"}, formula="name", id="entry_id")
    data = intake.read(rejects, "rest", wanted, rejects=more)
    assert data.formulas == ("Fe2 O3",)
    with more.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["line"], row["name"]) for row in rows] == [("3", "Xx2")]


def test_rejects_lose_nothing_of_a_row(tmp_path: Path) -> None:
    path, rejects = tmp_path / "a.csv", tmp_path / "rejects.csv"
    path.write_text("line,f,e,reason,line_\nA,Xx,1,why,B\nC,FeO,2,so,D,3,4\nE,FeO\nF,FeO,1,,G\n")
    intake.read(path, "mine", Wanted({"e": "eV"}, formula="f"), rejects=rejects)
    assert rejects.read_text().splitlines() == [
        "line,reason,line__,f,e,reason_,line_",
        "2,'Xx' is not a formula: there is no element Xx,A,Xx,1,why,B",
        "3,7 fields where the header has 5,C,FeO,2,so,D,3,4",
        "4,2 fields where the header has 5,E,FeO,,,",
    ]


def test_without_a_good_row_nothing_is_written(tmp_path: Path) -> None:
    rejects = tmp_path / "rejects.csv"
    assert refusal([{"f": "Xx", "e": 1}, {"f": "FeO", "e": "x"}], rejects=rejects) == (
        "2 of 2 rows of HERE cannot be used: line 2: 'Xx' is not a formula: there is no element "
        "Xx; line 3: e 'x' is not a number.\n"
        "No row is good: nothing was imported, and no file of rejects written."
    )
    assert list(tmp_path.iterdir()) == []


def test_an_import_that_fails_later_leaves_the_old_rejects(tmp_path: Path) -> None:
    rejects = tmp_path / "rejects.csv"
    rejects.write_text("of an earlier time")
    rows = [{"f": "Xx", "e": 1}, {"f": "Fe", "e": 1}]
    assert refusal(rows, rejects=rejects, steps=["compounds"]).startswith("The cleaning step")
    assert rejects.read_text() == "of an earlier time"


def test_rejects_never_replace_the_file_that_is_read(tmp_path: Path) -> None:
    path = tmp_path / "oqmd.csv"
    (tmp_path / "link.csv").symlink_to(path)
    for name in ("oqmd.csv", "link.csv"):
        with pytest.raises(InputError, match=f"'{tmp_path / name}' is the file to read."):
            oqmd(tmp_path, rejects=tmp_path / name)
    assert path.read_text() == OQMD


def test_rejects_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("no folder")
    with pytest.raises(InputError) as caught:
        oqmd(tmp_path, rejects=tmp_path / "folder" / "rejects.csv")
    assert caught.value.hint == "Choose another --drop-bad."


def test_a_choice_that_fits_no_row_is_refused() -> None:
    wanted = Wanted({"e": "eV"}, formula="f", where=(("fit", "a"), ("e", "1")))
    assert refusal([{"f": "FeO", "e": 1, "fit": "b"}], wanted) == (
        "Of the 1 row of HERE none has fit=a and e=1.\n"
        "Look at the values of that column, or leave out --where."
    )


def test_each_condition_counts_the_rows_it_took() -> None:
    wanted = Wanted({"e": "eV"}, formula="f", where=(("x", "1"), ("y", "2")))
    rows = [{"f": "FeO", "e": 1, "x": x, "y": y} for x, y in [(1, 2), (1, 3), (0, 2), (0, 3)]]
    assert take(rows, wanted).steps == (Step("where:x=1", 4, 2), Step("where:y=2", 2, 1))


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(True, "true"), (False, "False"), (1, "1.0"), (1.0, "1"), (0.1, "1e-1"), (Decimal(2), "2.0"),
     (2**53 + 1, str(2**53 + 1)), ("01", "01"), (None, ""), (math.nan, "")],
)  # fmt: skip
def test_a_condition_is_met_by_what_is_meant(value: Any, wanted: str) -> None:
    assert cells.has("x", value, wanted)
    assert not cells.has("x", value, "3")


def test_a_condition_is_exact() -> None:
    for value, wanted in [(2**53 + 1, str(2**53)), ("1", "1.0"), (True, "1"), (1, "true")]:
        assert not cells.has("x", value, wanted)


def test_nan_may_be_nothing_or_a_compound() -> None:
    rows = [{"f": "NaN", "e": 1}, {"f": "Na1N1", "e": 2}]
    assert refusal(rows).splitlines()[0] == (
        "1 of 2 rows of HERE cannot be used: line 2: 'NaN' is nothing or a compound: "
        "say --missing NaN, or write the compound as Na1N1."
    )
    certain = Wanted({"e": "eV"}, formula="f", nan_is_compound=True)
    assert take(rows, certain).reduced == ("NNa", "NNa")
    missing = refusal(rows, Wanted({"e": "eV"}, formula="f", missing=("NaN",)))
    assert "line 2: f is missing." in missing


def test_structures_as_objects_texts_and_cif_files(tmp_path: Path) -> None:
    SALT.to(filename=str(tmp_path / "salt.cif"))
    rows = [
        {"k": "a", "f": "NaCl", "e": 1, "s": SALT.as_dict()},
        {"k": "b", "f": "Cl2Na2", "e": 1, "s": f" {SALT.to_json()} "},
        {"k": "c", "f": "NaCl", "e": 1, "s": "salt.cif"},
        {"k": "d", "f": "NaCl", "e": 1, "s": None},
    ]
    wanted = Wanted({"e": "eV"}, formula="f", structure="s", id="k")
    data = take(rows, wanted, folder=tmp_path)
    assert data.structures is not None
    first, second, third, fourth = data.structures.texts(range(4))
    assert first == second == canonical(SALT.as_dict())
    assert Structure.from_dict(json.loads(third)).matches(SALT)
    assert fourth == ""


def test_without_a_column_of_formulas_they_are_those_of_the_structures() -> None:
    wanted = Wanted({"e": "eV"}, structure="s")
    data = take([{"e": 1, "s": SALT.as_dict()}], wanted)
    assert (data.formulas, data.reduced, data.ids) == (("Na4Cl4",), ("ClNa",), ("ClNa",))
    message = refusal([{"e": 1, "s": SALT.as_dict()}, {"e": 2, "s": None}], wanted)
    assert message.splitlines()[0] == "1 of 2 rows of HERE cannot be used: line 3: s is missing."


def test_structure_and_formula_must_agree() -> None:
    wanted = Wanted({"e": "eV"}, formula="f", structure="s")
    message = refusal([{"f": "KCl", "e": 1, "s": SALT.as_dict()}], wanted)
    assert "line 2: 'KCl' has a structure of 'Na4Cl4'." in message


def test_a_structure_that_is_none_is_a_bad_row(tmp_path: Path) -> None:
    wanted = Wanted({"e": "eV"}, formula="f", structure="s")
    rows = [{"f": "NaCl", "e": 1, "s": value} for value in ("{}", "absent.cif", [1])]
    assert refusal(rows, wanted, folder=tmp_path).splitlines()[0] == (
        "3 of 3 rows of HERE cannot be used: "
        "line 2: The structure cannot be used: it has no matrix of a lattice; "
        f"line 3: The structure cannot be used: '{tmp_path}/absent.cif' cannot be read, "
        "No such file or directory; "
        "line 4: s is a list, not a structure."
    )


def test_a_file_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    for name in ("a.xlsx", "a", "a.gz"):
        with pytest.raises(InputError) as caught:
            intake.read(tmp_path / name, "mine", Wanted({"e": "eV"}, formula="f"))
        assert caught.value.message == (
            f"{tmp_path / name} ends in none of the suffixes of data files."
        )
        assert ".csv .tsv .tab .jsonl .ndjson .parquet .pq" in caught.value.hint


def test_a_name_no_data_set_can_have_is_refused_before_anything_is_read() -> None:
    with pytest.raises(InputError, match=r"A data set cannot be called '\.\./up'"):
        collect("../up", table(iter(())), Wanted({"e": "eV"}, formula="f"), origin="HERE")
