"""What a data set is: formulas with targets, stable row ids and a content hash; kept as Parquet.

The hash stands for the rows and nothing else: two people who import the same rows under different
names, in a different order, have the same data, and their results can be compared.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from fesearch import formula
from fesearch.errors import InputError, quoted
from fesearch.paths import artifacts_dir, atomic_write, checked_name
from fesearch.registry import Registry, unknown

LISTING = "fesearch data list"


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset:
    """Rows of formulas with their targets, sorted by id; ``make`` makes one, nothing changes it.

    Attributes:
        name: as typed after ``--data``; not part of the hash.
        ids: n distinct row ids, ascending.
        formulas: n formulas as given.
        reduced: n reduced formulas; equal where the composition is.
        targets: name -> (n,) float64, all finite, read-only.
        units: name of a target -> its unit, such as "eV/atom".
        columns: name -> n texts kept beside the rows, such as predefined divisions; "" is empty.
        title, source, licence, citation: for people; not part of the hash.
    """

    name: str
    ids: tuple[str, ...]
    formulas: tuple[str, ...]
    reduced: tuple[str, ...]
    targets: Mapping[str, np.ndarray]
    units: Mapping[str, str]
    columns: Mapping[str, tuple[str, ...]]
    title: str = ""
    source: str = ""
    licence: str = ""
    citation: str = ""

    def __len__(self) -> int:
        return len(self.ids)

    def target(self, name: str) -> np.ndarray:
        """One target, (n,) float64, in ``units[name]``.

        Raises:
            InputError: there is no target of that name.
        """
        if name not in self.targets:
            raise unknown("target", name, self.targets, f"fesearch data show {self.name}")
        return self.targets[name]

    @cached_property
    def hash(self) -> str:
        """SHA-256 of all rows and units, 64 hexadecimal digits."""
        digest = hashlib.sha256()
        texts = {"id": self.ids, "formula": self.formulas, "reduced": self.reduced}
        units = sorted(self.units.items())
        for part in ("fesearch data 1", texts, units, sorted(self.columns.items())):
            digest.update(json.dumps(part).encode() + b"\n")
        for name, _ in units:
            digest.update(self.targets[name].astype("<f8").tobytes())
        return digest.hexdigest()

    @property
    def summary(self) -> "Summary":
        return Summary(self.name, len(self), self.units, self.hash, self.source)


@dataclass(frozen=True)
class Summary:
    """One line of ``data list``; ``targets`` is name -> unit."""

    name: str
    rows: int
    targets: Mapping[str, str]
    hash: str
    source: str


@dataclass(frozen=True)
class Source:
    """Where data sets come from; each module of ``datasets/`` declares one as ``SOURCE``.

    Attributes:
        load: makes the data set. Without arguments for one that comes with the package; a reader
            of the user's own files takes a path, a name, and keywords of its own.
        summary: of the data set that comes with the package; None for a reader.
    """

    title: str
    load: Callable[..., Dataset]
    summary: Summary | None = None


SOURCES: Registry[Source] = Registry("data source", Source, "fesearch.datasets", "SOURCE", LISTING)


def make(
    name: str,
    formulas: Sequence[str],
    targets: Mapping[str, Sequence[float] | np.ndarray],
    units: Mapping[str, str],
    *,
    ids: Sequence[str] | None = None,
    reduced: Sequence[str] | None = None,
    columns: Mapping[str, Sequence[str]] | None = None,
    **notes: str,
) -> Dataset:
    """A data set of n rows given in any order.

    Args:
        formulas: n formulas.
        targets: name -> n finite numbers.
        units: name of each target -> its unit.
        ids: n distinct row ids. Without them a row is called by its reduced formula, with #2, #3 …
            for the further rows of one reduced formula, in the order given.
        reduced: the n reduced formulas, where they are known already.
        columns: name -> n texts.
        notes: title, source, licence, citation.

    Raises:
        InputError: no rows or targets, unequal lengths, a wrong formula, a target that is not
            finite or has no unit, an id that is empty or given twice.
    """
    checked_name("data set", name)
    reduced = [formula.reduced(text) for text in formulas] if reduced is None else reduced
    ids = list(_numbered(reduced)) if ids is None else ids
    arrays = {key: np.array(values, dtype=np.float64) for key, values in targets.items()}
    columns = columns or {}
    _check(name, ids, [formulas, reduced, *columns.values()], arrays, units)
    order = sorted(range(len(ids)), key=ids.__getitem__)

    def in_order(texts: Sequence[str]) -> tuple[str, ...]:
        return tuple(texts[row] for row in order)

    return Dataset(
        name=name,
        ids=in_order(ids),
        formulas=in_order(formulas),
        reduced=in_order(reduced),
        targets=MappingProxyType({key: _frozen(array[order]) for key, array in arrays.items()}),
        units=MappingProxyType({key: units[key] for key in arrays}),
        columns=MappingProxyType({key: in_order(texts) for key, texts in columns.items()}),
        **notes,
    )


def _numbered(reduced: Sequence[str]) -> Iterator[str]:
    """Row ids made of reduced formulas: Fe2O3, Fe2O3#2, Fe2O3#3 … in the order given."""
    seen: Counter[str] = Counter()
    for text in reduced:
        seen[text] += 1
        yield text if seen[text] == 1 else f"{text}#{seen[text]}"


