"""Features as a file for other programs."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from fesearch import featuretable
from fesearch.dataset import Dataset, make
from fesearch.errors import InputError
from fesearch.features import Features, build
from fesearch.featureset import Inputs


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setenv("FESEARCH_CACHE_DIR", str(tmp_path / "cache"))
    return make(
        "salts",
        ["NaCl", "Fe4 O6", "ArF"],
        {"e": [1.0, 2.0, 3.0]},
        {"e": "eV"},
        ids=["a,b", 'c"d', "e"],
        numbers={"id": [7.0, np.nan, 0.1], "H": [1.0, 2.0, 3.0]},
    )


@pytest.fixture
def features(dataset: Dataset) -> Features:
    return build("columns+element_fractions+magpie", Inputs.of(dataset))


def cells(path: Path) -> list[list[str]]:
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    return list(csv.reader(text.splitlines()))


@pytest.mark.parametrize("name", ["f.csv", "f.csv.gz", "F.CSV"])
@pytest.mark.parametrize("rows", [1, 2, 100])
def test_a_csv_file_has_every_row_and_number(
    dataset: Dataset,
    features: Features,
    name: str,
    rows: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(featuretable, "ROWS", rows)
    featuretable.write(dataset, features, tmp_path / name)
    header, *found = cells(tmp_path / name)
    assert header[:5] == ["id", "formula", "columns.H", "columns.id", "element_fractions.H"]
    assert header[5:8] == ["He", "Li", "Be"]
    assert len(set(header)) == len(header) == 2 + 2 + 100 + 145
    assert [row[:2] for row in found] == [["a,b", "NaCl"], ['c"d', "Fe4 O6"], ["e", "ArF"]]
    numbers = [[np.float32(cell or "nan") for cell in row[2:]] for row in found]
    np.testing.assert_array_equal(np.array(numbers), features.matrix)
    assert found[1][3] == "", "what is not known is an empty field"
    assert found[2][3] == "0.1", "and no more digits than a float32 has"


def test_a_parquet_file_has_every_row_and_number(
    dataset: Dataset, features: Features, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(featuretable, "ROWS", 2)
    featuretable.write(dataset, features, tmp_path / "deep" / "f.parquet")
    table = pq.read_table(tmp_path / "deep" / "f.parquet")
    assert table.column_names == featuretable.columns(features)
    assert table["id"].to_pylist() == list(dataset.ids)
    assert table["formula"].to_pylist() == list(dataset.formulas)
    assert table["columns.id"].null_count == 1
    numbers = np.column_stack([column.to_numpy() for column in table.columns[2:]])
    assert numbers.dtype == np.float32
    np.testing.assert_array_equal(numbers, features.matrix)


@pytest.mark.parametrize("name", ["f.xlsx", "f", "f.parquet.gz", "csv"])
def test_a_name_that_says_no_format_is_refused(
    dataset: Dataset, features: Features, name: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as refused:
        featuretable.write(dataset, features, tmp_path / name)
    assert str(refused.value) == (
        f"The name of '{tmp_path / name}' does not say how to write it.\n"
        "End it with one of .parquet, .csv, .csv.gz."
    )


def test_a_file_that_cannot_be_written_is_said(
    dataset: Dataset, features: Features, tmp_path: Path
) -> None:
    (tmp_path / "taken.csv").mkdir()
    with pytest.raises(InputError, match=r"taken\.csv' cannot be written"):
        featuretable.write(dataset, features, tmp_path / "taken.csv")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
