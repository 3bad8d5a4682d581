"""How a table fits into a terminal: no number or word is broken, and what is left stands below."""

from collections.abc import Sequence
from dataclasses import dataclass

GAP = 2  # columns of a terminal between two of a table
_WHOLE = 20  # letters of a cell that is not broken at its spaces
_LONG = 30  # letters that a longer one has on a line, at the least


@dataclass(frozen=True)
class Block:
    """Columns of a table that stand beside each other, by their places, and how wide they are."""

    columns: tuple[int, ...]
    widths: tuple[int, ...]


def blocks(headings: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> list[Block]:
    """The columns of a table in as many blocks as a terminal of that width needs.

    The first column, which says what a line is about, stands in each of them.

    Args:
        cells: of each row, as many as there are headings.
    """
    columns = [[row[place] for row in cells] for place in range(len(headings))]
    words = [max(map(len, one.split()), default=0) for one in headings]
    least = [max(word, *map(_least, one), 0) for word, one in zip(words, columns, strict=True)]
    full = [max(len(h), *map(len, one), 0) for h, one in zip(headings, columns, strict=True)]
    least[0] = min(least[0], width)
    beside = max(width - least[0] - GAP, 1)  # what is left for the others
    found, left = [[0]], beside
    for place in range(1, len(headings)):
        least[place] = min(least[place], beside)
        if least[place] > left and len(found[-1]) > 1:
            found.append([0])
            left = beside
        found[-1].append(place)
        left -= least[place] + GAP
    return [Block(tuple(one), _widths(one, least, full, width)) for one in found]


def _least(cell: str) -> int:
    """How wide a cell must be: it is whole, or if long has whole words on lines of some length."""
    if len(cell) <= _WHOLE:
        return len(cell)
    return max(min(len(cell), _LONG), *map(len, cell.split()))


def _widths(
    block: Sequence[int], least: Sequence[int], full: Sequence[int], width: int
) -> tuple[int, ...]:
    """What each column of a block has: those that need little more than the least have all."""
    given = {place: least[place] for place in block}
    left = width - sum(given.values()) - GAP * (len(block) - 1)
    by_need = sorted(block, key=lambda place: full[place] - least[place])
    for done, place in enumerate(by_need):
        more = max(min(full[place] - least[place], left // (len(block) - done)), 0)
        given[place] += more
        left -= more
    return tuple(given[place] for place in block)
