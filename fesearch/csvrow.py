"""How a row of CSV is written, so that every reader finds its cells again."""

import csv
from collections.abc import Iterable
from typing import Any, Protocol


class Writable(Protocol):
    """Where text is written."""

    def write(self, text: str, /) -> Any:
        """Write some."""


def write_row(file: Writable, cells: Iterable[object], separator: str = ",") -> None:
    """Write a row; quoted if it has a lone \\r, which Python before 3.13 forgets to quote."""
    row = list(cells)
    lone = any("\r" in cell for cell in row if isinstance(cell, str))
    csv.writer(
        file,
        delimiter=separator,
        lineterminator="\n",
        quoting=csv.QUOTE_ALL if lone else csv.QUOTE_MINIMAL,
    ).writerow(row)
