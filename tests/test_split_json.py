"""Tables as matminer keeps them, read row by row."""

import contextlib
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fesearch.datasets import _split_json
from fesearch.errors import InputError

CELLS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def written(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()))
    return path


def read(path: Path) -> tuple[list[str], list[Any]]:
    with _split_json.table(path) as file:
        return list(file.columns), [(row.place, dict(row.cells)) for row in file.rows]


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(CELLS, CELLS), max_size=5),
    piece=st.integers(1, 40),
    indent=st.sampled_from([None, 0, 2]),
)
def test_reads_what_json_reads(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[Any, Any]],
    piece: int,
    indent: int | None,
) -> None:
    held = {"index": list(range(len(rows))), "columns": ["a b", "é"], "data": rows}
    path = written(
        tmp_path_factory.getbasetemp() / "whole.json.gz", json.dumps(held, indent=indent)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_split_json, "_PIECE", piece)
        assert read(path) == (
            ["a b", "é"],
            [
                (f"row {number}", {"a b": left, "é": right})
                for number, (left, right) in enumerate(json.loads(json.dumps(rows)), 1)
            ],
        )


def test_numbers_that_are_none_are_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "t.json.gz", '{"columns": ["e"], "data": [[NaN], [-Infinity], [1]]}')
    assert [cells["e"] for _, cells in read(path)[1]] == [None, None, 1]


def test_rows_are_read_as_they_are_asked_for(tmp_path: Path) -> None:
    rows = ",".join(["[1]"] * 1_000_000)
    path = written(tmp_path / "t.json.gz", f'{{"columns": ["e"], "data": [{rows}, oh no')
    with _split_json.table(path) as file:
        assert next(file.rows).cells == {"e": 1}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "its end where one of { belongs"),
        ("[]", "[ where one of { belongs"),
        ('{"data": [[1]], "columns": ["e"]}', "its columns are not named before its data"),
        ('{"columns": ["e"]}', "} where one of , belongs"),
        ('{"columns": ["e"], "data": {}}', "{ where one of [ belongs"),
        ('{"columns": ["e"], "data": [[1, 2]]}', "row 1 has not the 1 fields of its columns"),
        ('{"columns": ["e"], "data": [[1], 2]}', "row 2 has not the 1 fields of its columns"),
        ('{"columns": ["e"], "data": [[1]', "its end where one of , ] belongs"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = written(tmp_path / "t.json.gz", text)
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(caught.value) == (
        f"{path} is no table of matminer: {reason}.\nType: rm {path}, and fetch it again."
    )


@settings(max_examples=500, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = gzip.compress(b'{"index": [0, 1], "columns": ["e"], "data": [[1.5], ["x"]]}', mtime=0)
    kind = data.draw(st.sampled_from(["cut", "flip", "text"]))
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:place]
    if kind == "flip":
        damaged = whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :]
    elif kind == "text":
        damaged = gzip.compress(gzip.decompress(whole)[:place] + data.draw(st.binary(max_size=5)))
    path = tmp_path_factory.getbasetemp() / "damaged.json.gz"
    path.write_bytes(damaged)
    with contextlib.suppress(InputError):
        read(path)
