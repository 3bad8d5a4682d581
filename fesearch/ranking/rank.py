"""Trials of all studies side by side, a table for each key: only equals are compared."""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fesearch.errors import InputError, NoResultError
from fesearch.ranking.repeats import RepeatedTable, Spread, repeated_table
from fesearch.record import ResultKey, nothing_usable
from fesearch.store.how import Trained
from fesearch.store.results import Store
from fesearch.store.types import Division, Effort, KeySummary, Look, RankedTrial, StudyRow

if TYPE_CHECKING:
    from fesearch.ranking.compare import Standing

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """A line of a ranking.

    Attributes:
        position: from 1, by validation.
        effort: all trials of its family in its study: what it took to find this one.
        look: the last one at the test part with the model that the trial left; None while that is
            sealed.
        by_seed: test scores in the key's metric of its config trained again, one a seed.
        joined: those of its config trained on training and validation part, one a seed.
        standing: among those whose predictions of the same test rows are kept here.
    """

    position: int
    trial: RankedTrial
    effort: Effort
    look: Look | None = None
    by_seed: Spread | None = None
    joined: Spread | None = None
    standing: "Standing | None" = None

    @property
    def test(self) -> float | None:
        """The score in the key's metric on the test part; None while it is sealed."""
        return None if self.look is None else self.look.scores.get(self.trial.key.metric)


@dataclass(frozen=True)
class Table:
    """All that is ranked under one key, the best first.

    Attributes:
        data: name of the data set, as the studies called it.
        looks: at the test part, so far.
        predicted: those of them that are predictions without a score.
        ensembles: the looks at them, the last at each, best validation first. They stand apart:
            picks are chosen on the rows that validate, so their validation scores flatter.
    """

    summary: KeySummary
    data: str
    division: Division
    looks: int
    entries: tuple[Entry, ...]
    ensembles: tuple[Look, ...] = ()
    predicted: tuple[Look, ...] = ()


def tables(
    url: str,
    *,
    data: str | None = None,
    target: str | None = None,
    metric: str | None = None,
    split: str | None = None,
    studies: Sequence[str] = (),
    every: bool = False,
) -> list[Table]:
    """Rank what was trained on identical divisions, a table for each key.

    Args:
        url: of the store.
        data: name or beginning of the hash of a data set.
        target, metric: names.
        split: beginning of a fingerprint.
        studies: rank these against each other, and ensembles of no other; the name of a search over
            many families stands for all of its.
        every: all trials; else the best of each family of each study.

    Raises:
        InputError: what is to be compared has different keys; both fingerprints are named.
        StudyNotFoundError: there is no study of a name.
        NoResultError: there is nothing to rank.
    """
    with Store.look(url) as store:
        rows = {row.name: row for row in store.study_rows()}
        chosen = store.named(studies)
        _refuse_mixed(chosen)
        names = _data_names(rows.values())
        keys = [
            summary
            for summary in store.keys()  # noqa: SIM118  a store is no mapping
            if target in (None, summary.key.target)
            and metric in (None, summary.key.metric)
            and summary.key.split.startswith(split or "")
            and _is_data(summary.key.data, data, names)
            and (not chosen or summary.key == chosen[0].key)
        ]
        if split is not None:
            _refuse_ambiguous(split, keys)
        wanted = {row.name for row in chosen}
        efforts = {(one.key, one.study, one.family): one for one in store.efforts()}
        found = [_table(store, summary, names, rows, efforts, wanted, every) for summary in keys]
        found = [table for table in found if table.entries]
        if chosen and not found:
            raise nothing_usable(chosen[0].name, store.trials(chosen[0]))
    if not found:
        raise NoResultError(
            "There is no usable trial to rank, or none that was asked for.",
            "Type: fesearch study list",
        )
    return found


def repeated_tables(
    url: str,
    *,
    data: str | None = None,
    target: str | None = None,
    metric: str | None = None,
    split: str | None = None,
    studies: Sequence[str] = (),
) -> list[RepeatedTable]:
    """Rank over repeated divisions what was scored on two members or more; see ``tables``.

    Args:
        split: beginning of the fingerprint of a repeated division.
    """
    with Store.look(url) as store:
        rows = {row.name: row for row in store.study_rows()}
        names = _data_names(rows.values())
        shown = {row.name: row for row in store.named(studies)} or rows
        asked = dict.fromkeys(
            (row.key.data, row.key.target, row.key.metric) for row in rows.values()
        )
        found = [
            repeated_table(
                store,
                ResultKey(division.data, learned, scored, division.fingerprint),
                division,
                members,
                shown,
                "/".join(names[division.data]),
            )
            for division, members in store.parents()
            if division.fingerprint.startswith(split or "")
            for digest, learned, scored in asked
            if digest == division.data
            and _is_data(digest, data, names)
            and target in (None, learned)
            and metric in (None, scored)
        ]
    return [table for table in found if table is not None]


