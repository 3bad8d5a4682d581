"""What a figure is made of, before it is drawn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from matplotlib.axes import Axes

Draw: TypeAlias = Callable[[Axes], None]


@dataclass(frozen=True)
class Panel:
    """One drawing of a sheet.

    Attributes:
        title: what is shown, a few words.
        note: what to see in it, a sentence; may be empty.
        alt: the same and its main numbers, for people who cannot see it.
        draw: draws it on axes, without title and note.
        wide: it takes the whole width of the sheet.
    """

    title: str
    note: str
    alt: str
    draw: Draw
    wide: bool = False


@dataclass(frozen=True)
class Sheet:
    """Panels under one heading.

    Attributes:
        title: what all of them show.
        lead: the facts in a line.
        source: where the numbers are from, in a line below the panels; may be empty.
    """

    title: str
    lead: str
    source: str
    panels: Sequence[Panel]
