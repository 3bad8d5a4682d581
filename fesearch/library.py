"""The data sets there are: those that come with the package, and those kept as Parquet files."""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from fesearch.dataset import Dataset, Step, make
from fesearch.errors import InputError
from fesearch.paths import artifacts_dir, atomic_write, checked_name
from fesearch.registry import unknown
from fesearch.source import LISTING, SOURCES, BuiltIn, Remote, Summary
from fesearch.structure import Structures, digest

_log = logging.getLogger(__name__)


def load(name: str) -> Dataset:
    """The data set called ``name``, built in or imported; an imported one is checked.

    Raises:
        InputError: there is none, with the nearest name; or its file is damaged.
    """
    if name in SOURCES.names() and isinstance(source := SOURCES.get(name), BuiltIn):
        return source.load()
    path = _path(checked_name("data set", name))
    if not path.is_file():
        if any(isinstance(source, Remote) and name in source.offers for source in SOURCES):
            hint = f"Type: fesearch data fetch {name}"
            raise InputError(f"The data set '{name}' has not been fetched.", hint)
        raise unknown("data set", name, [summary.name for summary in listing()], LISTING)
    return _read(path)


def listing() -> list[Summary]:
    """All data sets, built in and imported, by name; no rows are read.

    An imported one whose file is damaged is left out with a warning.
    """
    found = [source.summary for source in SOURCES if isinstance(source, BuiltIn)]
    for path in sorted(_folder().glob("[!.]*.parquet")):
        try:
            found.append(_read_summary(path))
        except InputError as error:
            _log.warning("Warning: %s %s", error.message, error.hint)
    return sorted(found, key=lambda summary: summary.name)


def save(dataset: Dataset) -> Path:
    """Keep an imported data set among the artifacts; written whole or not at all.

    Raises:
        InputError: the name is that of other data, or of a source that comes with the package.
    """
    path = _path(free_name(dataset.name))
    if path.exists() and _read_summary(path).hash != dataset.hash:
        hint = f"Choose another: --name NAME, or type: fesearch data delete {dataset.name}"
        raise InputError(f"There is another data set called '{dataset.name}' already.", hint)
    with atomic_write(path) as partial:
        _write(dataset, partial)
    return path


def free_name(name: str) -> str:
    """``name``, if data that are imported may be called so.

    Raises:
        InputError: no path can be made of it, or it is that of data that comes with the package.
    """
    if _comes_with_package(name):
        message = f"'{name}' is the name of data that comes with fesearch."
        raise InputError(message, "Choose another: --name NAME")
    return checked_name("data set", name)


def delete(name: str) -> None:
    """Remove an imported data set. Results computed on it stay, but cannot be continued.

    Raises:
        InputError: there is none of that name, or it comes with the package.
    """
    if _comes_with_package(name):
        raise InputError(f"'{name}' comes with fesearch and cannot be deleted.", f"Type: {LISTING}")
    path = _path(checked_name("data set", name))
    if not path.is_file():
        raise unknown("data set", name, [summary.name for summary in listing()], LISTING)
    path.unlink()


def _comes_with_package(name: str) -> bool:
    """Whether a name is that of data, and not of another kind of source."""
    return name in SOURCES.names() and isinstance(SOURCES.get(name), BuiltIn)


def _folder() -> Path:
    return artifacts_dir() / "datasets"


def _path(name: str) -> Path:
    return _folder() / f"{name}.parquet"


_META = b"fesearch"  # the key of our metadata in a Parquet schema
_DIGEST, _TEXT = "structure_digest", "structure"
_GROUP = 1000  # rows with structures in a group of the file: a few megabytes
_NOTES = ("title", "source", "licence", "citation")