def _check(
    name: str,
    ids: Sequence[str],
    texts: Sequence[Sequence[str]],
    arrays: Mapping[str, np.ndarray],
    units: Mapping[str, str],
) -> None:
    """Refuse what no data set can be made of."""
    if not ids or not arrays:
        lacks = "targets" if ids else "rows"
        raise InputError(f"The data set '{name}' has no {lacks}.", "Give at least one.")
    lengths = {len(ids), *map(len, texts), *map(len, arrays.values())}
    if len(lengths) > 1:
        message = f"The data set '{name}' has columns of unequal length."
        raise InputError(message, "Give each a value per row.")
    repeated = [text for text, count in Counter(ids).items() if count > 1 or not text]
    if repeated:
        raise InputError(
            f"The data set '{name}' has the row id {quoted(repeated[0])}, empty or repeated.",
            "Give each row an id of its own, or none at all.",
        )
    for target, array in arrays.items():
        if not units.get(target):
            raise InputError(f"The target '{target}' has no unit.", "Say it, such as eV/atom.")
        wrong = np.flatnonzero(~np.isfinite(array))
        if wrong.size:
            raise InputError(
                f"The target '{target}' of row '{ids[wrong[0]]}' is {array[wrong[0]]}.",
                "Give finite numbers only.",
            )


def _frozen(array: np.ndarray) -> np.ndarray:
    """The array, read-only, with one zero: -0.0 and 0.0 are the same data."""
    array = array + 0.0
    array.flags.writeable = False
    return array


def load(name: str) -> Dataset:
    """The data set called ``name``, built in or imported; an imported one is checked.

    Raises:
        InputError: there is none, with the nearest name; or its file is damaged.
    """
    if name in SOURCES.names() and SOURCES.get(name).summary:
        return SOURCES.get(name).load()
    path = _path(checked_name("data set", name))
    if not path.is_file():
        raise unknown("data set", name, [summary.name for summary in listing()], LISTING)
    return _read(path)


def listing() -> list[Summary]:
    """All data sets, built in and imported, by name; no rows are read.

    Raises:
        InputError: the file of an imported one is damaged.
    """
    built_in = [source.summary for source in SOURCES if source.summary]
    imported = [_read_summary(path) for path in sorted(_folder().glob("[!.]*.parquet"))]
    return sorted([*built_in, *imported], key=lambda summary: summary.name)


def save(dataset: Dataset) -> Path:
    """Keep an imported data set among the artifacts; written whole or not at all.

    Raises:
        InputError: the name is that of other data, or of a source that comes with the package.
    """
    if dataset.name in SOURCES.names():
        message = f"'{dataset.name}' is the name of data that comes with fesearch."
        raise InputError(message, "Choose another: --name NAME")
    path = _path(checked_name("data set", dataset.name))
    if path.exists() and _read_summary(path).hash != dataset.hash:
        hint = f"Choose another: --name NAME, or type: fesearch data delete {dataset.name}"
        raise InputError(f"There is another data set called '{dataset.name}' already.", hint)
    with atomic_write(path) as partial:
        _write(dataset, partial)
    return path


def delete(name: str) -> None:
    """Remove an imported data set. Results computed on it stay, but cannot be continued.

    Raises:
        InputError: there is none of that name, or it comes with the package.
    """
    if name in SOURCES.names():
        raise InputError(f"'{name}' comes with fesearch and cannot be deleted.", f"Type: {LISTING}")
    path = _path(checked_name("data set", name))
    if not path.is_file():
        raise unknown("data set", name, [summary.name for summary in listing()], LISTING)
    path.unlink()


