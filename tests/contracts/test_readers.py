"""What every reader of files promises: the same rows in every format, and no other exception."""

import csv
import gzip
import json
import random
import string
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fesearch import intake
from fesearch.dataset import Dataset, make
from fesearch.errors import InputError
from fesearch.formula import ELEMENTS
from fesearch.intake import Wanted
from fesearch.source import SOURCES, Reader

Table = Sequence[dict[str, Any]]

WANTED = Wanted(
    {"e": "eV/atom", "gap": "eV"},
    formula="formula",
    id="id",
    columns=("note",),
    numbers=("volume",),
)
READERS = [source for source in SOURCES if isinstance(source, Reader)]
SUFFIXES = [suffix for reader in READERS for suffix in reader.suffixes]


def write_text(path: Path, text: str) -> None:
    path.write_bytes(text.encode())


def write_separated(path: Path, rows: Table, separator: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerow(rows[0])
        writer.writerows([_csv_cell(row[name]) for name in rows[0]] for row in rows)


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else str(value)


def write_json_lines(path: Path, rows: Table) -> None:
    write_text(path, "\n".join(json.dumps(row) for row in rows) + "\n")


def write_parquet(path: Path, rows: Table) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    words = ("id", "formula", "note")
    schema = pa.schema({name: pa.string() if name in words else pa.float64() for name in rows[0]})
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path)


WRITERS: dict[str, Callable[[Path, Table], None]] = {
    ".csv": lambda path, rows: write_separated(path, rows, ","),
    ".tsv": lambda path, rows: write_separated(path, rows, "\t"),
    ".tab": lambda path, rows: write_separated(path, rows, "\t"),
    ".jsonl": write_json_lines,
    ".ndjson": write_json_lines,
    ".parquet": write_parquet,
    ".pq": write_parquet,
}


def table(**columns: Sequence[Any]) -> Table:
    """Two rows, with other columns where they are given."""
    rows: dict[str, Sequence[Any]] = {
        "id": ["b", "a"],
        "formula": ["Fe2O3", "Na Cl"],
        "e": [-1.5, -2.0],
        "gap": [2.0, 8.5],
        "note": ["", "two words"],
        "volume": [None, 4.25],
        **columns,
    }
    return [dict(zip(rows, values, strict=True)) for values in zip(*rows.values(), strict=True)]


def read(path: Path) -> Dataset:
    return intake.read(path, "mine", WANTED, source="anywhere")


def made(rows: Table) -> Dataset:
    """The data set of rows, made without a file."""
    return make(
        "mine",
        [row["formula"] for row in rows],
        {target: [row[target] for row in rows] for target in WANTED.targets},
        WANTED.targets,
        ids=[row["id"] for row in rows],
        columns={"note": [row["note"] for row in rows]},
        numbers={"volume": [float("nan") if r["volume"] is None else r["volume"] for r in rows]},
    )


@pytest.fixture(params=SUFFIXES)
def suffix(request: pytest.FixtureRequest) -> str:
    assert request.param in WRITERS, "say above how such a file is written"
    return str(request.param)


def test_no_two_readers_want_the_same_files() -> None:
    assert len(set(SUFFIXES)) == len(SUFFIXES)
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in SUFFIXES)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.title)
def test_it_says_what_it_reads(reader: Reader) -> None:
    assert reader.title
    assert reader.suffixes


def test_the_rows_are_those_written(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix.upper()}"
    WRITERS[suffix](path, table())
    assert read(path).hash == made(table()).hash


@pytest.mark.parametrize("bad", [{"e": [-1.5, None]}, {"formula": ["Fe2O3", "Na Xx"]}])
def test_a_bad_row_refuses_the_file(tmp_path: Path, suffix: str, bad: dict[str, Any]) -> None:
    path = tmp_path / f"a{suffix}"
    WRITERS[suffix](path, table(**bad))
    with pytest.raises(InputError, match=r"1 of 2 rows of .* cannot be used: (line|row) [23]: "):
        read(path)


def test_a_column_that_is_not_there_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    renamed = {"gap": "gaps"}
    WRITERS[suffix](path, [{renamed.get(k, k): v for k, v in row.items()} for row in table()])
    with pytest.raises(InputError) as caught:
        read(path)
    assert caught.value.message == f"{path} has no column 'gap'."
    assert caught.value.hint.startswith("Did you mean 'gaps'? Its columns: ")


