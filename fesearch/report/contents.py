"""What a report says, before it is a page: rankings, findings with their pictures, settings."""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from fesearch import __version__
from fesearch.analysis import ANALYSES, Analysis, Finding, Settings
from fesearch.errors import FesearchError, InputError, NoResultError
from fesearch.ranking import rank
from fesearch.ranking.published import Publication
from fesearch.ranking.repeats import RepeatedTable
from fesearch.ranking.single import Entry, Table
from fesearch.record import ResultKey
from fesearch.search.prepare import Progress
from fesearch.store.results import Store
from fesearch.subject import Searched, StudySubject, Subject

if TYPE_CHECKING:
    from fesearch.figures import Panel

ROWS, REPEATS = 500, 5
"""Of permutation importance, which takes a prediction of all rows for each feature and repeat."""
_ORDER = ("parity", "errors", "target_bins", "training_curves", "elements", "permutation")
"""What a reader sees first; the others follow by name."""
MOST_MODELS = 4
"""Models whose pictures are drawn; the best ones."""


@dataclass(frozen=True)
class Section:
    """One analysis in a report."""

    analysis: Analysis
    finding: Finding
    panels: "Sequence[Panel]"


class Missing(NamedTuple):
    """An analysis that cannot be made, or not of all: why, and what to type to have it."""

    analysis: Analysis
    why: str
    hint: str


@dataclass(frozen=True)
class Report:
    """All that a page says.

    Attributes:
        tables: rankings, that of the division the pictures are of first.
        repeated: rankings over repeated divisions.
        skipped: what is missing in the report.
        studies: by name, in the order asked for.
        beside: published values to show beside the rankings.
    """

    tables: Sequence[Table]
    repeated: Sequence[RepeatedTable]
    sections: Sequence[Section]
    skipped: Sequence[Missing]
    studies: Mapping[str, Searched]
    beside: Publication | None = None
    version: str = __version__
    python: str = platform.python_version()

    @property
    def best(self) -> Entry:
        """The best trial of the first ranking."""
        return self.tables[0].entries[0]


def collect(
    names: Sequence[str],
    url: str,
    *,
    beside: Publication | None = None,
    progress: Progress | None = None,
    begin: Callable[[Analysis], None] = lambda analysis: None,
) -> Report:
    """All that can be said of some studies; what cannot be analysed is named with its reason.

    Pictures are of the studies on the division of the first study, learning curves and the like
    of all. Numbers are of validation parts, unless the record has a look at a test part.

    Args:
        names: of studies, or of searches over many families.
        url: of the store.
        beside: published values, see ``published.read``.
        progress: of the features.
        begin: told of each analysis before it is done.

    Raises:
        InputError: no study, or one twice, is named.
        StudyNotFoundError: there is none of a name.
        NoResultError: none of the first study's division has a usable trial.
    """
    if not names:
        raise InputError("No study is named.", "Type: fesearch report STUDY --to report.html")
    with Store.look(url) as store:
        names = [row.name for row in store.named(names)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"The study '{twice}' is named twice.", "Name each study once.")
    subjects = [StudySubject(name, url, progress=progress) for name in names]
    studies = {one.name: one.searched for one in subjects}
    tables = list(_rankings(studies, url))
    alike = _best_first(subjects, tables[0])
    sections: list[Section] = []
    skipped: list[Missing] = []
    for analysis in ANALYSES:
        begin(analysis)
        found, left_out = _sections(analysis, _subjects(analysis, alike, subjects))
        sections += found
        skipped += left_out
    sections.sort(key=lambda one: in_order(one.analysis.name))
    repeated = rank.repeated_tables(url, studies=names)
    return Report(tables, repeated, sections, skipped, studies, beside)


def in_order(name: str) -> int:
    """Where an analysis stands among others, by its name."""
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


def _rankings(studies: Mapping[str, Searched], url: str) -> Iterator[Table]:
    """A ranking of the studies of each key, that of the first study first."""
    groups: dict[ResultKey, list[str]] = {}
    for name, one in studies.items():
        groups.setdefault(one.row.key, []).append(name)
    for place, group in enumerate(groups.values()):
        try:
            yield from rank.tables(url, studies=group)
        except NoResultError:
            if place == 0:  # without it there is nothing to show
                raise


def _best_first(subjects: Sequence[StudySubject], table: Table) -> list[StudySubject]:
    """The studies of a ranking in its order."""
    order = list(dict.fromkeys(entry.trial.study for entry in table.entries))
    return sorted(
        (one for one in subjects if one.name in order), key=lambda one: order.index(one.name)
    )


def _sections(analysis: Analysis, who: Sequence[Subject]) -> tuple[list[Section], list[Missing]]:
    """An analysis of all that it can be made of, and why it cannot be made of the others."""
    if not who:
        why = "It compares studies on several divisions, and all of these are on one."
        return [], [Missing(analysis, why, f"Type: {analysis.example}")]
    settings = Settings(repeats=REPEATS, rows=ROWS)
    try:
        return [examine(analysis, who, settings)], []
    except FesearchError as error:
        if len(who) == 1 or analysis.reads == "series":
            return [], [Missing(analysis, error.message, error.hint)]
    good, skipped = [], []
    few = Settings(repeats=1, rows=2)  # whether it can be made of one is asked at little cost
    for one in who:
        try:
            analysis.find([one], few)
            good.append(one)
        except FesearchError as error:
            skipped.append(Missing(analysis, error.message, error.hint))
    return ([examine(analysis, good, settings)] if good else []), _by_hint(skipped)


def _by_hint(skipped: Sequence[Missing]) -> list[Missing]:
    """What one thing to type would mend, told once."""
    whys: dict[tuple[Analysis, str], list[str]] = {}
    for analysis, why, hint in skipped:
        whys.setdefault((analysis, hint), []).append(why)
    return [Missing(analysis, " ".join(why), hint) for (analysis, hint), why in whys.items()]


def examine(analysis: Analysis, who: Sequence[Subject], settings: Settings) -> Section:
    """An analysis with its pictures.

    Raises:
        FesearchError: it cannot be made of these.
    """
    finding = analysis.find(who, settings)
    return Section(analysis, finding, analysis.panels(finding))


def _subjects(
    analysis: Analysis, alike: Sequence[StudySubject], every: Sequence[StudySubject]
) -> Sequence[Subject]:
    """Whom an analysis is asked of; nobody where it does not apply."""
    if analysis.reads == "models":
        return alike[:MOST_MODELS]
    if analysis.reads == "searches":
        return alike
    return every if len({one.searched.row.key.split for one in every}) > 1 else ()