def _folder() -> Path:
    return artifacts_dir() / "datasets"


def _path(name: str) -> Path:
    return _folder() / f"{name}.parquet"


_META = b"fesearch"  # the key of our metadata in a Parquet schema
_NOTES = ("title", "source", "licence", "citation")


def _write(dataset: Dataset, path: Path) -> None:
    """A Parquet file: text id, formula, reduced and column:NAME; numbers target:NAME."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = {"id": dataset.ids, "formula": dataset.formulas, "reduced": dataset.reduced}
    texts |= {f"column:{name}": column for name, column in dataset.columns.items()}
    arrays = {name: pa.array(column, pa.string()) for name, column in texts.items()}
    arrays |= {f"target:{name}": pa.array(array) for name, array in dataset.targets.items()}
    meta = {
        "rows": len(dataset),
        "hash": dataset.hash,
        "targets": dict(dataset.units),
        "columns": list(dataset.columns),
        "notes": {note: getattr(dataset, note) for note in _NOTES},
    }
    table = pa.table(arrays).replace_schema_metadata({_META: json.dumps(meta)})
    pq.write_table(table, path)


def _read(path: Path) -> Dataset:
    """The data set in a file of ``_write``, its hash computed again."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, partitioning=None)
        meta = json.loads(table.schema.metadata[_META])
        dataset = make(
            path.stem,
            table["formula"].to_pylist(),
            {name: table[f"target:{name}"].to_numpy() for name in meta["targets"]},
            meta["targets"],
            ids=table["id"].to_pylist(),
            reduced=table["reduced"].to_pylist(),
            columns={name: table[f"column:{name}"].to_pylist() for name in meta["columns"]},
            **meta["notes"],
        )
        if dataset.hash != meta["hash"]:
            raise ValueError("other rows than were saved")
    except (OSError, LookupError, TypeError, ValueError, pa.ArrowException, InputError) as error:
        raise _damaged(path) from error
    return dataset


def _read_summary(path: Path) -> Summary:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        meta: dict[str, Any] = json.loads(pq.read_schema(path).metadata[_META])
        rest = (meta["rows"], meta["targets"], meta["hash"], meta["notes"]["source"])
        return Summary(path.stem, *rest)
    except (OSError, LookupError, TypeError, ValueError, pa.ArrowException) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> InputError:
    hint = f"Remove {path} and import the data again."
    return InputError(f"The file of the data set '{path.stem}' is damaged.", hint)


@dataclass(frozen=True)
class Distribution:
    """How the values of a target lie, in its unit.

    Attributes:
        quartiles: the values below which 25, 50 and 75 % of the rows lie.
        sd: standard deviation of these rows (divided by n).
        counts: rows in each of the equal bins between ``minimum`` and ``maximum``.
    """

    unit: str
    mean: float
    sd: float
    minimum: float
    quartiles: tuple[float, float, float]
    maximum: float
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Description:
    """What ``data show`` prints.

    Attributes:
        compositions: distinct reduced formulas.
        elements: symbol -> rows that contain it, the most frequent first.
        targets: name -> distribution.
    """

    dataset: Dataset
    compositions: int
    elements: Mapping[str, int]
    targets: Mapping[str, Distribution]


def describe(dataset: Dataset, bins: int = 20) -> Description:
    """Elements and target distributions of a data set."""
    elements = Counter(symbol for text in dataset.reduced for symbol in formula.symbols(text))
    return Description(
        dataset=dataset,
        compositions=len(set(dataset.reduced)),
        elements=dict(sorted(elements.items(), key=lambda item: (-item[1], item[0]))),
        targets={
            name: _distribution(array, dataset.units[name], bins)
            for name, array in dataset.targets.items()
        },
    )


def _distribution(values: np.ndarray, unit: str, bins: int) -> Distribution:
    low, q1, median, q3, high = np.percentile(values, (0, 25, 50, 75, 100)).tolist()
    return Distribution(
        unit=unit,
        mean=float(np.mean(values)),
        sd=float(np.std(values)),
        minimum=low,
        quartiles=(q1, median, q3),
        maximum=high,
        counts=tuple(np.histogram(values, bins=bins)[0].tolist()),
    )
