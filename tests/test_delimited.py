"""CSV files, good and bad: what is refused names the line or column, in two lines."""

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fesearch import intake, library
from fesearch.dataset import Dataset
from fesearch.datasets.delimited import table
from fesearch.errors import InputError
from fesearch.intake import Wanted

FOLDS = Path(__file__).parents[2] / "shared" / "data" / "mp_e_form_folds.csv.gz"
GOOD = b"formula,e\nFe2O3,-1.5\nNaCl,-2\n"
NO_CSV = "Save the table as CSV (UTF-8, separated by commas) and give that."
CORRECT = "Nothing was imported. Correct or remove these rows and import again."


def read(path: Path, content: bytes, **wanted: object) -> Dataset:
    path.write_bytes(content)
    keywords = {"formula": "formula", "targets": {"e": "eV/atom"}, **wanted}
    return intake.read(path, "mine", Wanted(**keywords))  # type: ignore[arg-type]


def rows(data: Dataset) -> list[tuple[str, str, float]]:
    return list(zip(data.ids, data.formulas, data.target("e").tolist(), strict=True))


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        GOOD.rstrip(b"\n"),
        GOOD.replace(b"\n", b"\r\n"),
        GOOD.replace(b"\n", b"\r"),
        b"\xef\xbb\xbf" + GOOD,
        gzip.compress(GOOD, mtime=0),
        gzip.compress(b"\xef\xbb\xbf" + GOOD, mtime=0),
        gzip.compress(GOOD[:20], mtime=0) + gzip.compress(GOOD[20:], mtime=0),
        b'"formula","e"\n"Fe2O3","-1.5"\n"NaCl",-2e0\n',
        b" formula , e \n Fe2O3 , -1.5 \n\nNaCl,-2.\n\n",
        b",formula,e\n0,Fe2O3,-1.50\n1,NaCl,-2\n",
        b'e,note,formula\n-2,,NaCl\n-1.5,"two\nlines, quoted",Fe2O3\n',
    ],
)
def test_the_same_rows_however_the_file_is_written(tmp_path: Path, content: bytes) -> None:
    data = read(tmp_path / "a.csv", content)
    assert rows(data) == [("ClNa", "NaCl", -2.0), ("Fe2O3", "Fe2O3", -1.5)]
    assert data.hash == "c97679f0ea61d9b68e5b85e8a38864234bad9e33d8a5c80c39bcf129fb19bb01"
    assert data.units == {"e": "eV/atom"}
    assert data.source == "a.csv"


def test_formulas_are_kept_as_given_and_repeated_ones_numbered_in_their_own_order(
    tmp_path: Path,
) -> None:
    data = read(tmp_path / "a.csv", b"formula,e\nAl2 O3,1\nO3Al2,2\nAl4O6,3\n")
    assert rows(data) == [
        ("Al2O3", "Al2 O3", 1.0),
        ("Al2O3#2", "Al4O6", 3.0),
        ("Al2O3#3", "O3Al2", 2.0),
    ]


def test_ids_further_targets_and_text_columns(tmp_path: Path) -> None:
    content = b"key,formula,e,gap,fold\nb,NaCl,-2,5,\na,NaCl,-1,4,train\n"
    data = read(
        tmp_path / "a.csv",
        content,
        id="key",
        targets={"e": "eV/atom", "gap": "eV"},
        columns=("fold",),
    )
    assert rows(data) == [("a", "NaCl", -1.0), ("b", "NaCl", -2.0)]
    assert data.target("gap").tolist() == [4.0, 5.0]
    assert data.units == {"e": "eV/atom", "gap": "eV"}
    assert data.columns == {"fold": ("train", "")}


