"""What is drawn of a data set: its elements, its targets, and its structures or compositions.

After Fig. 1 of Huang and Ling, J. Appl. Phys. 128, 124901 (2020).
"""

import re
import string
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from fesearch import figures, formula
from fesearch.dataset import Dataset
from fesearch.description import Description, describe
from fesearch.figures.style import INK, PALETTE
from fesearch.structure import Structures
from fesearch.symmetry import SYSTEMS, TOLERANCE, SpaceGroup, space_group

#: Called with (done, total) distinct structures while space groups are found.
Progress: TypeAlias = Callable[[int, int], None]

MOST_FREQUENT = 15  # bars of a panel
UNKNOWN = "unknown"  # of a structure in which no space group was found
_COLOURS = dict(zip((*SYSTEMS, UNKNOWN), (*PALETTE, INK), strict=True))
_SCREW = re.compile(r"_([0-9])")
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def plot(
    data: Dataset, to: Path, *, target: str | None = None, progress: Progress | None = None
) -> figures.Sheet:
    """Draw a data set into a PNG, SVG or HTML file; the same data give the same bytes.

    Args:
        to: the file; its suffix says of which kind.
        target: the one to draw; all by default.

    Raises:
        InputError: no such target, another suffix, or the file cannot be written.
    """
    figures.checked(to)
    drawn = sheet(data, target=target, progress=progress)
    figures.write(drawn, to)
    return drawn


def sheet(
    data: Dataset, *, target: str | None = None, progress: Progress | None = None
) -> figures.Sheet:
    """What ``plot`` draws, for people who draw it otherwise.

    Raises:
        InputError: no such target.
    """
    targets = list(data.targets) if target is None else [target]
    values = {name: data.target(name) for name in targets}
    found = describe(data)
    distributions = [
        figures.histogram(array, title=name, unit=data.units[name])
        for name, array in values.items()
    ]
    others = (
        _crystals(data, data.structures, progress)
        if data.structures and any(data.structures.digests)
        else [_sizes(data), _formulas(data)]
    )
    return figures.Sheet(
        title=data.title or data.name,
        lead=f"{data.name + ': ' if data.title else ''}"
        f"{len(data):,} rows, {found.compositions:,} compositions, "
        f"{len(found.elements)} elements",
        source=". ".join(filter(None, [data.source, data.licence, f"Data {data.hash[:12]}"])),
        panels=[_elements(found), *distributions, *others],
    )


def anonymous(reduced: str) -> str:
    """A reduced formula with its elements called A, B, C …, the scarcest first: Al2MgO4 is AB₂C₄.

    Of more elements than there are letters only the number is told.
    """
    _, amounts, _ = formula.contents([reduced])
    if len(amounts) > len(string.ascii_uppercase):
        return f"{len(amounts)} elements"
    return "".join(
        f"{letter}{amount}".translate(_SUBSCRIPTS) if amount > 1 else letter
        for letter, amount in zip(string.ascii_uppercase, sorted(amounts), strict=False)
    )


def _elements(found: Description) -> figures.Panel:
    return figures.periodic_table(
        found.elements,
        title="Elements",
        note=f"{len(found.elements)} of {len(formula.ELEMENTS)} elements occur.",
        label="rows with the element",
    )


def _sizes(data: Dataset) -> figures.Panel:
    """How many elements the compounds have."""
    counts = Counter(len(formula.symbols(text)) for text in data.reduced)
    return figures.bars(
        {str(size): counts[size] for size in sorted(counts)},
        title="Elements per compound",
        axis="rows",
    )


def _formulas(data: Dataset) -> figures.Panel:
    """The most frequent anonymous formulas."""
    counts = Counter(map(anonymous, data.reduced))
    return figures.bars(
        dict(counts.most_common(MOST_FREQUENT)),
        title="Anonymous formulas",
        axis="rows",
        note=_shown_of(counts, "formulas", len(data)),
    )


def _crystals(
    data: Dataset, structures: Structures, progress: Progress | None
) -> list[figures.Panel]:
    """Space groups, and anonymous formulas in them, of the rows that have a structure."""
    groups = _space_groups(structures, progress)
    rows = [
        (anonymous(text), groups[digest])
        for text, digest in zip(data.reduced, structures.digests, strict=True)
        if digest
    ]
    known = [(text, group) for text, group in rows if group]
    spaces = Counter((f"{_symbol(group)} ({group.number})", group.system) for _, group in known)
    prototypes = Counter((f"{text} {_symbol(group)}", group.system) for text, group in known)
    most = _shown_of(spaces, "space groups", len(rows))
    others = _shown_of(prototypes, "prototypes", len(rows))
    without = len(data) - len(rows)
    missing = f" Rows without a structure: {without:,}." if without else ""
    unknown = len(rows) - len(known)
    return [
        _by_system(
            spaces, unknown, "Space groups", f"By spglib, within {TOLERANCE} Å. {most}{missing}"
        ),
        _by_system(prototypes, unknown, "Prototypes", f"Formula and space group. {others}"),
    ]


def _space_groups(
    structures: Structures, progress: Progress | None
) -> dict[str, SpaceGroup | None]:
    """Digest of each distinct structure -> its space group, None where it is unknown."""
    rows = {digest: row for row, digest in enumerate(structures.digests) if digest}
    order = sorted(rows.values())
    groups = {}
    for done, (row, text) in enumerate(zip(order, structures.texts(order), strict=True), start=1):
        groups[structures.digests[row]] = space_group(text)
        if progress:
            progress(done, len(order))
    return groups


def _by_system(
    counts: Counter[tuple[str, str]], unknown: int, title: str, note: str
) -> figures.Panel:
    """The most frequent of what is counted, (label, crystal system), in the system's colour."""
    most = counts.most_common(MOST_FREQUENT)
    if unknown:
        most.append(((UNKNOWN, UNKNOWN), unknown))
    return figures.bars(
        {label: count for (label, _), count in most},
        title=title,
        axis="rows",
        note=note,
        groups={label: system for (label, system), _ in most},
        palette=_COLOURS,
    )


def _shown_of(counts: Counter[Any], things: str, rows: int) -> str:
    """A sentence on how many of so many rows the most frequent things are."""
    most = counts.most_common(MOST_FREQUENT)
    if len(most) == len(counts):
        return f"All {things} there are: {len(counts)}."
    percent = 100 * sum(count for _, count in most) / rows
    first = f"The {len(most)} most frequent of {len(counts):,} {things}"
    return f"{first}: {percent:.0f} % of {rows:,} rows."


def _symbol(group: SpaceGroup) -> str:
    """The symbol with its screw axes as subscripts: P6₃/mmc."""
    return _SCREW.sub(lambda axis: axis[1].translate(_SUBSCRIPTS), group.symbol)
