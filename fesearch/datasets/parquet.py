"""Parquet files, read a batch of rows at a time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from fesearch.errors import InputError, quoted
from fesearch.source import RawRow, RawTable, Reader

if TYPE_CHECKING:
    from pyarrow import Array, RecordBatch
    from pyarrow.parquet import ParquetFile

BATCH = 4096  # rows in memory at a time
_FAULTS = (OSError, ValueError, LookupError, TypeError, OverflowError, MemoryError)


@contextmanager
def table(path: Path) -> Iterator[RawTable]:
    """The rows of a file.

    Raises:
        InputError: it cannot be read, is damaged or no Parquet file, or names a column twice;
            also while rows are taken.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb"):  # says why a file cannot be opened in the words of other readers
            pass
        file = pq.ParquetFile(path)
        columns = file.schema_arrow.names
    except (pa.ArrowException, ValueError, LookupError, TypeError, MemoryError) as error:
        _damaged(path, error)
    except OSError as error:
        if not error.strerror:  # Arrow's own: what is written in the file is wrong
            _damaged(path, error)
        message = f"{path} cannot be read: {error.strerror}."
        raise InputError(message, "Give the path of a Parquet file.") from error
    with file:
        twice = [name for name in columns if columns.count(name) > 1]
        if twice:
            raise InputError(
                f"{path} has the column {quoted(twice[0])} twice.",
                "Give each column a name of its own.",
            )

        def only(names: Sequence[str]) -> Iterator[RawRow]:
            return _rows(path, file, names)

        yield RawTable(columns, only(columns), only)


def _rows(path: Path, file: "ParquetFile", columns: Sequence[str]) -> Iterator[RawRow]:
    """The rows; a generator, so that faults of those who use them are not taken for its own."""
    count = 0
    for batch in _batches(path, file.iter_batches(BATCH, columns=list(columns))):
        cells_of = [values(path, name, batch.column(name)) for name in columns]
        for cells in zip(*cells_of, strict=True):
            count += 1
            yield RawRow(f"row {count}", dict(zip(columns, cells, strict=True)))


def batches(path: Path, size: int) -> Iterator["RecordBatch"]:
    """The rows of a file that ``table`` takes, with all columns as Arrow has them.

    Raises:
        InputError: it is damaged; while rows are taken.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        yield from _batches(path, file.iter_batches(size))


def _batches(path: Path, found: Iterator["RecordBatch"]) -> Iterator["RecordBatch"]:
    import pyarrow as pa

    while True:
        try:
            batch = next(found, None)
        except (*_FAULTS, pa.ArrowException) as error:
            _damaged(path, error)
        if batch is None:
            return
        yield batch


def values(path: Path, name: str, column: "Array") -> list[Any]:
    """What is in a column, each cell as Python has it.

    Raises:
        InputError: Python cannot have it, such as a time after the year 9999.
    """
    import pyarrow as pa

    try:
        found: list[Any] = column.to_pylist()
    except (*_FAULTS, pa.ArrowException) as error:
        raise InputError(
            f"The column {quoted(name)} of {path} cannot be read: {_reason(error)}.",
            "Save the table again with texts or numbers in this column, or without it.",
        ) from error
    return found


def _reason(error: Exception) -> str:
    """The first line of what an error says."""
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return quoted(first, 120)[1:-1].rstrip(".")


def _damaged(path: Path, error: Exception) -> NoReturn:
    raise InputError(
        f"{path} is damaged or not a Parquet file: {_reason(error)}.",
        "Copy or download it again, or save the table as Parquet.",
    ) from error


SOURCE = Reader("Parquet", suffixes=(".parquet", ".pq"), open=table)
