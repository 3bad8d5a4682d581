"""Published values stand beside the rankings of their divisions, marked, and in no test."""

import csv
import io
import json
import pickle
import re
from pathlib import Path

import pytest
import searched

from fesearch import dataset, library
from fesearch.cli.app import run
from fesearch.cli.published import HEADING
from fesearch.dashboard.pages import Pages
from fesearch.errors import InputError
from fesearch.handle import StudyHandle
from fesearch.holdout import holdout
from fesearch.ranking.contender import Spread
from fesearch.ranking.published import NOTE, Publication, Value, beside, read, shipped
from fesearch.ranking.rank import repeated_tables, tables
from fesearch.report import collect, render

FOLDS = ("train train val test", "test train train val", "val test train train")


@pytest.fixture
def folds(studies: str) -> str:
    """The URL of a store with a study on the first of three columns of roles, and looks at all."""
    roles = {f"fold{n}": (words.split() * 15) for n, words in enumerate(FOLDS)}
    made = library.load(searched.DATA)
    target = {searched.TARGET: made.target(searched.TARGET)}
    units = {searched.TARGET: searched.UNIT}
    library.save(dataset.make("folds", made.formulas, target, units, columns=roles))
    split = "column:fold0+fold1+fold2,member=0"
    searched.search(
        studies, "first", "random_forest", [searched.SMALL_FOREST], data="folds", split=split
    )
    holdout("first", studies, over="members")
    return studies


def file(folder: Path, *lines: str) -> str:
    path = folder / "values.csv"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_what_comes_with_the_package_has_a_source_for_each_value() -> None:
    assert list(shipped()) == ["mp_e_form_folds"]
    values = read("mp_e_form_folds").values
    assert len(values) == 12
    assert all("doi:10." in one.source for one in values)
    roost = [one.test_mae for one in values if one.name == "Roost"]
    assert sum(roost) / 3 == pytest.approx(0.0789, abs=5e-5)


def test_a_value_is_beside_the_ranking_of_its_division_alone(folds: str) -> None:
    (table,) = tables(folds, studies=["first"])
    publication = read("mp_e_form_folds")
    names = ["CrabNet (mat2vec)", "CrabNet (one-hot)", "Roost", "RF (Magpie, 500 trees)"]
    lines = beside(publication, table)
    assert [line.name for line in lines] == names
    assert [line.test.mean for line in lines] == [0.0751, 0.0790, 0.0792, 0.1306]
    assert beside(publication, tables(folds, studies=["nets"])[0]) == []
    assert beside(None, table) == []
    (over,) = repeated_tables(folds, studies=["first"])
    found = {line.name: line.test for line in beside(publication, over)}
    assert list(found) == ["CrabNet (mat2vec)", "Roost", "CrabNet (one-hot)", names[3]]
    assert found["Roost"] == Spread.of([0.0792, 0.0767, 0.0808])


