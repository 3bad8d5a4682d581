"""``fesearch data import`` and what ``data show`` tells of it."""

import json
from pathlib import Path

import pytest
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure

from fesearch import library
from fesearch.cli.app import run

OQMD = """entry_id,name,delta_e,fit,gap
1,Al2 O3,-3.4,standard,6
1,Al2 O3,-3.3,custom,6
2,Fe2 O3,NULL,standard,NULL
3,Na1 Cl1,-2.1,standard,NULL
4,O3 Al2,-3.2,standard,5
"""
WORDS = ["--formula", "name", "--target", "delta_e", "--unit", "eV/atom", "--missing", "NULL"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file as OQMD is exported."""
    monkeypatch.setenv("FESEARCH_ARTIFACTS", str(tmp_path / "kept"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "oqmd.csv").write_text(OQMD)
    return tmp_path


def test_oqmd_is_imported_by_declared_choice(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    choice = ["--id", "entry_id", "--where", "fit=standard", "--drop-bad", "rejects.csv"]
    steps = ["--clean", "unique:lowest", "--clean", "sigma:5"]
    notes = ["--licence", "CC-BY 4.0", "--citation", "Saal 2013", "--title", "OQMD"]
    more = ["--numbers", "gap", "--columns", "fit", "--source", "a dump"]
    words = [*WORDS, *choice, *steps, *notes, *more]
    assert run(["data", "import", "oqmd.csv", "--name", "oqmd", *words]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == ["name  oqmd", "rows  2"]
    assert [line.split() for line in printed[4:]] == [
        ["step", "before", "taken", "after"],
        ["where:fit=standard", "5", "1", "4"],
        ["drop-bad", "4", "1", "3"],
        ["unique:lowest", "3", "1", "2"],
        ["sigma:5", "2", "0", "2"],
    ]
    assert (here / "rejects.csv").read_text().splitlines()[1].startswith("4,delta_e is missing,")

    data = library.load("oqmd")
    assert data.ids == ("1", "3")
    assert data.columns == {"fit": ("standard", "standard")}
    assert str(data.numbers["gap"].tolist()) == "[6.0, nan]"
    assert (data.title, data.licence, data.citation) == ("OQMD", "CC-BY 4.0", "Saal 2013")
    assert data.source == "a dump"

    assert run(["data", "show", "oqmd"]) == 0
    shown = capsys.readouterr().out
    assert "how it was cleaned, rows\nstep " in shown
    assert "The limits of sigma are of all rows, those of any test part included." in shown
    assert "numbers       gap\n" in shown

    assert run(["data", "show", "oqmd", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["steps"][1] == {"step": "drop-bad", "before": 4, "taken": 1, "after": 3}
    assert (found["numbers"], found["structures"]) == (["gap"], 0)


def test_nothing_is_said_of_cleaning_where_there_was_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["--formula", "name", "--target", "gap", "--unit", "eV", "--missing", "NULL"]
    good = "name,gap\nAl2 O3,6\nFe2 O3,2\n"
    Path("good.csv").write_text(good)
    assert run(["data", "import", "good.csv", "--name", "good", *words, "--format", "json"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["name", "rows", "hash"]
    assert run(["data", "show", "good"]) == 0
    shown = capsys.readouterr().out
    assert "cleaned" not in shown
    assert "sigma" not in shown


def test_structures_are_imported_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    iron = Structure(Lattice.cubic(2.9), ["Fe", "Fe"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    rows = [{"e": 0.0, "s": iron.to_json(), "f": "Fe"}, {"e": 1.0, "s": None, "f": "NaCl"}]
    Path("a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    words = ["--formula", "f", "--structure", "s", "--target", "e", "--unit", "eV/atom"]
    assert run(["data", "import", "a.jsonl", "--name", "iron", *words]) == 0
    capsys.readouterr()
    assert run(["data", "show", "iron", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["structures"] == 1
    assert run(["data", "list", "--format", "json"]) == 0
    listed = {row["name"]: row["structures"] for row in json.loads(capsys.readouterr().out)}
    assert listed == {"iron": True, "miedema": False}
    data = library.load("iron")
    assert data.structures is not None
    text, none = data.structures.texts([data.formulas.index(f) for f in ("Fe", "NaCl")])
    assert none == ""
    assert Structure.from_dict(json.loads(text)) == iron


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            [*WORDS, "--where", "fit"],
            "--where says 'fit', which is no column and value.\n"
            "Write it like --where fit=standard\n",
        ),
        (
            [*WORDS, "--clean", "uniq:lowest"],
            "There is no cleaning step 'uniq:lowest'.\nDid you mean unique? There are: unique, "
            "entries, compounds, elements, without, range, sigma\n",
        ),
        (
            [*WORDS, "--drop-bad", "oqmd.csv"],
            "'oqmd.csv' is the file to read.\nGive --drop-bad another name.\n",
        ),
        (
            ["--formula", "name", "--target", "delta_e", "--unit", "gap=eV"],
            "--unit 'gap=eV' names none of the targets 'delta_e'.\n"
            "Write it like --unit delta_e=eV/atom\n",
        ),
        (
            ["--formula", "name", "--target", "gap", "--unit", "gap="],
            "The target 'gap' has no unit.\nSay it, such as eV/atom.\n",
        ),
        (
            [*WORDS, "--target", "gap", "--unit", "gap=eV"],
            "--unit 'eV/atom' names none of the targets 'delta_e, gap'.\n"
            "Write it like --unit delta_e=eV/atom\n",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_in_two_lines(
    here: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert run(["data", "import", "oqmd.csv", "--name", "oqmd", *words]) == 2
    assert capsys.readouterr().err == message
    assert [path.name for path in here.iterdir()] == ["oqmd.csv"]


def test_columns_and_targets_with_odd_names_are_imported() -> None:
    Path("odd.csv").write_text('f,a=b,"x, mean",50%\nFeO,1,2,low\n')
    words = ["--formula", "f", "--target", "a=b", "--unit", "a=b=eV"]
    words += ["--numbers", "x%2C mean", "--columns", "50%25, f"]
    assert run(["data", "import", "odd.csv", "--name", "odd", *words]) == 0
    data = library.load("odd")
    assert data.units == {"a=b": "eV"}
    assert data.numbers["x, mean"].tolist() == [2.0]
    assert data.columns == {"50%": ("low",), "f": ("FeO",)}


def test_a_name_that_is_taken_is_refused_before_the_file_is_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["data", "import", "absent.csv", "--name", "miedema", *WORDS]) == 2
    assert capsys.readouterr().err == (
        "'miedema' is the name of data that comes with fesearch.\nChoose another: --name NAME\n"
    )


def test_the_help_says_how_oqmd_comes_in(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "import", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for words in ("Al2 O3", "--missing NULL", "--where fit=standard", "entries:lowest"):
        assert words in shown
