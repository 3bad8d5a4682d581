"""The features of a data set as a table for other programs, written a piece at a time."""

from pathlib import Path
from typing import Any

import numpy as np

from fesearch.dataset import Dataset
from fesearch.errors import InputError
from fesearch.features import Features
from fesearch.paths import atomic_write

ROWS = 10_000  # at a time: those of 273 columns take 11 MB
SUFFIXES = (".parquet", ".csv", ".csv.gz")


def checked(to: Path) -> Path:
    """``to``, if its name says how it is to be written.

    Raises:
        InputError: it does not.
    """
    if not to.name.lower().endswith(SUFFIXES):
        raise InputError(
            f"The name of '{to}' does not say how to write it.",
            f"End it with one of {', '.join(SUFFIXES)}.",
        )
    return to


def write(dataset: Dataset, features: Features, to: Path) -> None:
    """Write ids, formulas and all feature columns; what is not known is null, or an empty field.

    Args:
        features: of the rows of ``dataset``.
        to: Parquet or CSV by its name; replaced whole if it is there.

    Raises:
        InputError: the name says neither, or the file cannot be written.
    """
    checked(to)
    try:
        with atomic_write(to) as partial:
            _write(dataset, features, partial, to.name.lower())
    except OSError as error:
        raise InputError(
            f"'{to}' cannot be written: {error.strerror or error}.", "Choose another --to."
        ) from error


def columns(features: Features) -> list[str]:
    """The header. A feature called as one of the first two columns is called after its set."""
    first = ["id", "formula"]
    spans = features.combination.spans()
    own = [
        f"{term.name}.{name}" if name in first else name
        for columns, term in spans
        for name in features.names[columns]
    ]
    return first + own


def _write(dataset: Dataset, features: Features, path: Path, name: str) -> None:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    header = columns(features)
    kinds = [pa.string(), pa.string()] + [pa.float32()] * len(features.names)
    schema = pa.schema(zip(header, kinds, strict=True))
    packed = "gzip" if name.endswith(".gz") else None
    with (
        pa.output_stream(path, compression=packed) as file,
        _writer(pa, file, schema, name) as writer,
    ):
        for start in range(0, len(dataset), ROWS):
            piece = slice(start, start + ROWS)
            matrix = np.asfortranarray(features.matrix[piece])
            texts = [pa.array(column[piece]) for column in (dataset.ids, dataset.formulas)]
            numbers = [pa.array(column, from_pandas=True) for column in matrix.T]
            writer.write_table(pa.table([*texts, *numbers], schema=schema))


def _writer(pa: Any, file: Any, schema: Any, name: str) -> Any:
    """What writes tables of a schema into a file, as its name asks for."""
    if name.endswith(".parquet"):
        return pa.parquet.ParquetWriter(file, schema, compression="zstd")
    options = pa.csv.WriteOptions(quoting_style="needed")
    return pa.csv.CSVWriter(file, schema, write_options=options)
