"""Tables of every kind, with wrong rows, and with a kill on the way."""

import csv
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fesearch import predict as predicting
from fesearch.bundle import Bundle, open_bundle
from fesearch.cli.app import run
from fesearch.errors import InputError
from fesearch.export import export
from fesearch.partial import partial
from fesearch.predict import Predicted, predict_file

# What becomes of test rows is tested in test_sealed.py.
pytestmark = pytest.mark.filterwarnings("ignore:.*sealed test part")

WRONG = "formula,x\nAlTi,1\nXx2,2\nNaN,3\nNbZr\nTiV,5,6\nCrFe,7\n"
REASONS = [
    "",
    "'Xx2' is not a formula: there is no element Xx",
    "'NaN' is nothing or a compound: write the compound as Na1N1",
    "1 fields where the header has 2",
    "3 fields where the header has 2, the last '6'",
    "",
]


@pytest.fixture(scope="module")
def model(_searched_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an ensemble of networks and forests."""
    to = tmp_path_factory.mktemp("exported") / "model"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FESEARCH_ARTIFACTS", str(_searched_once / "artifacts"))
        patch.setenv("FESEARCH_CACHE_DIR", str(_searched_once / "cache"))
        url = f"sqlite:///{_searched_once}/fesearch.db"
        export("nets", url, to, ensemble=4, others=["forests"])
    return to


@pytest.fixture(scope="module")
def bundle(model: Path) -> Bundle:
    return open_bundle(model)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_wrong_rows_are_kept_with_their_reason(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(WRONG)
    done = predict_file(bundle, tmp_path / "in.csv", tmp_path / "out.csv", on_bad="keep")
    found = rows(tmp_path / "out.csv")
    assert [row["error"] for row in found] == REASONS
    assert [row["formula"] for row in found] == ["AlTi", "Xx2", "NaN", "NbZr", "TiV", "CrFe"]
    assert [row["x"] for row in found] == ["1", "2", "3", "", "5,6", "7"]
    expected = bundle.predict(["AlTi", "CrFe"])
    assert [float(found[place]["prediction"]) for place in (0, 5)] == expected.tolist()
    assert {found[2]["prediction"], found[2]["spread"], found[2]["unit"]} == {""}
    assert (done.rows, done.bad) == (2, 4)
    assert done.first == tuple(f"line {i + 2}: {REASONS[i]}" for i in (1, 2, 3))


def test_a_formula_that_a_feature_set_refuses_is_one_wrong_row(
    bundle: Bundle, tmp_path: Path
) -> None:
    texts = ["AlTi", "AlOg", "CrFe", "OgTi", "NbZr"]
    (tmp_path / "in.csv").write_text("\n".join(["formula", *texts, ""]))
    done = predict_file(bundle, tmp_path / "in.csv", tmp_path / "out.csv", on_bad="keep")
    found = rows(tmp_path / "out.csv")
    said = [f"The element tables of magpie lack Og, which '{text}' contains" for text in texts]
    assert [row["error"] for row in found] == ["", said[1], "", said[3], ""]
    given = [float(found[place]["prediction"]) for place in (0, 2, 4)]
    assert given == bundle.predict(["AlTi", "CrFe", "NbZr"]).tolist()
    assert (done.rows, done.bad) == (3, 2)
    assert bundle.answer(["Og"]).lacking == {0: said[1].replace("AlOg", "Og")}
    with pytest.raises(InputError, match=r"^2 of 5 rows .*: line 3: The element tables"):
        predict_file(bundle, tmp_path / "in.csv", tmp_path / "not.csv")


def test_progress_counts_rows_without_the_header(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predicting, "PIECE", 2)
    (tmp_path / "in.csv").write_text("formula\n" + "AlTi\n" * 4)
    told: list[tuple[int, int]] = []
    predict_file(
        bundle, tmp_path / "in.csv", tmp_path / "out.csv", progress=lambda *seen: told.append(seen)
    )
    assert told == [(2, 4), (4, 4)]


def test_a_row_with_a_nul_is_wrong_and_the_others_are_not(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b"x,formula\n1,AlTi\n2,Al\0Ti\n3,CrFe\n")
    done = predict_file(bundle, tmp_path / "in.csv", tmp_path / "out.csv", on_bad="keep")
    found = rows(tmp_path / "out.csv")
    assert [row["formula"] for row in found] == ["AlTi", "Al\0Ti", "CrFe"]
    said = "there is a NUL character in its 'formula'"
    assert [row["error"] for row in found] == ["", said, ""]
    assert done.first == (f"line 3: {said}",)
    predict_file(bundle, tmp_path / "in.csv", tmp_path / "left.csv", on_bad="drop")
    assert [row["x"] for row in rows(tmp_path / "left.csv")] == ["1", "3"]


def test_a_carriage_return_in_a_cell_stays_in_it(bundle: Bundle, tmp_path: Path) -> None:
    text = 'formula,"x\ry"\nAlTi,"a\rb"\nCrFe,"c\r\nd, ""e"""\n'
    (tmp_path / "in.csv").write_bytes(text.encode())
    predict_file(bundle, tmp_path / "in.csv", tmp_path / "out.csv")
    found = rows(tmp_path / "out.csv")
    assert [row["x\ry"] for row in found] == ["a\rb", 'c\r\nd, "e"']
    assert [row["unit"] for row in found] == ["eV/atom"] * 2


def test_a_row_with_fields_too_many_keeps_them_in_its_last_cell(
    bundle: Bundle, tmp_path: Path
) -> None:
    (tmp_path / "in.tsv").write_text("x\tformula\n1\tAlTi\ta\tb\n2\tCrFe\n")
    predict_file(bundle, tmp_path / "in.tsv", tmp_path / "out.csv", on_bad="keep")
    found = rows(tmp_path / "out.csv")
    assert [row["formula"] for row in found] == ["AlTi\ta\tb", "CrFe"]
    assert found[0]["error"].startswith("4 fields where the header has 2")


def test_wrong_rows_are_dropped(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(WRONG)
    done = predict_file(bundle, tmp_path / "in.csv", tmp_path / "out.csv", on_bad="drop")
    assert [row["formula"] for row in rows(tmp_path / "out.csv")] == ["AlTi", "CrFe"]
    assert (done.rows, done.bad) == (2, 4)
    assert "error" not in rows(tmp_path / "out.csv")[0]


def test_wrong_rows_are_counted_over_all_pieces_and_nothing_is_left(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predicting, "PIECE", 1)
    (tmp_path / "in.csv").write_text(WRONG)
    with pytest.raises(InputError) as caught:
        predict_file(bundle, tmp_path / "in.csv", tmp_path / "out.csv")
    assert caught.value.message.startswith(
        f"4 of 6 rows of {tmp_path}/in.csv cannot be predicted: line 3: {REASONS[1]}; line 4: "
    )
    assert caught.value.message.endswith(f"line 5: {REASONS[3]}; and 1 more.")
    assert caught.value.hint == (
        "Nothing was written. Correct these rows, or give --on-bad keep or --on-bad drop."
    )
    assert not list(tmp_path.glob("*out*"))


def test_nan_typed_as_a_formula_is_the_compound(bundle: Bundle) -> None:
    assert bundle.predict(["NaN"]) == bundle.predict(["Na1N1"])


def test_json_lines_keep_every_character(bundle: Bundle, tmp_path: Path) -> None:
    lines = ['{"formula": "AlTi", "x": 1.10, "y": {"z": [1, 2]}}', '{ "formula":"Fe" , "n":1e400}']
    (tmp_path / "in.jsonl").write_text("\n".join([*lines, "{}", "no json"]) + "\n")
    done = predict_file(bundle, tmp_path / "in.jsonl", tmp_path / "out.jsonl.gz", on_bad="keep")
    found = gzip.decompress((tmp_path / "out.jsonl.gz").read_bytes()).decode().splitlines()
    assert [
        line.startswith(old[:-1].rstrip()) for line, old in zip(found, lines, strict=False)
    ] == [
        True,
        True,
    ]
    values = [json.loads(line) for line in found]
    assert [value["prediction"] for value in values[:2]] == bundle.predict(["AlTi", "Fe"]).tolist()
    assert values[2] == {
        "prediction": None, "spread": None, "unit": None, "error": "formula is missing"
    }  # fmt: skip
    assert values[3]["line"] == "no json"
    assert values[3]["error"].startswith("it is not JSON")
    assert (done.rows, done.bad) == (2, 2)


def test_json_lines_with_a_column_that_is_to_be_added(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"formula": "AlTi", "unit": "K"}\n')
    with pytest.raises(InputError, match="line 1 has a column 'unit', which is to be added"):
        predict_file(bundle, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert not list(tmp_path.glob("*out*"))


def test_parquet_keeps_types_and_order(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "id": pa.array([3, 1, 2, 9], pa.int16()),
            "formula": ["AlTi", "NbZr", None, "CrFe"],
            "seen": pa.array([0, 1, None, 3], pa.timestamp("ms")),
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    monkeypatch.setattr(predicting, "PIECE", 3)
    words = tmp_path / "in.parquet", tmp_path / "out.parquet"
    done = predict_file(bundle, *words, on_bad="keep", level=0.5)
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.select(table.column_names).equals(table)
    names = ["prediction", "spread", "lower", "upper", "unit", "error"]
    assert found.column_names[3:] == names
    assert found["error"].to_pylist() == [None, None, "formula is missing", None]
    value, low, high = (found[name].to_pylist() for name in ("prediction", "lower", "upper"))
    expected = bundle.predict(["AlTi", "NbZr", "CrFe"])
    np.testing.assert_allclose([value[0], value[1], value[3]], expected, rtol=1e-6)
    assert low[0] < value[0] < high[0]
    assert value[2] is low[2] is None
    assert (done.rows, done.bad) == (3, 1)


def test_tsv_may_become_csv_and_nothing_else_changes_its_kind(
    bundle: Bundle, tmp_path: Path
) -> None:
    (tmp_path / "in.tsv").write_text('formula\tx\nAlTi\t"a, b"\n')
    predict_file(bundle, tmp_path / "in.tsv", tmp_path / "out.csv")
    assert rows(tmp_path / "out.csv")[0]["x"] == "a, b"
    predict_file(bundle, tmp_path / "in.tsv", tmp_path / "out.tsv")
    assert (tmp_path / "out.tsv").read_text().startswith("formula\tx\tprediction\tspread\tunit\n")
    with pytest.raises(InputError) as caught:
        predict_file(bundle, tmp_path / "in.tsv", tmp_path / "out.parquet")
    assert caught.value.message == (
        f"{tmp_path}/in.tsv ends in .tsv and '{tmp_path}/out.parquet' in .parquet: a table is "
        "written as the kind it is read as."
    )
    assert caught.value.hint == "Give a --to that ends in .csv or .tsv or .tab."


class KilledError(Exception):
    """In place of a kill."""


def test_a_killed_call_goes_on_and_the_file_is_the_same(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predicting, "PIECE", 2)
    source, to = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("formula\n" + "".join(f"AlTi{n}\n" for n in range(1, 10)))
    predict_file(bundle, source, tmp_path / "whole.csv")
    calls = 0

    def dying(done: int, total: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KilledError

    with pytest.raises(KilledError):
        predict_file(bundle, source, to, progress=dying)
    assert not to.exists()
    done = predict_file(bundle, source, to)
    assert (done.resumed, done.rows) == (6, 9)
    assert to.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert not list(tmp_path.glob(".out*"))


@pytest.mark.parametrize("change", ["source", "option", "model"])
def test_other_work_begins_anew(
    bundle: Bundle, tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predicting, "PIECE", 1)
    source, to = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("formula\nAlTi\nNbZr\n")

    def dying(done: int, total: int) -> None:
        raise KilledError

    with pytest.raises(KilledError):
        predict_file(bundle, source, to, progress=dying)
    given: dict[str, Any] = {}
    if change == "source":
        source.write_text("formula\nTiAl\nNbZr\n")
    elif change == "option":
        given = {"on_bad": "drop"}
    else:
        bundle = replace(bundle, digest="another")
    done: Predicted = predict_file(bundle, source, to, **given)
    assert (done.resumed, done.rows) == (0, 2)
    assert not list(tmp_path.glob(".out*"))


def test_two_do_not_write_one_file(tmp_path: Path) -> None:
    again = partial(tmp_path / "out.csv", {})
    with partial(tmp_path / "out.csv", {}), pytest.raises(InputError) as caught:
        again.__enter__()
    assert str(caught.value) == (
        f"Another process is writing '{tmp_path}/out.csv'.\nWait for its end, or give another --to."
    )


def test_a_part_that_was_cut_short_does_not_count(tmp_path: Path) -> None:
    def killed() -> None:
        with partial(tmp_path / "out", {}) as parts:
            parts.next.write_bytes(b"one")
            parts.finish({"rows": 1})
            parts.next.write_bytes(b"tw")
            raise KilledError

    with pytest.raises(KilledError):
        killed()
    with partial(tmp_path / "out", {}) as parts:
        assert parts.records == [{"rows": 1}]
        assert [path.read_bytes() for path in parts.parts] == [b"one"]


def test_the_command_tells_of_wrong_rows(
    model: Path, bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.csv").write_text(WRONG)
    words = ["predict", str(model), "--file", f"{tmp_path}/in.csv"]
    to = ["--to", f"{tmp_path}/out.csv"]
    assert run([*words, *to, "--on-bad", "keep"]) == 0
    warning = f"""\
Warning: 4 rows cannot be predicted and were kept with the reason in the column 'error': \
line 3: {REASONS[1]}; line 4: {REASONS[2]}; line 5: {REASONS[3]}; and 1 more.
"""
    assert warning in capsys.readouterr().err
    assert run([*words, *to, "--on-bad", "drop"]) == 0
    assert "Warning: 4 rows cannot be predicted and were left out: " in capsys.readouterr().err
    assert run(["predict", str(model), "AlTi", "--on-bad", "keep"]) == 2
    assert capsys.readouterr().err == (
        "--on-bad is for the rows of a file, and there is none.\n"
        "Give --file, or leave --on-bad out.\n"
    )


def test_spread_and_interval_are_printed(
    model: Path, bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["predict", str(model), "AlTi", "--interval", "0.5", "--format", "json"]
    assert run(words) == 0
    [row] = json.loads(capsys.readouterr().out)
    assert list(row) == ["formula", "prediction", "spread", "lower", "upper", "unit"]
    half = bundle.half_width(0.5, np.array([row["spread"]]))[0]
    assert row["upper"] == row["prediction"] + half
    assert row["lower"] == row["prediction"] - half
    assert run([*words[:4], "0.99", "--format", "json"]) == 2
    assert "An interval that covers 0.99 takes 99 validation rows" in capsys.readouterr().err


def test_a_gpu_that_is_not_there_is_an_error(
    model: Path, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fesearch.nets import device

    monkeypatch.setattr(device, "SIGNS", ())
    assert run(["predict", str(model), "AlTi", "--gpus", "1"]) == 2


@pytest.mark.slow
def test_kill_9_at_any_moment(model: Path, bundle: Bundle, tmp_path: Path) -> None:
    """The command, killed as it writes, typed again: the same bytes as without a kill."""
    source, to = tmp_path / "in.csv", tmp_path / "out.csv.gz"
    source.write_text("formula\n" + "".join(f"AlTi{n}V{n + 1}\n" for n in range(1, 22_000)))
    predict_file(bundle, source, tmp_path / "whole.csv.gz")
    program = "import sys; from fesearch.cli.app import run; sys.exit(run(sys.argv[1:]))"
    words = ["predict", str(model), "--file", str(source), "--to", str(to)]
    child = subprocess.Popen(
        [sys.executable, "-c", program, *words], stderr=subprocess.DEVNULL, cwd=tmp_path
    )
    while child.poll() is None and not list(tmp_path.glob(".out*/000000.json")):
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not to.exists()
    done = predict_file(bundle, source, to)
    assert done.resumed >= predicting.PIECE
    whole = gzip.decompress((tmp_path / "whole.csv.gz").read_bytes())
    assert gzip.decompress(to.read_bytes()) == whole
