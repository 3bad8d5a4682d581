"""Parquet files: what other programs write into them, and damaged ones."""

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fesearch import intake
from fesearch.dataset import Dataset
from fesearch.datasets import parquet
from fesearch.errors import InputError
from fesearch.intake import Wanted


def read(path: Path, table: dict[str, Any], **wanted: Any) -> Dataset:
    pq.write_table(pa.table(table), path)
    return intake.read(path, "mine", Wanted({"e": "eV/atom"}, **{"formula": "f", **wanted}))


def test_numbers_texts_and_nothing_in_many_types(tmp_path: Path) -> None:
    columns = {
        "f": pa.array(["FeO", "NaCl"]).dictionary_encode(),
        "e": pa.array([Decimal("-1.50"), Decimal("2.25")]),
        "id": pa.array([7, 1], pa.int16()),
        "part": pa.array([None, 1.5]),
        "volume": pa.array([float("nan"), 2], pa.float32()),
    }
    data = read(tmp_path / "a.parquet", columns, id="id", columns=("part",), numbers=("volume",))
    assert data.ids == ("1", "7")
    assert data.formulas == ("NaCl", "FeO")
    assert data.target("e").tolist() == [2.25, -1.5]
    assert data.columns == {"part": ("1.5", "")}
    assert str(data.numbers["volume"].tolist()) == "[2.0, nan]"


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ([1.0, None], "e is missing"),
        ([1.0, float("nan")], "e 'nan' is not finite"),
        ([True, False], "e is true, not a number"),
        ([b"1", b"2"], "e is of the type bytes, not a number"),
        ([datetime.date(2020, 1, 1)] * 2, "e is of the type date, not a number"),
        ([[1.0], [2.0]], "e is a list, not a number"),
        ([{"a": 1}, {"a": 2}], "e is an object, not a number"),
    ],
)
def test_what_is_no_number_is_named(tmp_path: Path, column: list[Any], reason: str) -> None:
    path = tmp_path / "bad.parquet"
    with pytest.raises(InputError, match=f" rows of {path} cannot be used: row .*: {reason}"):
        read(path, {"f": ["FeO", "NaCl"], "e": column})


def test_rows_beyond_a_batch_are_counted_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "BATCH", 3)
    formulas = ["FeO"] * 7 + ["Xx"] + ["NaCl"]
    with pytest.raises(InputError, match=r"1 of 9 rows of .*: row 8: 'Xx' is not a formula"):
        read(tmp_path / "a.parquet", {"f": formulas, "e": [0.5] * 9})


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with pytest.raises(InputError) as caught:
        read(path, {"f": pa.array([], pa.string()), "e": pa.array([], pa.float64())})
    assert caught.value.message == f"{path} has a header and no rows."


def test_a_column_given_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table([["FeO"], [1.0], [2.0]], names=["f", "e", "e"]), path)
    with pytest.raises(InputError, match=f"{path} has the column 'e' twice."):
        intake.read(path, "mine", Wanted({"e": "eV"}, formula="f"))


def test_texts_that_are_no_unicode_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    formulas = pa.array([b"FeO", b"\xff\xfe"], pa.binary()).view(pa.string())
    with pytest.raises(InputError) as caught:
        read(path, {"f": formulas, "e": [1.0, 2.0]})
    assert str(caught.value) == (
        f"The column 'f' of {path} cannot be read: "
        "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte.\n"
        "Save the table again with texts or numbers in this column, or without it."
    )


def test_a_column_nobody_asked_for_refuses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    year = pa.array([300_000_000_000, 0], pa.timestamp("s"))  # the year 11476
    columns = {"f": ["FeO", "Xx"], "e": [1.0, 2.0], "f.g": year, "b": [True, False]}
    assert len(read(path, columns, where=(("b", "TRUE"),))) == 1
    with pytest.raises(InputError, match=f"The column 'f.g' of {path} cannot be read: "):
        intake.read(path, "mine", Wanted({"e": "eV"}, "f"), rejects=tmp_path / "r.csv")


def test_a_structure_that_is_no_number_is_none(tmp_path: Path) -> None:
    columns = {"f": ["FeO"], "e": [1.0], "s": [float("nan")]}
    assert read(tmp_path / "a.parquet", columns, structure="s").structures is None


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_a_file_cut_short_is_refused(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"f": ["FeO"], "e": [1.0]}), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(InputError, match="is damaged or not a Parquet file: "):
        intake.read(path, "mine", Wanted({"e": "eV"}, formula="f"))