def _write(dataset: Dataset, path: Path) -> None:
    """A Parquet file: text id, formula, reduced, structure and its digest, column:NAME; numbers
    target:NAME and number:NAME. Structures are in groups of rows that can be read alone.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = {"id": dataset.ids, "formula": dataset.formulas, "reduced": dataset.reduced}
    texts |= {f"column:{name}": column for name, column in dataset.columns.items()}
    arrays = {name: pa.array(column, pa.string()) for name, column in texts.items()}
    arrays |= {f"target:{name}": pa.array(array) for name, array in dataset.targets.items()}
    arrays |= {f"number:{name}": pa.array(array) for name, array in dataset.numbers.items()}
    meta = {
        "rows": len(dataset),
        "hash": dataset.hash,
        "targets": dict(dataset.units),
        "columns": list(dataset.columns),
        "numbers": list(dataset.numbers),
        "structures": dataset.structures is not None,
        "steps": [asdict(step) for step in dataset.steps],
        "notes": {note: getattr(dataset, note) for note in _NOTES},
    }
    table = pa.table(arrays).replace_schema_metadata({_META: json.dumps(meta)})
    if dataset.structures is None:
        pq.write_table(table, path, compression="zstd")
        return
    schema = table.schema
    for name in (_DIGEST, _TEXT):
        schema = schema.append(pa.field(name, pa.string()))
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for start in range(0, len(dataset), _GROUP):
            group = table.slice(start, _GROUP)
            rows = range(start, start + len(group))
            digests = pa.array(dataset.structures.digests[start : start + len(group)], pa.string())
            texts = pa.array(dataset.structures.texts(rows), pa.string())
            columns = [*group.columns, digests, texts]
            writer.write_table(pa.table(columns, schema=schema), row_group_size=_GROUP)


def _read(path: Path) -> Dataset:
    """The data set in a file of ``_write``, its hash computed again."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = [name for name in file.schema_arrow.names if name != _TEXT]
            table = file.read(names)
        meta = json.loads(table.schema.metadata[_META])
        dataset = make(
            path.stem,
            table["formula"].to_pylist(),
            {name: table[f"target:{name}"].to_numpy() for name in meta["targets"]},
            meta["targets"],
            ids=table["id"].to_pylist(),
            reduced=table["reduced"].to_pylist(),
            columns={name: table[f"column:{name}"].to_pylist() for name in meta["columns"]},
            numbers={name: table[f"number:{name}"].to_numpy() for name in meta["numbers"]},
            structures=_structures(path, table) if meta["structures"] else None,
            steps=[Step(**step) for step in meta["steps"]],
            **meta["notes"],
        )
        if dataset.hash != meta["hash"]:
            raise ValueError("other rows than were saved")
    except (OSError, LookupError, TypeError, ValueError, pa.ArrowException, InputError) as error:
        raise _damaged(path) from error
    return dataset


def _structures(path: Path, table: Any) -> Structures:
    """The structures of a file of ``_write``, each group of rows read when it is needed."""
    digests: list[str] = table[_DIGEST].to_pylist()

    def read(rows: Sequence[int]) -> Iterator[str]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(path) as file:
                for group, members in groupby(rows, key=lambda row: row // _GROUP):
                    texts = file.read_row_group(group, [_TEXT])[_TEXT]
                    for row in members:
                        text = texts[row % _GROUP].as_py()
                        if digest(text) != digests[row]:
                            raise ValueError("another structure than was saved")
                        yield text
        except (OSError, LookupError, TypeError, ValueError, pa.ArrowException) as error:
            raise _damaged(path) from error

    return Structures(digests, read)


def _read_summary(path: Path) -> Summary:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        meta: dict[str, Any] = json.loads(pq.read_schema(path).metadata[_META])
        return Summary(
            path.stem,
            meta["rows"],
            meta["targets"],
            meta["hash"],
            meta["notes"]["source"],
            meta["structures"],
        )
    except (OSError, LookupError, TypeError, ValueError, pa.ArrowException) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> InputError:
    hint = f"Remove {path} and import the data again."
    return InputError(f"The file of the data set '{path.stem}' is damaged.", hint)