@pytest.mark.parametrize("content", [b"", b"\n", b"\x1f\x8b", gzip.compress(b"", mtime=0)])
def test_an_empty_file_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"is empty|is damaged|is a damaged gzip file"):
        read(path)


@pytest.mark.parametrize("name", ["absent", "folder"])
def test_what_is_no_file_is_refused(tmp_path: Path, suffix: str, name: str) -> None:
    path = tmp_path / f"{name}{suffix}"
    (tmp_path / f"folder{suffix}").mkdir()
    reason = "No such file or directory" if name == "absent" else "Is a directory"
    with pytest.raises(InputError) as caught:
        read(path)
    assert caught.value.message == f"{path} cannot be read: {reason}."
    assert caught.value.hint.startswith("Give the path of a ")


_formulas = st.lists(
    st.tuples(st.sampled_from(ELEMENTS), st.integers(1, 9)).map(lambda p: f"{p[0]}{p[1]}"),
    min_size=1,
    max_size=4,
).map("".join)
_numbers = st.floats(allow_nan=False, allow_infinity=False)
_own = st.floats(-3e38, 3e38)  # features are float32
_texts = st.text(alphabet=string.printable + "é·\u2028😀", max_size=8).map(str.strip)
_rows = st.lists(
    st.fixed_dictionaries(
        {
            "formula": _formulas,
            "e": _numbers,
            "gap": _numbers,
            "note": _texts,
            "volume": st.none() | _own,
        }
    ),
    min_size=1,
    max_size=6,
).map(lambda rows: [{"id": f"r{place}", **row} for place, row in enumerate(rows)])
_HYPOTHESIS = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture],
}


@given(_rows)
@settings(max_examples=40, **_HYPOTHESIS)  # type: ignore[arg-type]
def test_any_table_goes_through_unchanged(tmp_path: Path, suffix: str, rows: Table) -> None:
    path = tmp_path / f"any{suffix}"
    WRITERS[suffix](path, rows)
    assert read(path).hash == made(rows).hash


def valid(tmp_path: Path, suffix: str) -> bytes:
    """A good file of 40 rows."""
    rows = [row for row in table() for _ in range(20)]
    path = tmp_path / f"good{suffix}"
    WRITERS[suffix](path, [{**row, "id": f"r{place}"} for place, row in enumerate(rows)])
    return path.read_bytes()


def mutated(content: bytes, seed: int) -> bytes:
    """The same with bytes turned, cut out, doubled or put in, or cut off."""
    draw = random.Random(seed)
    found = bytearray(content)
    for _ in range(draw.choice([1, 1, 2, 8])):
        place = draw.randrange(len(found) + 1)
        end = place + draw.choice([1, 1, 2, 4, 30])
        match draw.randrange(6):
            case 0:
                found[place:end] = draw.randbytes(len(found[place:end]))
            case 1:
                del found[place:end]
            case 2:
                found[place:place] = found[place:end]
            case 3:
                found[place:place] = draw.randbytes(draw.choice([1, 4]))
            case 4:
                found[place:end] = draw.choice([b"\0", b"\xff", b'"', b"\n", b"{", b"9" * 30])
            case _:
                del found[place:]
    return bytes(found)


def assert_imported_or_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        assert len(read(path)) >= 1
    except InputError as error:
        refusal = error
    else:
        return
    assert len(str(refusal).splitlines()) == 2


@given(st.binary(max_size=60))
@settings(max_examples=100, **_HYPOTHESIS)  # type: ignore[arg-type]
def test_any_bytes_are_imported_or_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    assert_imported_or_refused(tmp_path / f"any{suffix}", content)


def test_a_spoilt_file_is_imported_or_refused(tmp_path: Path, suffix: str) -> None:
    content = valid(tmp_path, suffix)
    for seed in range(100):
        assert_imported_or_refused(tmp_path / f"any{suffix}", mutated(content, seed))


@pytest.mark.slow
@pytest.mark.parametrize("packed", [False, True])
def test_thousands_of_spoilt_files(tmp_path: Path, suffix: str, packed: bool) -> None:
    content = valid(tmp_path, suffix)
    content = gzip.compress(content, mtime=0) if packed else content
    for seed in range(1000, 1400):
        assert_imported_or_refused(tmp_path / f"any{suffix}", mutated(content, seed))