def test_python_shows_what_the_command_prints(
    folds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = StudyHandle("first", folds).rank(beside="mp_e_form_folds")
    words = ["rank", "--study", "first", "--beside", "mp_e_form_folds", "--format", "json"]
    assert run(words) == 0
    assert json.loads(json.dumps(found.rows())) == json.loads(capsys.readouterr().out)
    assert [row["family"] for row in found.rows()].count("Roost") == 2  # of one fold and of all
    single, over = repr(found).splitlines()
    assert single.startswith("<ranking 'folds, h_form': 1 entry on column:fold0")
    assert over.startswith("<ranking over divisions 'folds, h_form': 1 contender on column:fold0+")
    html = found._repr_html_()
    assert html.count("Published values; none was run here") == 2
    assert "mean ± SD over column:fold0+fold1+fold2" in html
    assert "<td>0.0789 ± 0.0021</td>" in html
    again = pickle.loads(pickle.dumps(found))
    assert (again, again.rows()) == (found, found.rows())
    assert "Published" not in StudyHandle("first", folds).rank()._repr_html_()


def test_without_a_division_it_is_beside_every_ranking(studies: str) -> None:
    first, second = tables(studies)
    elsewhere = Value("RF", 0.1, second.division.spec)
    publication = Publication("x", (Value("Roost", 0.08), elsewhere))
    assert [[line.name for line in beside(publication, one)] for one in (first, second)] == [
        ["Roost"],
        ["Roost", "RF"],
    ]


@pytest.mark.parametrize("format", ["table", "markdown", "latex"])
def test_the_rows_are_marked_wherever_they_are_printed(
    folds: str, format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["rank", "--study", "first", "--format", format]
    assert run(words) == 0
    before = capsys.readouterr().out
    assert run([*words, "--beside", "mp_e_form_folds"]) == 0
    out = capsys.readouterr().out
    assert NOTE not in before
    assert out.count(NOTE) == 8  # of four models on the fold, and of four over three folds
    assert out.count(HEADING) == 2
    assert "0.0792" in out
    assert "0.0789" in out
    left = [line for line in out.splitlines() if line in before.splitlines()]
    assert [line for line in before.splitlines() if line not in left] == []


def test_the_dashboard_has_them_below_each_ranking(folds: str) -> None:
    def shown(path: str) -> str:
        found = pages({"PATH_INFO": path, "REQUEST_METHOD": "GET"}, lambda *_: None)
        return b"".join(found).decode()

    pages = Pages(folds, beside=read("mp_e_form_folds"))
    try:
        home = shown("/")
        own = re.search(r"/rankings/[0-9a-f]+(?=\">folds)", home)
        assert own is not None
        assert home.count(NOTE) == 8
        assert shown(own[0]).count(NOTE) == 4
    finally:
        pages.close()


def test_json_and_csv_have_the_promised_keys(
    folds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["rank", "--study", "first", "--beside", "mp_e_form_folds", "--format"]
    assert run([*words, "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    theirs = [row for row in rows if row.get("note") == NOTE]
    assert (len(rows), len(theirs)) == (11, 8)  # an entry, its config trained again, one over folds
    promised = {"position", "study", "trial", "family", "data", "split", "val_mae", "test_mae"}
    for row in theirs:
        assert promised <= set(row)
        assert (row["position"], row["study"], row["trial"]) == (None, None, None)
        assert not {"ties", "p_next"} & set(row)
        assert "doi:" in row["source"]
    assert run([*words, "csv"]) == 0
    lines = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert sum(line["note"] == NOTE for line in lines) == 8


def test_the_page_says_so_first_and_below_its_rankings(folds: str, tmp_path: Path) -> None:
    page = render(collect(["first"], folds, beside=read("mp_e_form_folds")))
    assert page.count(f"<td>{NOTE}</td>") == 8
    assert "Published, and not run here, are test MAEs of" in page
    ranking = page.index('<section id="ranking">')
    assert page.index("CrabNet (mat2vec) 0.0751") < ranking
    assert page.index("Published, over the same:\nCrabNet (mat2vec) 0.07783, Roost") < ranking
    assert "--to report.html --beside mp_e_form_folds" in page
    to = StudyHandle("first", folds).report(tmp_path / "page.html", beside="mp_e_form_folds")
    assert to.read_text().count(NOTE) == 8


def test_no_ranking_of_its_divisions_is_said(
    studies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["rank", "--beside", "mp_e_form_folds"]) == 0
    out, err = capsys.readouterr()
    assert NOTE not in out
    assert err == (
        "No ranking is of a division that 'mp_e_form_folds' has values for "
        "(column:fold0, column:fold1, column:fold2).\n"
    )


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["name,mae", "a,1"], "no column 'test_mae'"),
        (["name,test_mae", "a,one"], "line 2: test_mae 'one' is not a number."),
        (["name,test_mae", "a,-1"], "line 2: test_mae -1 is below 0."),
        (["name,test_mae", "a,"], "line 2: test_mae is missing."),
        (["name,test_mae", ",1"], "line 2: name is missing."),
        (["name,test_mae", "a,1,2"], "line 2: 3 fields where the header has 2."),
        (["name,test_mae,division", "a,1,kfld"], "There is no kind of split 'kfld'."),
        (["name,test_mae", "a,1", "a,2"], "has 'a' twice."),
    ],
)
def test_a_wrong_row_is_named(lines: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(file(tmp_path, *lines))
    assert said in caught.value.message


def test_a_mistyped_name_is_told_from_a_file(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read("mp_e_form_fold")
    assert caught.value.message == "There is no table of published values 'mp_e_form_fold'."
    assert "Did you mean 'mp_e_form_folds'?" in caught.value.hint
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read(str(tmp_path / "none.csv"))
    (one,) = read(file(tmp_path, "name,test_mae", "mine,0.1")).values
    assert one == Value("mine", 0.1)