def _bad(line: int, reason: str, of: int = 2, count: int = 1) -> str:
    return f"{count} of {of} rows of FILE cannot be used: line {line}: {reason}."


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (
            b"formula,e\nFe2O3,1\nFe2O,3,1\n",
            _bad(3, "3 fields where the header has 2"),
            CORRECT,
        ),
        (b"formula,e\nFe2O3,1\nFeO\n", _bad(3, "1 fields where the header has 2"), CORRECT),
        (
            b"formula,e\nFe2(O3,1\nFeO,1\n",
            _bad(2, "'Fe2(O3' is not a formula: a bracket is not closed, ) is missing"),
            CORRECT,
        ),
        (
            b"formula,e\nFeO,1\nXx2O3,1\n",
            _bad(3, "'Xx2O3' is not a formula: there is no element Xx"),
            CORRECT,
        ),
        (b"formula,e\nFeO,1\n ,1\n", _bad(3, "formula is missing"), CORRECT),
        (b"formula,e\nFeO,\nNaCl,1\n", _bad(2, "e is missing"), CORRECT),
        (b"formula,e\nFeO,NaN\nNaCl,1\n", _bad(2, "e 'NaN' is not finite"), CORRECT),
        (b"formula,e\nFeO,-inf\nNaCl,1\n", _bad(2, "e '-inf' is not finite"), CORRECT),
        (b"formula,e\nFeO,1e999\nNaCl,1\n", _bad(2, "e '1e999' is not finite"), CORRECT),
        (b"formula,e\nFeO,1_0\nNaCl,1\n", _bad(2, "e '1_0' is not a number"), CORRECT),
        (b'formula,e\n"FeO",1\n"\nNaCl",low\n', _bad(3, "e 'low' is not a number"), CORRECT),
        (b'formula,e\n"\nFeO",1\nNaCl,low\n', _bad(4, "e 'low' is not a number"), CORRECT),
        (
            b"formula,e\nA,1\n\nB,\nQ,3\nNaCl,1\nNa,x\nR,2\n",
            "5 of 6 rows of FILE cannot be used: "
            "line 2: 'A' is not a formula: there is no element A; line 4: e is missing; "
            "line 5: 'Q' is not a formula: there is no element Q; and 2 more.",
            CORRECT,
        ),
        (b"", "FILE is empty.", "Give a CSV file whose first line names its columns."),
        (b"\n\n", "FILE is empty.", "Give a CSV file whose first line names its columns."),
        (b"formula,e\n", "FILE has a header and no rows.", "Give a file with at least one row."),
        (
            b"formula,e,e\nFeO,1,2\n",
            "The header of FILE has the column 'e' twice.",
            "Give each column a name of its own.",
        ),
        (
            b"formulas,e\nFeO,1\n",
            "FILE has no column 'formula'.",
            "Did you mean 'formulas'? Its columns: formulas, e",
        ),
        (b"formula,x\nFeO,1\n", "FILE has no column 'e'.", "Its columns: formula, x"),
        (b"formula,\0e\nFeO,1\n", "FILE is not a text file in UTF-8.", NO_CSV),
        (GOOD.decode().encode("utf-16-le"), "FILE is not a text file in UTF-8.", NO_CSV),
        (GOOD.decode().encode("utf-16"), "FILE is not a text file in UTF-8.", NO_CSV),
        (bytes(range(256)) * 40, "FILE is not a text file in UTF-8.", NO_CSV),
        (
            b'formula,e\nFeO,1\nNaCl,"1',
            "FILE is not a CSV file: line 3: unexpected end of data.",
            NO_CSV,
        ),
        (
            b"formula,e\nFeO," + b"1" * 200_000,
            "FILE is not a CSV file: line 2: field larger than field limit (131072).",
            NO_CSV,
        ),
        (
            gzip.compress(GOOD, mtime=0)[:-12],
            "FILE is a damaged gzip file: "
            "Compressed file ended before the end-of-stream marker was reached.",
            "Copy or download it again.",
        ),
    ],
)
def test_a_bad_file_is_refused_whole(
    tmp_path: Path, content: bytes, message: str, hint: str
) -> None:
    path = tmp_path / "bad.csv"
    with pytest.raises(InputError) as caught:
        read(path, content)
    assert caught.value.message == message.replace("FILE", str(path))
    assert caught.value.hint == hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("rows_", "reason"),
    [
        (b"a,FeO,1\na,NaCl,1\n", "line 3: key 'a' is on line 2 too."),
        (b"a,FeO,1\n ,NaCl,1\n", "line 3: key is missing."),
    ],
)
def test_an_id_is_given_once_to_each_row(tmp_path: Path, rows_: bytes, reason: str) -> None:
    path = tmp_path / "bad.csv"
    with pytest.raises(InputError) as caught:
        read(path, b"key,formula,e\n" + rows_, id="key")
    assert caught.value.message == f"1 of 2 rows of {path} cannot be used: {reason}"


