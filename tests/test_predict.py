"""Predictions for formulas and for files of them."""

import csv
import gzip
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bundled import edit, vouched

from fesearch import predict as predicting
from fesearch import tabular
from fesearch.bundle import Bundle, open_bundle
from fesearch.bundlefiles import CARD
from fesearch.cli.app import run
from fesearch.errors import InputError
from fesearch.export import export
from fesearch.predict import predict_file

# What becomes of test rows is tested in test_sealed.py.
pytestmark = pytest.mark.filterwarnings("ignore:.*sealed test part")

ROWS = 'id,formula,note\n1,AlTi,"a, b"\n2,Nb3 Zr,\n3,AlTi,"two\nlines"\n'


@pytest.fixture
def folder(studies: str, tmp_path: Path) -> Path:
    export("forests", studies, tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def bundle(folder: Path) -> Bundle:
    return open_bundle(folder)


def read(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_rows_and_columns_stay_in_order_with_a_prediction(bundle: Bundle, tmp_path: Path) -> None:
    source, to = tmp_path / "in.csv", tmp_path / "deep" / "out.csv"
    source.write_text(ROWS)
    done = predict_file(bundle, source, to)
    assert (done.rows, done.unseen) == (3, ())
    header, *rows = read(to)
    assert header == ["id", "formula", "note", "prediction", "unit"]
    assert [row[:3] for row in rows] == list(csv.reader(io.StringIO(ROWS)))[1:]
    np.testing.assert_array_equal(
        [float(row[3]) for row in rows], bundle.predict(["AlTi", "Nb3Zr", "TiAl"])
    )
    assert {row[4] for row in rows} == {"eV/atom"}


def test_pieces_join_without_a_seam(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in.csv"
    source.write_text("formula\n" + "".join(f"AlTi{n}\n" for n in range(1, 8)))
    predict_file(bundle, source, tmp_path / "one.csv")
    monkeypatch.setattr(predicting, "PIECE", 3)
    predict_file(bundle, source, tmp_path / "many.csv")
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "many.csv").read_bytes()
    assert len(read(tmp_path / "one.csv")) == 8


def test_gzip_is_read_and_written(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(ROWS)
    (tmp_path / "in.csv.gz").write_bytes(gzip.compress(ROWS.encode("utf-8-sig")))
    predict_file(bundle, tmp_path / "in.csv", tmp_path / "plain.csv")
    predict_file(bundle, tmp_path / "in.csv.gz", tmp_path / "packed.csv.gz")
    packed = gzip.decompress((tmp_path / "packed.csv.gz").read_bytes())
    assert packed == (tmp_path / "plain.csv").read_bytes()


def test_a_header_alone_has_no_predictions(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("formula\n")
    assert predict_file(bundle, tmp_path / "in.csv", tmp_path / "out.csv").rows == 0
    assert read(tmp_path / "out.csv") == [["formula", "prediction", "unit"]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "formula\nAlTi\nXx2\n\nAl(\nAlTi\n",
            "2 of 4 rows of {} cannot be predicted: line 3: 'Xx2' is not a formula: there is no "
            "element Xx; line 5: 'Al(' is not a formula: a bracket is not closed, ) is missing.",
        ),
        (
            "formula,x\n,1\n",
            "1 of 1 row of {} cannot be predicted: line 2: formula is missing.",
        ),
        (
            "formula,x\nAlTi\n",
            "1 of 1 row of {} cannot be predicted: line 2: 1 fields where the header has 2.",
        ),
        ("compound\nAlTi\n", "{} has no column 'formula'."),
        ("formula,unit\nAlTi,K\n", "{} has a column 'unit', which is to be added."),
        ("", "{} is empty."),
        ("f\0ormula\nAlTi\n", "{} is not a text file in UTF-8."),
        (
            "x,formula\n1,AlTi\n\0,AlTi\n",
            "1 of 2 rows of {} cannot be predicted: line 3: there is a NUL character in its 'x'.",
        ),
    ],
)
def test_a_wrong_file_is_refused_and_nothing_written(
    bundle: Bundle, tmp_path: Path, text: str, message: str
) -> None:
    source = tmp_path / "in.csv"
    source.write_text(text)
    with pytest.raises(InputError) as caught:
        predict_file(bundle, source, tmp_path / "out" / "out.csv")
    assert caught.value.message == message.format(source)
    assert not list(tmp_path.glob("out/*"))


def test_many_wrong_rows_are_counted(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("formula\n" + "Xx\n" * 9)
    with pytest.raises(InputError, match=r"^9 of 9 rows .* line 4: .*; and 6 more"):
        predict_file(bundle, tmp_path / "in.csv", tmp_path / "out.csv")


def test_the_file_read_is_not_the_file_written(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(ROWS)
    with pytest.raises(InputError, match="is the file to read"):
        predict_file(bundle, tmp_path / "in.csv", tmp_path / "." / "in.csv")
    with pytest.raises(InputError, match=r"none\.csv cannot be read: No such file"):
        predict_file(bundle, tmp_path / "none.csv", tmp_path / "in.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match=r"folder\.csv' is no file"):
        predict_file(bundle, tmp_path / "in.csv", tmp_path / "folder.csv")
    assert not (tmp_path / ".folder.csv.partial").exists()  # it was refused before the work
    assert (tmp_path / "in.csv").read_text() == ROWS


def test_a_full_disk_is_not_taken_for_a_bad_source(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tabular, "_writing", lambda *_, **__: Full())
    (tmp_path / "in.csv").write_text(ROWS)
    with pytest.raises(InputError) as caught:
        predict_file(bundle, tmp_path / "in.csv", tmp_path / "out.csv")
    message = f"'{tmp_path / 'out.csv'}' cannot be written: No space left on device."
    assert caught.value.message == message
    assert not (tmp_path / "out.csv").exists()


def test_a_row_without_a_finite_prediction_cannot_be_predicted(
    bundle: Bundle, tmp_path: Path
) -> None:
    def wild(x: np.ndarray) -> np.ndarray:
        return np.where(np.arange(len(x)) == 1, np.inf, 0.5)

    bundle = replace(bundle, predictors=((wild,),))
    why = "the model gives no finite number"
    with pytest.raises(InputError, match=rf"^1 of 2 compounds .*'CrFe' \({why}\)"):
        bundle.predict(["AlTi", "CrFe"])
    source, to = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"formula": "AlTi"}\n{"formula": "CrFe"}\n')
    with pytest.raises(InputError, match=f"line 2: {why}"):
        predict_file(bundle, source, to)
    assert predict_file(bundle, source, to, on_bad="keep").bad == 1
    first, second = map(json.loads, to.read_text().splitlines())
    assert (first["prediction"], first["error"]) == (0.5, None)
    assert (second["prediction"], second["error"]) == (None, why)


def test_a_terminal_obeys_no_word_of_a_card(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b[2J\x9b\u202eV"
    edit(folder / CARD, lambda card: card | {"unit": evil, "target": evil})
    vouched(folder)
    (tmp_path / "in.csv").write_text("formula\nAlTi3\n")
    words = ["--file", str(tmp_path / "in.csv"), "--to", str(tmp_path / "out.csv")]
    for given in (["AlTi3"], words):
        assert run(["predict", str(folder), *given]) == 0
        said = "".join(capsys.readouterr())
        assert r"\x1b[2J\x9b\u202eV" in said
        assert said.isascii()
    edit(folder / CARD, lambda card: card | {evil: 1})
    vouched(folder)
    assert run(["predict", str(folder), "AlTi3"]) == 2
    assert r"'\x1b[2J\x9b\u202eV' is wrong" in capsys.readouterr().err


def test_formulas_are_printed_with_prediction_and_unit(
    folder: Path, bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["predict", str(folder), "AlTi3", "Nb3 Zr", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    expected = bundle.predict(["AlTi3", "Nb3Zr"])
    assert json.loads(out) == [
        {"formula": "AlTi3", "prediction": expected[0], "unit": "eV/atom"},
        {"formula": "Nb3 Zr", "prediction": expected[1], "unit": "eV/atom"},
    ]
    assert err == ""


def test_an_element_never_seen_is_warned_about(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warning = (
        "Warning: the model has never seen Na, O; do not rely on predictions for compounds that "
        "contain them.\n"
    )
    assert run(["predict", str(folder), "AlTi3", "Na2O"]) == 0
    out, err = capsys.readouterr()
    assert (len(out.splitlines()), err) == (3, warning)
    (tmp_path / "in.csv").write_text("compound\nAlTi3\nNa2O\n")
    words = ["--file", f"{tmp_path}/in.csv", "--formula", "compound", "--to", f"{tmp_path}/out.csv"]
    assert run(["predict", str(folder), *words]) == 0
    out, err = capsys.readouterr()
    first, rest = err.split("\n", 1)
    assert (out, rest) == ("", f"{warning}Wrote 2 predictions of h_form to {tmp_path}/out.csv.\n")
    assert first.startswith("predictions: 2 of 2 rows")


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ([], "Give formulas, or a file of them; not both, not neither."),
        (["AlTi", "--file", "in.csv"], "Give formulas, or a file of them; not both, not neither."),
        (["--file", "in.csv"], "--file and --to belong together."),
        (["AlTi", "--to", "out.csv"], "--file and --to belong together."),
        (["AlTi", "Xx2"], "'Xx2' is not a formula: there is no element Xx."),
    ],
)
def test_wrong_usage_is_two_lines(
    folder: Path, words: list[str], first: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["predict", str(folder), *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0] == first
    assert len(err.splitlines()) == 2


@pytest.mark.parametrize("option", ["--formula", "--structure"])
def test_a_column_without_a_file_is_not_ignored(
    folder: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["predict", str(folder), "AlTi", option, "compound"]) == 2
    assert capsys.readouterr().err == (
        f"{option} names a column, but there is no --file.\nGive --file, or leave {option} out.\n"
    )


def test_structures_for_a_model_of_formulas_are_not_ignored(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.csv").write_text(ROWS)
    words = ["--file", f"{tmp_path}/in.csv", "--structure", "note", "--to", f"{tmp_path}/out.csv"]
    assert run(["predict", str(folder), *words]) == 2
    assert capsys.readouterr().err == (
        "The model reads no structures, and so not the column 'note'.\nLeave --structure out.\n"
    )
    assert not (tmp_path / "out.csv").exists()


def test_a_forest_does_not_predict_on_a_gpu(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fesearch.nets.device.require_gpus", lambda wanted: None)
    assert run(["predict", str(folder), "AlTi", "--gpus", "2"]) == 2
    assert capsys.readouterr().err == (
        "The model is a random_forest, which computes on CPUs.\nLeave --gpus out.\n"
    )