def _table(
    store: Store,
    summary: KeySummary,
    names: Mapping[str, Sequence[str]],
    rows: Mapping[str, StudyRow],
    efforts: Mapping[tuple[ResultKey, str, str], Effort],
    wanted: set[str],
    every: bool,
) -> Table:
    key = summary.key
    shown = [
        trial
        for trial in store.ranking(
            data=key.data,
            target=key.target,
            metric=key.metric,
            split=key.split,
            leaders=not every,
        )
        if not wanted or trial.study in wanted
    ]
    looks = store.looks(key)
    if looks:
        own = {name: store.looks_of(rows[name]) for name in {trial.study for trial in shown}}
    else:
        own = {}
    entries = []
    for position, trial in enumerate(shown, start=1):
        there = [
            look
            for look in own.get(trial.study, ())
            if (look.trial, look.split) == (trial.number, key.split)
        ]
        entries.append(
            Entry(
                position,
                trial,
                efforts[key, trial.study, trial.family],
                look=next((look for look in reversed(there) if look.as_searched), None),
                by_seed=_by_seed(there, key.metric, Trained.AGAIN),
                joined=_by_seed(there, key.metric, Trained.JOINED),
            )
        )
    division = store.division(key.data, key.split)
    compared = tuple(_compared(entries, rows))
    joint = [
        look
        for look in _ensembles((look for every in own.values() for look in every), summary)
        if not wanted or wanted.issuperset(look.how.studies)
    ]
    predicted = tuple(look for look in looks if look.how.trained is Trained.PREDICTED)
    name = "/".join(names[key.data])
    return Table(summary, name, division, len(looks), compared, tuple(joint), predicted)


def _ensembles(looks: Iterable[Look], summary: KeySummary) -> tuple[Look, ...]:
    """The last look at each ensemble under a key, the best by validation first."""
    key, sign = summary.key, 1.0 if summary.direction == "minimize" else -1.0
    last = {
        frozenset(look.how.picks.items()): look
        for look in looks
        if look.how.trained is Trained.ENSEMBLE and look.split == key.split
    }

    def place(look: Look) -> float:
        value = look.how.validation.get(key.metric)
        return math.inf if value is None else sign * value

    return tuple(sorted(last.values(), key=place))


def _by_seed(looks: Iterable[Look], metric: str, trained: Trained) -> Spread | None:
    """The scores of trainings of a kind that differ in their seed alone; None without one."""
    scores = {
        look.how.seed: score
        for look in looks
        if look.how.trained is trained and (score := look.scores.get(metric)) is not None
    }
    return Spread.of(list(scores.values()))


def _compared(entries: Sequence[Entry], rows: Mapping[str, StudyRow]) -> list[Entry]:
    """Entries with their standing, as far as predictions are kept here."""
    kept = [e for e in entries if e.look is not None and e.look.how.predictions is not None]
    if len(kept) < 2:
        return list(entries)
    # What has been looked at alone needs NumPy.
    from fesearch import predictions
    from fesearch.ranking.compare import on_rows

    found: list[predictions.Predictions | None] = []
    for entry in entries:
        name = entry.look.how.predictions if entry.look else None
        folder = str(rows[entry.trial.study].definition.get("folder", ""))
        try:
            found.append(predictions.kept(folder, name))
        except InputError as error:
            _log.warning("Not compared: %s", error.message)
            found.append(None)
    standings = on_rows(found)
    return [replace(e, standing=s) for e, s in zip(entries, standings, strict=True)]


def _data_names(rows: Iterable[StudyRow]) -> dict[str, list[str]]:
    """Data hash -> what studies call it; two people may have imported the same rows."""
    names: dict[str, list[str]] = {}
    for row in rows:
        name, known = row.definition["study"]["data"], names.setdefault(row.key.data, [])
        if name not in known:
            known.append(name)
    return names


def _is_data(digest: str, asked: str | None, names: Mapping[str, Sequence[str]]) -> bool:
    return asked is None or asked in names[digest] or digest.startswith(asked)


def _refuse_mixed(studies: Sequence[StudyRow]) -> None:
    for other in studies[1:]:
        first = studies[0]
        if other.key != first.key:
            raise InputError(
                f"'{first.name}' and '{other.name}' cannot be compared: "
                f"{_differing(first, other)}.",
                "Type fesearch rank for a table of each, or search both on one division.",
            )


def _differing(first: StudyRow, other: StudyRow) -> str:
    """How the keys of two studies differ; their fingerprints in any case."""

    def words(key: ResultKey) -> dict[str, str]:
        return {
            "data": key.data[:12],
            "target": key.target,
            "metric": key.metric,
            "split": key.split[:12],
        }

    pairs = [(name, one, words(other.key)[name]) for name, one in words(first.key).items()]
    return "; ".join(
        f"{name} {one} and {two}" for name, one, two in pairs if one != two or name == "split"
    )


def _refuse_ambiguous(split: str, keys: Sequence[KeySummary]) -> None:
    fingerprints = list(dict.fromkeys(summary.key.split for summary in keys))
    if len(fingerprints) > 1:
        raise InputError(
            f"'{split}' is the beginning of different divisions, which cannot be compared: "
            f"{' and '.join(fingerprints)}.",
            "Give more of one of them.",
        )
