"""Parquet files, read a batch of rows at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from fesearch.errors import InputError, quoted
from fesearch.source import RawRow, RawTable, Reader

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

BATCH = 4096  # rows in memory at a time


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
        yield RawTable(columns, _rows(path, file))


def _rows(path: Path, file: "ParquetFile") -> Iterator[RawRow]:
    """The rows; a generator, so that faults of those who use them are not taken for its own."""
    import pyarrow as pa

    count = 0
    batches = file.iter_batches(BATCH)
    while True:
        try:
            batch = next(batches, None)
            rows = [] if batch is None else batch.to_pylist()
        except (pa.ArrowException, OSError, ValueError, LookupError, TypeError) as error:
            _damaged(path, error)
        except (OverflowError, MemoryError) as error:
            _damaged(path, error)
        if not rows:
            return
        for row in rows:
            count += 1
            yield RawRow(f"row {count}", row)


def _damaged(path: Path, error: Exception) -> NoReturn:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    raise InputError(
        f"{path} is damaged or not a Parquet file: {quoted(reason, 120)[1:-1]}.",
        "Copy or download it again, or save the table as Parquet.",
    ) from error


SOURCE = Reader("Parquet", suffixes=(".parquet", ".pq"), open=table)
