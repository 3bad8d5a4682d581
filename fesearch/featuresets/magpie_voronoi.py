"""The 145 features of a composition and 128 of its structure, after Ward et al.,
Phys. Rev. B 96, 024104 (2017).

The Voronoi cell of an atom says who its neighbours are, and the area of a face how much each
counts. From these come the effective coordination number (5 columns), how bond lengths and cell
sizes vary (9), how far the order of the elements in three shells is from chance (3), the largest
packing efficiency (1), and the difference between an atom and its neighbours in 22 properties of
the elements (5 each). The numbers and names are matminer's, with the presets "ward-prb-2017".

The papers have 126 such features, and IRNet once writes 125, though its 271 in all are 145 + 126.
Magpie, the program of Ward et al., takes minimum, maximum, mean and mean absolute deviation of the
coordination number and of the variation of neighbour distances; matminer takes their range too.
These two columns are linear in others. (Magpie's count of distinct shapes of cells is neither
among the 126 nor in matminer.)

As in ``magpie`` nothing is imputed: the difference in electronegativity around a noble gas is NaN.
A structure takes about a tenth of a second per site, so each is kept when it is done, see
``structurecache.py``, and they are done on Ray, see ``tasks.py``. One that fails, or takes longer
than the option ``limit`` in seconds, has no row but a reason. With other options the feature set
is the same, as in ``magpie_voronoi:limit=600,workers=8``, for neither changes a number.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from fesearch import formula, structure
from fesearch.errors import InputError, quoted
from fesearch.featureset import CHUNK, LISTING, FeatureSet, Progress, StructureFeatureSet
from fesearch.featuresets import _voronoi, magpie
from fesearch.registry import unknown
from fesearch.structurecache import Entry, Failed, StructureCache

NAME = "magpie_voronoi"
LIMIT = 60.0  # seconds a structure: some hundred sites
WIDTH = len(magpie.names())  # the columns before those of the structure


def names() -> tuple[str, ...]:
    """The 145 column names of magpie, then 128, all matminer's own."""
    return magpie.names() + _voronoi.names()


def tables() -> dict[str, bytes]:
    """What the rows depend on besides the structures."""
    return {
        "magpie": magpie.FEATURE_SET.digest().encode(),
        "voronoi": _voronoi.version().encode(),
    }


def rows(
    texts: Sequence[str],
    progress: Progress | None = None,
    *,
    limit: float = LIMIT,
    workers: int | None = None,
) -> tuple[np.ndarray, Mapping[int, str]]:
    """Features of m structures, (m, 273) float32, and why some have none; those rows are NaN.

    Args:
        texts: m distinct structures.
        progress: told how many are done of those that the cache does not have.
        limit: seconds for a structure.
        workers: processes at once; None takes all CPU cores.

    Raises:
        FesearchError: the cache cannot be written, or no worker starts.
    """
    digests = [structure.digest(text) for text in texts]
    with StructureCache(NAME, _voronoi.version()) as cache:
        found = cache.find(set(digests), limit)
        missing = {
            digest: text for digest, text in zip(digests, texts, strict=True) if digest not in found
        }
        found |= _computed(missing, cache, progress, limit, workers)
    matrix = np.full((len(texts), len(names())), np.nan, dtype=np.float32)
    reasons: dict[int, str] = {}
    done = []
    for place, digest in enumerate(digests):
        entry = found[digest]
        if isinstance(entry, Failed):
            reasons[place] = entry.reason
        else:
            matrix[place, WIDTH:] = entry
            done.append(place)
    for start in range(0, len(done), CHUNK):
        chunk = done[start : start + CHUNK]
        matrix[chunk, :WIDTH], failed = _of_compositions([texts[place] for place in chunk])
        reasons |= {chunk[at]: reason for at, reason in failed.items()}
    matrix[list(reasons)] = np.nan
    return matrix, reasons


def _of_compositions(texts: Sequence[str]) -> tuple[np.ndarray, dict[int, str]]:
    """Magpie's features of m structures, (m, 145), and why some have none."""
    try:
        return magpie.rows([formula.reduced(structure.formula_of(text)) for text in texts]), {}
    except InputError as error:
        if len(texts) == 1:
            return np.full((1, WIDTH), np.nan), {0: error.message}
    half = len(texts) // 2
    (first, failed), (second, more) = (
        _of_compositions(part) for part in (texts[:half], texts[half:])
    )
    return np.concatenate([first, second]), failed | {half + at: why for at, why in more.items()}


def _computed(
    missing: Mapping[str, str],
    cache: StructureCache,
    progress: Progress | None,
    limit: float,
    workers: int | None,
) -> dict[str, Entry]:
    """What comes of structures, kept in the cache one by one."""
    if not missing:
        return {}
    from fesearch import tasks  # which imports Ray

    digests = list(missing)
    computed: dict[str, Entry] = {}

    def report(place: int, result: Any) -> None:
        lost = False
        entry: Entry
        if isinstance(result, tasks.Failure):
            seconds = limit if result.cause is tasks.Cause.TIME else None
            entry, lost = Failed(result.reason, seconds), result.cause is tasks.Cause.LOST
        else:
            entry = result.astype(np.float32)
        if not lost:  # which is the machine's fault as a rule, and may not happen again
            cache.keep(digests[place], entry)
        computed[digests[place]] = entry
        if progress:
            progress(len(computed), len(digests))

    if progress:
        progress(0, len(digests))
    tasks.run(_voronoi.featurizer, list(missing.values()), report, seconds=limit, workers=workers)
    return computed


def _configured(options: Mapping[str, str]) -> FeatureSet:
    """The set with ``limit``, in seconds, and ``workers``, the number of processes at once."""
    for option in options.keys() - {"limit", "workers"}:
        raise unknown(f"option of {NAME}", option, ["limit", "workers"], LISTING)
    chosen: dict[str, Any] = {}
    if "limit" in options:
        chosen["limit"] = _number("limit", options["limit"], float, "seconds, such as limit=300")
    if "workers" in options:
        chosen["workers"] = _number("workers", options["workers"], int, "a number, such as 4")
    return replace(FEATURE_SET, structure_rows=partial(rows, **chosen))


def _number(option: str, text: str, kind: type, wanted: str) -> float:
    """A positive number of an option."""
    try:
        number: float = kind(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise InputError(f"The option {option} of {NAME} is {quoted(text)}.", f"Give {wanted}.")
    return number


FEATURE_SET = StructureFeatureSet(
    name=NAME,
    title="magpie and 128 features of the Voronoi cells of the structure (matminer)",
    source="Ward et al., Phys. Rev. B 96, 024104 (2017), doi:10.1103/PhysRevB.96.024104",
    version="2",
    names=names,
    tables=tables,
    configure=_configured,
    structure_rows=rows,
)
