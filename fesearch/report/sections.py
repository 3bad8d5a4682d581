"""An analysis of some studies or models with its pictures: of which rows, and of whom not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from fesearch.analysis import Analysis, Finding, Settings
from fesearch.errors import FesearchError
from fesearch.examined import PartName
from fesearch.subject import Subject

if TYPE_CHECKING:
    from fesearch.figures import Panel

ROWS, REPEATS = 500, 5
"""Of permutation importance, which takes a prediction of all rows for each feature and repeat."""


@dataclass(frozen=True)
class Section:
    """One analysis in a report, of the rows of one part."""

    analysis: Analysis
    finding: Finding
    panels: "Sequence[Panel]"


class Missing(NamedTuple):
    """An analysis that cannot be made, or not of all: why, and what to type to have it."""

    analysis: Analysis
    why: str
    hint: str


def sections(
    analysis: Analysis, who: Sequence[Subject]
) -> tuple[Sequence[Section], Sequence[Missing]]:
    """An analysis of all that it can be made of, and why it cannot be made of the others.

    Models that a look has scored are compared on test rows, by the predictions that it has left.
    Where some of the others were not looked at, all are compared on validation rows too: numbers
    of one picture are always of the same rows, and nobody looks anew.
    """
    drawn: list[Section] = []
    missing: list[Missing] = []
    for part, some in _parts(analysis, who):
        found, left_out = _of_part(analysis, some, part)
        drawn += found
        missing += left_out
    return drawn, _by_hint(missing)


def examine(analysis: Analysis, who: Sequence[Subject], settings: Settings) -> Section:
    """An analysis with its pictures.

    Raises:
        FesearchError: it cannot be made of these.
    """
    finding = analysis.find(who, settings)
    return Section(analysis, finding, analysis.panels(finding))


def _parts(
    analysis: Analysis, who: Sequence[Subject]
) -> Iterator[tuple[PartName, Sequence[Subject]]]:
    """The parts whose rows pictures are of, and of whom."""
    looked = [one for one in who if analysis.of_predictions and _pictured(one) == "test"]
    if looked:
        yield "test", looked
    if len(looked) < len(who):
        yield "validation", who


def _pictured(one: Subject) -> PartName:
    try:
        return one.examined.pictured
    except FesearchError:  # why, is said where it is to be drawn
        return "validation"


def _of_part(
    analysis: Analysis, who: Sequence[Subject], part: PartName
) -> tuple[list[Section], list[Missing]]:
    try:
        return [examine(analysis, who, Settings(part, REPEATS, ROWS))], []
    except FesearchError as error:
        if len(who) == 1 or analysis.reads == "series":
            return [], [Missing(analysis, error.message, error.hint)]
    good, missing = [], []
    few = Settings(part, repeats=1, rows=2)  # whether it can be made of one costs little
    for one in who:
        try:
            analysis.find([one], few)
            good.append(one)
        except FesearchError as error:
            missing.append(Missing(analysis, error.message, error.hint))
    try:
        return ([examine(analysis, good, Settings(part, REPEATS, ROWS))] if good else []), missing
    except FesearchError as error:  # of all of their rows, or of them together
        return [], [*missing, Missing(analysis, error.message, error.hint)]


def _by_hint(missing: Sequence[Missing]) -> list[Missing]:
    """What one thing to type would mend, told once."""
    whys: dict[tuple[Analysis, str], dict[str, None]] = {}
    for analysis, why, hint in missing:
        whys.setdefault((analysis, hint), {})[why] = None
    return [Missing(analysis, " ".join(why), hint) for (analysis, hint), why in whys.items()]