@pytest.mark.parametrize("name", ["b.tsv.csv", "b.tsv.CSV.gz", "b.csv.tsv", "b.csv.gz.tab"])
def test_the_last_suffix_says_how_a_file_is_read(tmp_path: Path, name: str) -> None:
    content = GOOD if "csv" in name.lower().removesuffix(".gz")[-3:] else GOOD.replace(b",", b"\t")
    assert len(read(tmp_path / name, content)) == 2


def test_a_corrupt_gzip_is_refused(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(GOOD * 1000, mtime=0))
    content[40] ^= 0xFF
    with pytest.raises(InputError, match="is a damaged gzip file"):
        read(tmp_path / "bad.csv.gz", bytes(content))


@pytest.mark.parametrize(
    ("name", "reason"),
    [("absent.csv", "No such file or directory"), ("folder.csv", "Is a directory")],
)
def test_a_path_that_is_no_file_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    path = tmp_path / name
    with pytest.raises(InputError) as caught:
        intake.read(path, "mine", Wanted({"e": "eV"}, formula="formula"))
    assert str(caught.value) == f"{path} cannot be read: {reason}.\nGive the path of a CSV file."


def test_a_target_and_its_unit_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No target column was given"):
        read(tmp_path / "a.csv", GOOD, targets={})
    with pytest.raises(InputError, match="The target 'e' has no unit"):
        read(tmp_path / "a.csv", GOOD, targets={"e": ""})


_pieces = st.sampled_from([b"formula", b"e", b",", b"\n", b"\r", b'"', b"Fe2O3", b"1.5", b"\xff"])
_bytes = st.one_of(
    st.binary(max_size=30),
    st.binary(max_size=20).map(lambda tail: gzip.compress(GOOD, mtime=0)[:10] + tail),
    st.lists(_pieces, max_size=10).map(lambda tail: b"formula,e\nNaCl,1\n" + b"".join(tail)),
)


@given(_bytes)
@settings(
    max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_bytes_are_imported_or_refused_on_two_lines(tmp_path: Path, content: bytes) -> None:
    try:
        assert len(read(tmp_path / "any.csv", content)) >= 1
    except InputError as error:
        refusal = error
    else:
        return
    assert len(str(refusal).splitlines()) == 2


@pytest.mark.slow
@pytest.mark.skipif(not FOLDS.exists(), reason=f"needs {FOLDS.name} in ../shared/data")
def test_materials_project_with_its_folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FESEARCH_ARTIFACTS", str(tmp_path))
    folds = ("fold0", "fold1", "fold2")
    wanted = Wanted({"target": "eV/atom"}, formula="formula", columns=folds)
    data = intake.read(FOLDS, "mp", wanted)
    assert len(data) == 99_515
    assert {*data.columns["fold0"]} == {"train", "val", "test", ""}
    library.save(data)
    assert library.load("mp").hash == data.hash


def test_a_nul_is_a_fault_of_its_row(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(b"formula,e\nFeO,1\nFe\0O,2\nNaCl,3\n")
    with table(path) as found:
        assert [(row.place, row.fault) for row in found.rows] == [
            ("line 2", ""),
            ("line 3", "there is a NUL character in its 'formula'"),
            ("line 4", ""),
        ]
