"""What the pages say: read from the store when a page is asked for, frozen or in plain words."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

from fesearch import toml
from fesearch.analysis import ANALYSES, Analysis, Column, Reads, Table
from fesearch.dashboard.series import digest_of, series
from fesearch.errors import InputError, NoResultError, StudyNotFoundError
from fesearch.family import amount
from fesearch.metrics import title_of
from fesearch.paths import studies_dir
from fesearch.ranking import rank
from fesearch.ranking.published import Publication
from fesearch.ranking.single import Table as RankedTable
from fesearch.record import ResultKey, TrialResult, TrialState
from fesearch.report.contents import MOST_MODELS, in_order
from fesearch.report.page import facts, word
from fesearch.report.rankings import ranking
from fesearch.search.budget import rungs_of
from fesearch.search.folder import log_file
from fesearch.search.prepare import study_of
from fesearch.space import Value
from fesearch.store.engine import parse, sqlite_file
from fesearch.store.results import Store
from fesearch.store.snapshot import elsewhere
from fesearch.store.types import StudyRow, StudyState, StudySummary
from fesearch.study import from_keys

LINES = 25
"""Of a ranking on the first page; its own page has all."""
PAGE = 50
"""Trials on one page of a table."""
BEST, FAILED, MOST_RUNNING, CURVE = 5, 5, 20, 200
LOG_BYTES = 20_000
"""Of the end of a log."""
USABLE = (TrialState.COMPLETE, TrialState.PRUNED)
KILLED = "KILLED"


def snapshot(url: str) -> str:
    """Whose snapshot is shown and how old it is; empty where it is the database itself."""
    file = sqlite_file(parse(url))
    found = None if file is None else elsewhere(file)
    return "" if found is None else str(found)


def home(url: str, beside: Publication | None = None) -> dict[str, Any]:
    """Rankings of everything, published values below them, and all studies, the newest first."""
    with Store.look(url) as store:
        every = store.studies()
        lines = [_line(store, one) for one in reversed(every)]
        across = series(store, every)
    tables = [
        {**ranking(one, LINES, beside), "digest": digest(one.summary.key)} for one in _all(url)
    ]
    return {
        "studies": lines,
        "links": {one.study.name: one.study.id for one in every},
        "rankings": tables,
        "repeated": [ranking(one, LINES, beside) for one in rank.repeated_tables(url)],
        "series": across,
    }


def running(url: str) -> list[dict[str, Any]]:
    """The studies that a driver is at work on, as they stand."""
    with Store.look(url) as store:
        rows = [row for row in store.study_rows() if row.state is StudyState.RUNNING]
        found = [_progress(store, row) for row in rows]
    return [one for one in found if one["state"] != KILLED]


def progress(url: str, identity: int) -> dict[str, Any]:
    """One study as it stands: counts, running trials, rungs, the best so far.

    Raises:
        StudyNotFoundError: there is none of that id.
    """
    with Store.look(url) as store:
        row = store.study_of(identity)
        going = store.some_trials(row, states=[TrialState.RUNNING], count=MOST_RUNNING)
        found = _progress(store, row)
        left = found["counts"][TrialState.RUNNING] - len(going)
        return {
            **found,
            "going": _running_table(row, going),
            "left": left,
            "rungs": _rungs(store, row),
        }


def study(url: str, identity: int) -> dict[str, Any]:
    """All of a study but its pictures.

    Raises:
        StudyNotFoundError: there is none of that id.
    """
    with Store.look(url) as store:
        row = store.study_of(identity)
        division = store.division(row.key.data, row.key.split)
        words = store.words(row)
        best = store.some_trials(row, states=USABLE, best_first=True, count=BEST)
        failed = store.some_trials(row, states=[TrialState.FAIL], newest_first=True, count=FAILED)
        looks = len(store.looks(row.key))
    return {
        "row": row,
        "word": word(row.name),
        "best": trial_table(row, best, words),
        "failed": failed,
        "facts": facts(row, division, looks),
        "file": toml.dumps(row.definition["study"]),
        "why": list(row.definition.get("why", ())),
        "digest": digest(row.key),
        "analyses": analyses(),
    }


def trials(
    url: str, identity: int, page: int, state: TrialState | None, best_first: bool
) -> dict[str, Any]:
    """A page of a study's trials.

    Args:
        page: from 1.
        state: of the trials wanted; None, of any.

    Raises:
        StudyNotFoundError: there is no such study.
    """
    states = tuple(TrialState) if state is None else (state,)
    with Store.look(url) as store:
        row = store.study_of(identity)
        counts, words = store.counts(row), store.words(row)
        start = (page - 1) * PAGE
        shown = store.some_trials(
            row, states=states, best_first=best_first, start=start, count=PAGE
        )
    total = sum(counts[one] for one in states)
    return {
        "row": row,
        "counts": counts,
        "words": words,
        "table": trial_table(row, shown, words),
        "reasons": any(one.reason for one in shown),
        "total": total,
        "page": page,
        "pages": max(1, -(-total // PAGE)),
    }


def trial(url: str, identity: int, number: int) -> dict[str, Any]:
    """One trial: its config, why it ended, its curve and the end of its log.

    Raises:
        StudyNotFoundError: there is no such study.
        InputError: it has no trial of that number.
    """
    with Store.look(url) as store:
        row = store.study_of(identity)
        one = store.trial(row, number)
        reports = store.reports(row, number)
        origin, words = store.origin(row, number), store.words(row)
    shown = reports[-CURVE:]
    curve = Table(
        (
            Column(one.unit, [report.resource for report in shown]),
            Column(f"validation {title_of(row.key.metric)}", [r.raw for r in shown], row.unit),
            Column("best so far", [report.best for report in shown], row.unit),
            Column("decision", [report.decision.value for report in shown]),
            Column("time", [report.seconds for report in shown], "s"),
        )
    )
    return {
        "row": row,
        "trial": one,
        "metric": title_of(row.key.metric),
        "state": words[one.state],
        "trained": amount(one.resource, one.unit),
        "origin": origin,
        "curve": curve,
        "left": len(reports) - len(shown),
        "log": _log(row, number),
    }


def ranked(url: str, wanted: str, beside: Publication | None = None) -> dict[str, Any]:
    """A whole ranking with published values below it, and the studies whose pictures it has.

    Raises:
        NoResultError: there is none of that digest.
    """
    for table in _all(url):
        if digest(table.summary.key) == wanted:
            names = list(dict.fromkeys(entry.trial.study for entry in table.entries))
            with Store.look(url) as store:
                links = {row.name: row.id for row in store.study_rows() if row.name in names}
            return {
                "ranking": ranking(table, publication=beside),
                "digest": wanted,
                "links": links,
                "names": [name for name in names if name in links][:MOST_MODELS],
                "analyses": analyses(),
            }
    raise NoResultError("There is no such ranking.", "Type: fesearch rank")


def analyses(*reads: Reads) -> list[Analysis]:
    """Those that read models or the searches of one division, in the order of a report."""
    found = [one for one in ANALYSES if one.reads in (reads or ("models", "searches"))]
    return sorted(found, key=lambda one: in_order(one.name))


def analysis(name: str) -> Analysis:
    """The analysis of that name.

    Raises:
        StudyNotFoundError: there is none.
    """
    if name not in ANALYSES.names():
        raise StudyNotFoundError(f"There is no analysis '{name}'.", "Type: fesearch analyse list")
    return ANALYSES.get(name)


def digest(key: ResultKey) -> str:
    """A key in an address."""
    return digest_of(astuple(key))


def trial_table(
    row: StudyRow, shown: Sequence[TrialResult], words: Mapping[TrialState, str]
) -> Table:
    """Trials as columns of words, their states by ``Store.words``."""
    return Table(
        (
            Column("trial", [one.number for one in shown]),
            Column("state", [words[one.state] for one in shown]),
            Column(f"validation {title_of(row.key.metric)}", [o.value for o in shown], row.unit),
            Column("trained", [amount(one.resource, one.unit) for one in shown]),
            Column("time", [one.seconds for one in shown], "s"),
            Column("parameters", [one.parameters for one in shown]),
            Column("config", varying([one.config for one in shown])),
            Column("reason", [one.reason for one in shown]),
        )
    )


def varying(configs: Sequence[Mapping[str, Value]]) -> list[dict[str, Value]]:
    """Configs without what all of them have alike; a single one is whole."""
    if len(configs) < 2:
        return [dict(one) for one in configs]
    shared = {
        name
        for name, value in configs[0].items()
        if all(name in one and one[name] == value for one in configs)
    }
    return [{k: v for k, v in one.items() if k not in shared} for one in configs]


def _all(url: str) -> list[RankedTable]:
    try:
        return rank.tables(url)
    except NoResultError:
        return []


def _line(store: Store, summary: StudySummary) -> dict[str, Any]:
    """A study in the list of all."""
    row = summary.study
    portfolio = row.definition.get("portfolio") or {}
    return {
        "row": row,
        "state": _state(row, row.state is StudyState.RUNNING and store.driven(row)),
        "ended": sum(count for state, count in summary.trials.items() if state.finished),
        "failed": summary.trials[TrialState.FAIL],
        "best": summary.best,
        "family": row.definition["study"]["family"],
        "data": row.definition["study"]["data"],
        "search": str(portfolio.get("name", "")),
    }


def _state(row: StudyRow, driven: bool) -> str:
    """Where a study stands; one that says RUNNING without a live driver was killed."""
    return KILLED if row.state is StudyState.RUNNING and not driven else row.state.value


def _progress(store: Store, row: StudyRow) -> dict[str, Any]:
    counts, words = store.counts(row), store.words(row)
    best = store.some_trials(row, states=USABLE, best_first=True, count=1)
    found = best[0] if best and best[0].value is not None else None
    return {
        "row": row,
        "state": _state(row, words[TrialState.RUNNING] == TrialState.RUNNING.value),
        "counts": counts,
        "words": words,
        "ended": sum(count for state, count in counts.items() if state.finished),
        "budget": _budget(row),
        "best": found,
        "metric": title_of(row.key.metric),
        "family": row.definition["study"]["family"],
        "word": word(row.name),
    }


def _budget(row: StudyRow) -> int:
    """Trials in all; of a study whose family is not installed here, those asked for."""
    asked = from_keys(row.definition["study"], row.name)
    try:
        return asked.budget()
    except InputError:
        return asked.trials


def _running_table(row: StudyRow, going: Sequence[TrialResult]) -> Table:
    return Table(
        (
            Column("trial", [one.number for one in going]),
            Column("trained", [amount(one.resource, one.unit) for one in going]),
            Column(f"best {title_of(row.key.metric)} so far", [o.value for o in going], row.unit),
            Column("time", [one.seconds for one in going], "s"),
            Column("config", varying([one.config for one in going])),
        )
    )


def _rungs(store: Store, row: StudyRow) -> Table | None:
    """What was seen at the rungs of a study; None where it has none or nobody came to one."""
    try:
        asked = study_of(row)
        resource = asked.declared_family().resource
        rungs = rungs_of(asked, resource)
    except InputError:  # its family is not installed here
        return None
    seen = store.rungs_seen(row, rungs) if rungs else []
    if not seen:
        return None
    return Table(
        (
            Column("rung", [one.resource for one in seen], resource.unit),
            Column("trials seen", [one.arrived for one in seen]),
            Column("stopped there", [one.stopped for one in seen]),
            Column(f"best {title_of(row.key.metric)}", [one.best for one in seen], row.unit),
        )
    )


def _log(row: StudyRow, number: int) -> str:
    """The end of a trial's log; empty where it has none here.

    The name of its folder is from the database: what is not among the artifacts is not shown.
    """
    if not isinstance(row.definition.get("folder"), str):
        return ""
    path = log_file(row, number).resolve()
    if not path.is_relative_to(studies_dir().resolve()) or not path.is_file():
        return ""
    return _end_of(path)


def _end_of(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - LOG_BYTES, 0))
        text = file.read(LOG_BYTES).decode("utf-8", "replace")
    return text if size <= LOG_BYTES else f"…{text}"
