"""What a report says, before it is a page: rankings, findings with their pictures, settings."""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fesearch import __version__
from fesearch.analysis import ANALYSES, Analysis
from fesearch.bundlefiles import is_model
from fesearch.errors import InputError, NoResultError
from fesearch.ranking import rank
from fesearch.ranking.published import Publication
from fesearch.ranking.repeats import RepeatedTable
from fesearch.ranking.single import Entry, Table
from fesearch.record import ResultKey
from fesearch.report.models import Exported, exported
from fesearch.report.sections import Missing, Section, sections
from fesearch.search.prepare import Progress
from fesearch.store.results import Store
from fesearch.store.types import StudyRow
from fesearch.subject import ModelSubject, Searched, StudySubject, Subject

_ORDER = ("parity", "errors", "target_bins", "training_curves", "elements", "permutation")
"""What a reader sees first; the others follow by name."""
MOST_MODELS = 4
"""Models whose pictures are drawn; the best ones."""


@dataclass(frozen=True)
class Report:
    """All that a page says.

    Attributes:
        tables: rankings, that of the division the pictures are of first; none without a study.
        repeated: rankings over repeated divisions.
        skipped: what is missing in the report.
        studies: by name, in the order asked for.
        beside: published values to show beside the rankings.
        models: exported ones, in the order asked for.
    """

    tables: Sequence[Table]
    repeated: Sequence[RepeatedTable]
    sections: Sequence[Section]
    skipped: Sequence[Missing]
    studies: Mapping[str, Searched]
    beside: Publication | None = None
    models: Sequence[Exported] = ()
    version: str = __version__
    python: str = platform.python_version()

    @property
    def best(self) -> Entry:
        """The best trial of the first ranking, which there is where a study was asked for."""
        return self.tables[0].entries[0]


def collect(
    names: Sequence[str],
    url: str,
    *,
    beside: Publication | None = None,
    progress: Progress | None = None,
    begin: Callable[[Analysis], None] = lambda analysis: None,
) -> Report:
    """All that can be said of studies and models; what cannot be analysed is named with its reason.

    Pictures are of the studies on the division of the first study, learning curves and the like
    of all, and of each exported model alone. Numbers and pictures are of validation parts, unless
    the record has a look at a test part with these very models.

    Args:
        names: of studies, of searches over many families, or folders of exported models.
        url: of the store.
        beside: published values, see ``published.read``.
        progress: of the features.
        begin: told of each analysis before it is done.

    Raises:
        InputError: nothing, or one twice, is named, or a model is not what was exported.
        StudyNotFoundError: there is none of a name.
        NoResultError: none of the first study's division has a usable trial.
    """
    if not names:
        raise InputError("No study is named.", "Type: fesearch report STUDY --to report.html")
    models = [exported(name) for name in names if is_model(name)]
    names = [row.name for row in named(names, url)]
    _refuse_twice("study", names)
    _refuse_twice("model", [one.name for one in models])
    subjects = [StudySubject(name, url, progress=progress) for name in names]
    studies = {one.name: one.searched for one in subjects}
    tables = list(_rankings(studies, url))
    alike = _best_first(subjects, tables[0]) if tables else []
    found: list[Section] = []
    skipped: list[Missing] = []
    for analysis in ANALYSES if subjects else ():
        begin(analysis)
        who = _subjects(analysis, alike, subjects)
        drawn, left_out = sections(analysis, who) if who else ([], [_alone(analysis)])
        found += drawn
        skipped += left_out
    found.sort(key=lambda one: in_order(one.analysis.name))
    repeated = rank.repeated_tables(url, studies=names) if names else []
    pictured = [_pictured(one, progress, begin) for one in models]
    return Report(tables, repeated, found, skipped, studies, beside, pictured)


def named(names: Sequence[str], url: str) -> list[StudyRow]:
    """The studies among names, which may be folders of exported models too.

    Raises:
        StudyNotFoundError: there is none of a name.
    """
    asked = [one for one in names if not is_model(one)]
    if not asked:  # a model needs no database
        return []
    with Store.look(url) as store:
        return store.named(asked)


def _refuse_twice(what: str, names: Sequence[str]) -> None:
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"The {what} '{twice}' is named twice.", f"Name each {what} once.")


def _alone(analysis: Analysis) -> Missing:
    why = "It compares studies on several divisions, and all of these are on one."
    return Missing(analysis, why, f"Type: {analysis.example}")


def _pictured(
    model: Exported, progress: Progress | None, begin: Callable[[Analysis], None]
) -> Exported:
    """The same with its pictures, where its data are here."""
    if model.lacks is not None:
        return model
    found: list[Section] = []
    skipped: list[Missing] = []
    who = [ModelSubject(model.name, Path(model.name), progress)]
    for analysis in (one for one in ANALYSES if one.reads == "models"):
        begin(analysis)
        drawn, left_out = sections(analysis, who)
        found += drawn
        skipped += left_out
    return replace(model, sections=found, missing=skipped)


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


def _subjects(
    analysis: Analysis, alike: Sequence[StudySubject], every: Sequence[StudySubject]
) -> Sequence[Subject]:
    """Whom an analysis is asked of; nobody where it does not apply."""
    if analysis.reads == "models":
        return alike[:MOST_MODELS]
    if analysis.reads == "searches":
        return alike
    return every if len({one.searched.row.key.split for one in every}) > 1 else ()
